"""`python -m benchmarks peers`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import report
from benchmarks.machine import machine_facts
from benchmarks.peers import page, plot, tables
from benchmarks.peers.catalogue import BASE, PEERS, ROOT, TRANSPORT_BASE, Kind, Peer
from benchmarks.peers.measure import FULL, QUICK, Advance, measure
from recognition.errors import RollcallError
from stream_server.settings import load_settings

OUTPUT = ROOT / "benchmarks"
README = ROOT / "README.md"
FACES = ROOT.parent / "shared" / "faces"


@click.command("peers")
@click.option(
    "--only", multiple=True, type=click.Choice([peer.name for peer in PEERS]), help="One; may be given again."
)
@click.option("--quick", is_flag=True, help="Take few samples, to see that everything works; README.md is left alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the results of this run as one JSON document.")
@click.option(
    "--faces",
    type=click.Path(file_okay=False, path_type=Path),
    default=FACES,
    help="Test data, bbt/NAME/*.png and scenes/*.jpg; left out when not there. Default: ../shared/faces.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUTPUT,
    help=f"Folder to write {page.RESULTS_FILE}, {page.PAGE_FILE} and {page.PLOT_FILE} to; default: benchmarks.",
)
def peers_command(only: tuple[str, ...], quick: bool, as_json: bool, faces: Path, output: Path) -> None:
    """Rollcall beside what people would pick instead: time, memory, size, accuracy, transport.

    Installs each peer under build/peers, once. One that cannot be installed is a row that says why.
    """
    facts = machine_facts()
    settings = load_settings()
    try:
        with _progress() as advance:
            rows = measure(
                chosen(only),
                settings.models_dir.resolve(),
                faces_dir=faces if faces.is_dir() else None,
                mirror=settings.models.mirror,
                plan=QUICK if quick else FULL,
                advance=advance,
            )
    except RollcallError as error:
        raise click.ClickException(str(error)) from error
    for row in rows:
        row |= {"machine": facts, "quick": quick}
    write(output, rows)
    if as_json:
        click.echo(json.dumps(rows))
    else:
        _print(rows)
    if any(row["error"] for row in rows if row["ours"]):
        sys.exit(1)


def chosen(only: tuple[str, ...]) -> list[Peer]:
    """The named peers, or all; and Rollcall itself, for ratios are to what it takes in the same round."""
    named = [peer for peer in PEERS if not only or peer.name in only]
    kinds = {peer.kind for peer in named}
    bases = {Kind.RECOGNITION: BASE, Kind.TRANSPORT: TRANSPORT_BASE}
    needed = {bases[kind] for kind in kinds}
    return [peer for peer in PEERS if peer in named or peer.name in needed]


def write(output: Path, new: list[dict[str, Any]]) -> None:
    """Everything that is written, and the README when all went into the usual folder and nothing is of a quick run."""
    output.mkdir(parents=True, exist_ok=True)
    rows = page.merged(page.read_rows(output / page.RESULTS_FILE), new)
    (output / page.RESULTS_FILE).write_text(json.dumps({"peers": rows}, indent=1) + "\n", "utf-8")
    (output / page.PAGE_FILE).write_text(page.page(rows, server_peak_mb=_server_peak_mb()), "utf-8")
    (output / page.PLOT_FILE).write_text(plot.svg(rows), "utf-8")
    if output.resolve() == OUTPUT and README.is_file() and not any(row["quick"] for row in rows):
        updated = page.with_table(README.read_text("utf-8"), rows)
        if updated is not None:
            README.write_text(updated, "utf-8")


def _server_peak_mb() -> float | None:
    results = report.read_results(OUTPUT / report.RESULTS_FILE)
    return next((result["value"] for result in results if result.get("name") == "memory.peak"), None)


@contextmanager
def _progress() -> Iterator[Advance]:
    """A bar for each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    steps: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as progress:

        def advance(step: str, done: float) -> None:
            if step not in steps:
                steps[step] = progress.add_task(step, total=1.0)
            progress.update(steps[step], completed=done)

        yield advance


def _print(rows: list[dict[str, Any]]) -> None:
    for kind, make in ((Kind.RECOGNITION, tables.speed_table), (Kind.TRANSPORT, tables.transport_table)):
        shown = [row for row in rows if row["kind"] == kind]
        if not shown:
            continue
        heading, _, *lines = make(shown)
        table = Table(*(cell.strip() for cell in heading.strip("|").split("|")))
        for line in lines:
            table.add_row(*(cell.strip() for cell in line.strip("|").split("|")))
        Console(highlight=False).print(table)
