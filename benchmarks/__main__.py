"""`python -m benchmarks`: run the benchmarks, print their table and write it down."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import attendance, latency, memory, pipeline, report, startup
from benchmarks.machine import machine_facts
from benchmarks.measurement import Measurement
from recognition.errors import RollcallError
from stream_server.settings import load_settings

BENCHMARKS: dict[str, Callable[..., list[Measurement]]] = {
    "pipeline": pipeline.measure,
    "memory": memory.measure,
    "latency": latency.measure,
    "startup": startup.measure,
    "attendance": attendance.measure,
}
# Between two benchmarks: what the last one left to be done, on disk and in other processes, ends.
PAUSE_S, QUICK_PAUSE_S = 10.0, 1.0
_HERE = Path(__file__).resolve().parent
_README = _HERE.parent / "README.md"


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="Run this one; may be given again.")
@click.option("--quick", is_flag=True, help="Take few samples, to see that everything works; README.md is left alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the results of this run as one JSON document.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_HERE,
    help="Folder to write results.json and RESULTS.md to; default: benchmarks. README.md only follows the default.",
)
def main(only: tuple[str, ...], quick: bool, as_json: bool, output: Path) -> None:
    """Measure Rollcall on this machine. Nothing else should run on it meanwhile."""
    console = Console(stderr=True, highlight=False)
    facts = machine_facts()
    names = [name for name in BENCHMARKS if not only or name in only]
    new: list[report.Result] = []
    failed = False
    for number, name in enumerate(names):
        if number:
            time.sleep(QUICK_PAUSE_S if quick else PAUSE_S)
        try:
            measurements = _run(name, console, quick=quick)
        except RollcallError as error:
            console.print(f"[red]{name}: {error}[/red]")
            failed = True
            continue
        new += report.results_of(measurements, benchmark=name, machine=facts, quick=quick)
        # After each one: what took minutes to measure is not lost with the next.
        _write(output, new)
    if as_json:
        click.echo(json.dumps(new))
    else:
        Console(highlight=False).print(_table(new))
    if failed:
        sys.exit(1)


def _run(name: str, console: Console, *, quick: bool) -> list[Measurement]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=1.0)
        models_dir = load_settings().models_dir.resolve()
        measurements = BENCHMARKS[name](
            models_dir, quick=quick, advance=lambda done: progress.update(task, completed=done)
        )
    console.print(f"{name}: done")
    return measurements


def _write(output: Path, new: list[report.Result]) -> None:
    results = report.merged(report.read_results(output / report.RESULTS_FILE), new, list(BENCHMARKS))
    report.write(output, results)
    if output.resolve() == _HERE and not any(result["quick"] for result in results):
        _update_readme(results)


def _update_readme(results: list[report.Result]) -> None:
    try:
        readme = _README.read_text("utf-8")
    except OSError:
        return
    updated = report.with_headlines(readme, results)
    if updated is not None:
        _README.write_text(updated, "utf-8")


def _table(results: list[report.Result]) -> Table:
    shown = Table("what", title="Measured")
    for heading in ("measured", "p95", "aim"):
        shown.add_column(heading, justify="right")
    shown.add_column("met")
    for line in report.table(results)[2:]:
        shown.add_row(*(cell.strip().replace("**", "") for cell in line.strip("|").split("|")))
    return shown


if __name__ == "__main__":
    main()
