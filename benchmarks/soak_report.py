"""The report of a soak, as a page for people and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.report import machine_line
from benchmarks.soak import Soak

REPORT_FILE = "SOAK.md"


def as_json(soak: Soak, machine: Mapping[str, Any]) -> dict[str, Any]:
    """All of it."""
    content = asdict(soak)
    for camera in content["cameras"]:
        del camera["_last"]
    return {**content, "failures": soak.failures, "machine": dict(machine)}


def page(soak: Soak, machine: Mapping[str, Any]) -> str:
    """`SOAK.md`."""
    good = [camera for camera in soak.cameras if camera.good]
    failures = soak.failures
    verdict = [f"- {failure}" for failure in failures]
    if not failures:
        others = len(soak.cameras) - len(good)
        verdict = [f"Nothing was lost: {len(good)} cameras streamed while the other {others} broke."]
    lines = [
        "# Soak",
        "",
        "Written by `python -m benchmarks soak`; [how it works](../docs/how-to/benchmark.md#soak).",
        "",
        f"{soak.seconds / 60:g} minutes, {len(soak.cameras)} cameras, {len(soak.faults)} faults, {soak.rounds} rounds.",
        "",
        *verdict,
        "",
        "| Camera | Frames | Longest gap | Overdue by | Opened again | Marked | Not marked |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {camera.camera_id} | {camera.received} | {camera.longest_gap_s:.1f} s | "
            f"{camera.most_overdue_s:.1f} s | {camera.reopened} | {camera.marked} | {camera.missing} |"
            for camera in good
        ),
        "",
        f"A frame may come {soak.gap_max_s:g} s later than the pace asks for it. "
        "Frames are those that came to the sampler.",
        "",
        "| Broken | How | Times | Noticed after, at most | Back after, at most |",
        "|---|---|---:|---:|---:|",
        *_faults(soak),
        "",
        "Seconds as seen by a look every quarter of a second. A camera is noticed when it is no longer `live`.",
        "",
        "| The server holds | Before | After |",
        "|---|---:|---:|",
        *(f"| {name.replace('_', ' ')} | {soak.before[name]:g} | {soak.after[name]:g} |" for name in soak.before),
        "",
        "Before: when every camera had been there once and had gone. "
        f"Highest memory meanwhile: {soak.highest_rss_mb:.0f} MB.",
        "",
        *(["Errors in the server's log:", "", "```text", *soak.log_errors, "```", ""] if soak.log_errors else []),
        f"Machine: {machine_line(machine)}; load average of the minute before {machine.get('load_before', 0):g}.",
    ]
    return "\n".join(lines) + "\n"


def _faults(soak: Soak) -> list[str]:
    rows = []
    for key in dict.fromkeys((fault.camera_id, fault.how) for fault in soak.faults):
        of_it = [fault for fault in soak.faults if (fault.camera_id, fault.how) == key]
        noticed, back = ([getattr(f, name) for f in of_it] for name in ("noticed_s", "back_s"))
        rows.append(f"| {key[0]} | {key[1]} | {len(of_it)} | {_most(noticed)} | {_most(back)} |")
    return rows


def _most(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):.1f} s" if len(known) == len(values) else "**never**"
