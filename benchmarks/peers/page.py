"""`PEERS.md`, the short table of the README, and what was measured before. Pure but for `read_rows`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.catalogue import BASE, PEERS, SLOWEST_KNOWN, Kind
from benchmarks.peers.tables import (
    FMR,
    Row,
    accuracy_table,
    megabytes,
    number_text,
    ratio_text,
    short_table,
    speed_table,
    transport_table,
    yes_or_no,
)
from benchmarks.report import machine_line

RESULTS_FILE, PAGE_FILE, PLOT_FILE = "peers.json", "PEERS.md", "peers.svg"
BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
TIMES_LESS = 10.0
# By name: where it lies, and whether more is better.
_COMPARED = {
    "faces found at 640 px": (("photographs", "small", "found"), True),
    "rank 1 of the portraits": (("portraits", "rank1"), True),
    "TAR at FMR 0.1 %": (("portraits", "tar_at_fmr", FMR), True),
    "d'": (("portraits", "d_prime"), True),
    "true pairs within the own limit": (("portraits", "own_limit", "tar"), True),
    "false pairs within it": (("portraits", "own_limit", "fmr"), False),
    "strangers within it": (("scenes", "strangers_accepted"), False),
}

_BEGINNING = f"""# Beside its peers

Written by `make bench-peers`; `{RESULTS_FILE}` holds the same with all details.

![Time of a face, memory and size]({PLOT_FILE})
"""
_SPEED_NOTE = """
Four faces in a JPEG of 640x480 pixels: decoded, found and, where a peer can, embedded. The picture is one on which
every peer finds all four. *A face*: a fourth of the time; *Processor*: a fourth of the processor time, which other
work on the machine changes less. *Beside Rollcall*: how many times that of Rollcall's default in the same round:
the median, and the range of 90 % of the rounds. *Small faces*: eyes 23 pixels apart, where Rollcall embeds each
face twice. *Empty*: a picture without a face.
"""
_FOUND_NOTE = """
*Found*: faces of the 22 on the six sample photographs, and boxes that are none of them. A face is found when the
middle of a box lies in the known one and its size is within a factor of two, for detectors draw boxes differently.
The known boxes were measured with YuNet at three scales, the detector of Rollcall and OpenCV. *Rank 1,
photographs*: the faces at 640 pixels searched for among those at full size. They show the same moments: this is
what is lost with size, not how people change.
"""
_PORTRAITS_NOTE = """
*Portraits*: 40 small pictures of 8 people, by the protocol of `rollcall evaluate`: one picture of each enrolled;
TAR and d' over the pairs of faces that were found, rank 1 over all. *Own limit*: what each accepts by its own
documentation; a pair with a face that was not found is not accepted. There are 700 impostor pairs at most: an FMR
of 0.1 % is less than one of them.
"""
_SCENES_NOTE = """
*Scenes*: four group photographs with 44 people. *Strangers accepted*: faces of the one on which nobody is enrolled
that lie within the own limit of one of the 40 portraits.
"""
_TRANSPORT_NOTE = """
Four cameras send the same JPEG, at first as fast as it is taken, and then 15 times a second each. Processor time is
the receiver's alone, for a frame received; *Beside Rollcall* compares it. Frames a second are bounded by the
sender, four connections of one Python process, as much as by the receiver.
"""
_METHOD = """
Each peer is installed by pip or npm from a lock with hashes into an environment of its own under `build/peers`, and
runs in processes of its own, with one thread, on one processor core, the same for all. Recognition is timed in
rounds: on each picture one peer after the other, each for about 0.3 seconds; another one begins each round.
Milliseconds hold whatever else the machine did meanwhile, the ratios within a round much less of it.

