"""`python -m benchmarks profile`."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import cv2
from rich.console import Console

from benchmarks import report
from benchmarks.machine import machine_facts
from benchmarks.profile import improvements, stages
from benchmarks.profile.parts import load
from benchmarks.profile.streams import streams
from recognition.errors import InternalError
from stream_server.memory import limit_malloc
from stream_server.settings import load_settings

_ROOT = Path(__file__).resolve().parents[2]
PAGE = _ROOT / "docs" / "performance.md"
FACES = _ROOT.parent / "shared" / "faces"


@click.command("profile")
@click.option("--quick", is_flag=True, help="Take few samples, and only print; the page is left alone.")
@click.option(
    "--faces",
    type=click.Path(file_okay=False, path_type=Path),
    default=FACES,
    help="Test data with video/short_hamilton_clip.mp4; left out when not there. Default: ../shared/faces.",
)
def profile_command(quick: bool, faces: Path) -> None:
    """Where the time of a frame and the memory of a server go, and what each improvement does.

    Writes the tables of docs/performance.md. Processor time of a thread, so other work on the machine disturbs it less.
    """
    limit_malloc()  # as the server does: large blocks cost page faults
    cv2.setNumThreads(1)
    console = Console(stderr=True, highlight=False)
    facts = machine_facts()
    models_dir = load_settings().models_dir.resolve()
    parts = load(models_dir)
    seen = streams(models_dir, faces if faces.is_dir() else None, 20 if quick else 60)
    times = 4 if quick else 30
    rows = [*stages.of_a_frame(parts, seen[0], times), *stages.of_storing(20 if quick else 200)]
    console.print("stages: done")
    compared = list(improvements.improvements(parts, seen, 1 if quick else 3))
    console.print("improvements: done")
    tables = {
        "stages": stage_table(rows),
        "improvements": improvement_table(compared),
        "memory": memory_table(memory_steps(models_dir)),
        "machine": [f"Written by `python -m benchmarks profile` on {report.machine_line(facts)}."],
    }
    if quick:
        click.echo("\n\n".join("\n".join(lines) for lines in tables.values()))
        return
    page = PAGE.read_text("utf-8")
    for name, lines in tables.items():
        page = with_table(page, name, lines)
    PAGE.write_text(page, "utf-8")


def memory_steps(models_dir: Path) -> list[tuple[str, float, float]]:
    """The steps of `memory_parts`, in a process of their own. Raises InternalError."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "ROLLCALL_MODELS__DIR": str(models_dir)}
    command = [sys.executable, "-m", "benchmarks.profile.memory_parts"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=_ROOT)
    if done.returncode != 0:
        raise InternalError(f"memory could not be measured: {done.stderr.strip()[-500:]}")
    return [(str(step), float(own), float(file)) for step, own, file in json.loads(done.stdout)]


def stage_table(rows: Sequence[stages.Row]) -> list[str]:
    """The lines of a Markdown table."""
    return [
        "| Stage | Of what | ms CPU |",
        "|---|---|---:|",
        *(f"| {row.stage} | {row.of} | {row.cpu_ms:.3f} |" for row in rows),
    ]


def improvement_table(rows: Sequence[improvements.Row]) -> list[str]:
    """The lines of a Markdown table."""
    return [
        "| Improvement | Stream | off, ms | on, ms | on / off | faces missed | longest, s | same names |",
        "|---|---|---:|---:|---:|---:|---:|---|",
        *(
            f"| {row.improvement} | {row.stream} | {row.compared.off_ms:.1f} | {row.compared.on_ms:.1f} | "
            f"{row.compared.ratio:.2f} | {row.missed} | {row.missed_for_s:.1f} | {'yes' if row.same else '**no**'} |"
            for row in rows
        ),
    ]


def memory_table(steps: Sequence[tuple[str, float, float]]) -> list[str]:
    """The lines of a Markdown table: what each step adds, and what is resident after it."""
    lines = ["| After | its own, MB | of files, MB | resident, MB |", "|---|---:|---:|---:|"]
    own_before = file_before = 0.0
    for step, own, file in steps:
        lines.append(f"| {step} | {own - own_before:+.1f} | {file - file_before:+.1f} | {own + file:.1f} |")
        own_before, file_before = own, file
    return lines


def with_table(page: str, name: str, lines: Sequence[str]) -> str:
    """The page with these lines between its markers of that name. Raises InternalError when it has none."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise InternalError(f"the page has no markers {begin} and {end}")
    return f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}"
