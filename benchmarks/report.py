"""The results as JSON and as tables.

`results.json` is a list with one object for each measurement: name, title, value, unit, aim, met, detail, quick, and
the facts of the machine it was taken on. A run of some benchmarks leaves the results of the others as they were.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measurement import Measurement

Result = dict[str, Any]

RESULTS_FILE = "results.json"
TABLE_FILE = "RESULTS.md"
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
# What the README shows.
HEADLINES = (
    "picture.opencv.total",
    "picture.onnxruntime.total",
    "embedding.int8",
    "memory.at_rest",
    "memory.after_load",
    "latency.frame_to_event.p50",
    "latency.frame_to_event.p95",
    "startup.embedded",
    "attendance.person_year.p95",
    "attendance.report.csv",
    "cameras.webrtc_cpu",
    "cameras.rtsp_cpu",
    "cameras.rtsp_stalled",
    "cameras.rtsp_live_again",
    "browser.appearance_to_name.p95",
    "browser.camera.bytes",
    "browser.camera.interactive",
    "browser.dashboard.bytes",
    "browser.dashboard.interactive",
    "browser.page.process",
)


def results_of(
    measurements: Iterable[Measurement], *, benchmark: str, machine: Mapping[str, Any], quick: bool
) -> list[Result]:
    """Measurements of one benchmark as JSON."""
    return [
        {
            "name": measurement.name,
            "benchmark": benchmark,
            "title": measurement.title or measurement.name,
            "value": measurement.value,
            "unit": measurement.unit,
            "aim": measurement.aim,
            "met": measurement.met,
            "quick": quick,
            "detail": dict(measurement.detail),
            "machine": dict(machine),
        }
        for measurement in measurements
    ]


def merged(old: Sequence[Result], new: Sequence[Result], order: Sequence[str]) -> list[Result]:
    """The new results, and the old ones of benchmarks that were not run, by benchmark in the given order."""
    run = {result["benchmark"] for result in new}
    kept = [result for result in old if result["benchmark"] not in run and result["benchmark"] in order]
    return sorted([*kept, *new], key=lambda result: order.index(result["benchmark"]))


def read_results(path: Path) -> list[Result]:
    """The results of an earlier run; none when there is no file of them, or another kind of file."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    if not isinstance(content, list) or not all(isinstance(item, dict) and "benchmark" in item for item in content):
        return []
    return content


def write(folder: Path, results: Sequence[Result]) -> None:
    """Write `results.json` and `RESULTS.md` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS_FILE).write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (folder / TABLE_FILE).write_text(page(results), "utf-8")


def page(results: Sequence[Result]) -> str:
    """`RESULTS.md`: the whole table, and what it was measured on."""
    machines = dict.fromkeys(machine_line(result["machine"]) for result in results)
    quick = sorted({result["benchmark"] for result in results if result["quick"]})
    lines = [
        "# Measured",
        "",
        "Written by `make bench`; `results.json` holds the same with all details.",
        "",
        *table(results),
        "",
        "Values are medians where several were taken, unless p50 or p95 is said.",
        *([f"From a quick run, which takes few samples: {', '.join(quick)}."] if quick else []),
        "",
        *(f"Machine: {line}." for line in machines),
    ]
    return "\n".join(lines) + "\n"


def table(results: Sequence[Result]) -> list[str]:
    """The lines of a Markdown table."""
    rows = [
        f"| {result['title']} | {with_unit(result['value'], result['unit'])} | "
        f"{_p95(result)} | {_aim(result)} | {_met(result)} |"
        for result in results
    ]
    return ["| What | Measured | p95 | Aim | Met |", "|---|---:|---:|---:|---|", *rows]


def with_headlines(readme: str, results: Sequence[Result]) -> str | None:
    """The README with the headline numbers between its markers; None when it has no markers."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return None
    by_name = {result["name"]: result for result in results}
    shown = [by_name[name] for name in HEADLINES if name in by_name]
    rows = [
        f"| {result['title']} | {with_unit(result['value'], result['unit'])} | {_aim(result)} |" for result in shown
    ]
    lines = [
        "| What | Measured | Aim |",
        "|---|---:|---:|",
        *rows,
        "",
        *_measured_on([result["machine"] for result in shown]),
    ]
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def with_unit(value: float, unit: str) -> str:
    """A value as people read it: about three digits that count."""
    if unit in ("files", "%"):
        return f"{value:.3g} {unit}"
    size = abs(value)
    digits = 0 if size >= 99.5 else 1 if size >= 9.95 else 2 if size >= 0.0995 or unit != "cores" else 3
    return f"{round(value, digits) + 0.0:.{digits}f} {unit}"  # + 0.0: no minus before a zero


def machine_line(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    commit = f", commit {machine['commit']}" if machine.get("commit") else ""
    return f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {machine['date']}{commit}"


def _measured_on(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each machine: parts may have been measured on several days, at several commits."""
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for machine in machines:
        runs.setdefault(f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}", []).append(machine)
    lines = []
    for place, there in runs.items():
        days = sorted({machine["date"] for machine in there})
        commits = list(dict.fromkeys(machine["commit"] for machine in there if machine.get("commit")))
        said = [place, days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"]
        if commits:
            said.append(f"commit{'s' if len(commits) > 1 else ''} {', '.join(commits)}")
        lines.append(f"Measured on {', '.join(said)}.")
    return lines


def _p95(result: Result) -> str:
    p95 = result["detail"].get("p95")
    return "" if p95 is None else with_unit(p95, result["unit"])


def _aim(result: Result) -> str:
    return "" if result["aim"] is None else f"≤ {result['aim']:g} {result['unit']}"


def _met(result: Result) -> str:
    return {None: "", True: "yes", False: "**no**"}[result["met"]]