*Peak memory* is the most resident memory (VmHWM) of the process that was timed. *Installed* are the bytes on disk
of the environment and of the models in use; Python and Node themselves are not counted. Rollcall's is the whole
server, with web server, database driver and WebRTC, where the peers are libraries; in brackets what recognition
alone needs of it. *First answer*: from the start of the process to the faces of the first picture, with the files
in the page cache; the median of several starts. *Start* of a receiver: until it listens.
"""


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """The new rows, and the old ones of peers that were not run, in the order of the catalogue."""
    order = [peer.name for peer in PEERS]
    names = {row["name"] for row in new}
    kept = [row for row in old if row.get("name") not in names and row.get("name") in order]
    return sorted([*kept, *new], key=lambda row: order.index(row["name"]))


def read_rows(path: Path) -> list[Row]:
    """The rows of an earlier run; none when there is no file of them, or another kind of file."""
    try:
        content = json.loads(path.read_bytes())["peers"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []


def page(rows: Sequence[Row], *, server_peak_mb: float | None = None) -> str:
    """`PEERS.md`. `server_peak_mb` is the peak of the whole server under load, as `make bench` measured it."""
    recognition = [row for row in rows if row["kind"] == Kind.RECOGNITION]
    transport = [row for row in rows if row["kind"] == Kind.TRANSPORT]
    machines = dict.fromkeys(_machine(row["machine"]) for row in rows if row.get("machine"))
    quick = [row["title"] for row in rows if row.get("quick")]
    parts = {part for row in recognition for part in (row.get("accuracy") or {})}
    lines = [_BEGINNING, *speed_table(recognition), _SPEED_NOTE]
    lines += ["## Accuracy", "", *accuracy_table(recognition), _FOUND_NOTE.rstrip("\n")]
    lines += [_PORTRAITS_NOTE.rstrip("\n")] if "portraits" in parts else []
    lines += [_SCENES_NOTE.rstrip("\n")] if "scenes" in parts else []
    lines += ["", "## Transport", "", *transport_table(transport), _TRANSPORT_NOTE]
    lines += [
        "## The aims",
        "",
        *aims(recognition, server_peak_mb=server_peak_mb),
        "",
        "## How it is measured",
        _METHOD,
    ]
    lines += [_how(row) for row in rows]
    lines += ["", f"From a quick run, which takes few samples: {', '.join(quick)}."] if quick else []
    lines += ["", *(f"Machine: {line}." for line in machines)]
    return "\n".join(lines) + "\n"


def with_table(readme: str, rows: Sequence[Row]) -> str | None:
    """The README with the short table between its markers; None when it has no markers."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return None
    recognition = [row for row in rows if row["kind"] == Kind.RECOGNITION]
    machines = dict.fromkeys(machine_line(row["machine"]) for row in recognition if row.get("machine"))
    lines = [*short_table(recognition), "", *(f"Measured on {line}." for line in machines)]
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def _machine(machine: Row) -> str:
    load = machine.get("load_before")
    return machine_line(machine) + ("" if load is None else f"; load average of the minute before {load:g}")


def _how(row: Row) -> str:
    facts = (row.get("facts") or {}).get("versions", {})
    versions = ", ".join(f"{name} {version}" for name, version in facts.items())
    return f"- **{row['title']}**: {row['how']}{f' ({versions})' if versions else ''}"


def aims(rows: Sequence[Row], *, server_peak_mb: float | None = None) -> list[str]:
    """What was aimed at, and whether it is so."""
    by_name = {row["name"]: row for row in rows if not row["error"]}
    base, known = by_name.get(BASE), by_name.get(SLOWEST_KNOWN)
    lines = []
    ratios = {} if known is None else known.get("per_face_ratio") or {}
    if base is None or known is None or not ratios.get("time"):
        lines.append(f"- Time beside {SLOWEST_KNOWN}: not measured.")
    else:
        lines.append(
            f"- At least {TIMES_LESS:g} times less time for a face than {SLOWEST_KNOWN}: "
            f"{yes_or_no(ratios['time']['median'] >= TIMES_LESS)}, {ratio_text(ratios['time'])}; "
            f"by processor time {ratio_text(ratios['cpu'])}. {_accuracy_aim(base, known)}"
        )
    if base is not None:
        lines += _memory_aim(base, [row for row in by_name.values() if not row["ours"]])
    if server_peak_mb is not None:
        lines.append(
            f"- For comparison, the peak of Rollcall's whole server under four cameras: {megabytes(server_peak_mb)} "
            "([RESULTS.md](RESULTS.md))."
        )
    return lines


def _accuracy_aim(base: Row, known: Row) -> str:
    said = []
    for name, (path, more) in _COMPARED.items():
        ours, theirs = _at(base, path), _at(known, path)
        if ours is not None and theirs is not None:
            met = ours >= theirs if more else ours <= theirs
            said.append(f"{name} {yes_or_no(met)} ({number_text(ours)} and {number_text(theirs)})")
    return f"At equal or better accuracy: {'; '.join(said)}." if said else "Accuracy was not measured."


def _at(row: Row, path: tuple[str, ...]) -> float | None:
    """A figure of the row's accuracy; None when it was not measured."""
    found: Any = row.get("accuracy")
    for key in path:
        found = (found or {}).get(key)
    value: float | None = found
    return value


def _memory_aim(base: Row, peers: Sequence[Row]) -> list[str]:
    own = base.get("peak_mb")
    told = [row for row in peers if row.get("peak_mb") is not None]
    if own is None or not told:
        return ["- Memory beside the peers: not measured."]
    lines = []
    for group, name in ((True, "every peer that recognises"), (False, "a peer that only detects")):
        shown = [row for row in told if row["recognises"] is group]
        if shown:
            values = ", ".join(f"{row['title']} {megabytes(row['peak_mb'])}" for row in shown)
            less = all(own < row["peak_mb"] for row in shown)
            lines.append(f"- Less memory than {name}: {yes_or_no(less)}. Rollcall {megabytes(own)}; {values}.")
    return lines
