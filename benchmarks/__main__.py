"""`python -m benchmarks`: run the benchmarks, print their table and write it down."""

import asyncio
import json
import sys
import time
import unittest
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import attendance, cameras, latency, memory, pipeline, report, startup
from benchmarks.browser import measure as browser
from benchmarks.browser import report as browser_report
from benchmarks.machine import machine_facts
from benchmarks.measurement import Measurement
from benchmarks.peers.command import peers_command
from benchmarks.profile.command import profile_command
from recognition.errors import RollcallError
from stream_server.settings import load_settings

BENCHMARKS: dict[str, Callable[..., list[Measurement]]] = {
    "pipeline": pipeline.measure,
    "memory": memory.measure,
    "latency": latency.measure,
    "startup": startup.measure,
    "attendance": attendance.measure,
    "cameras": cameras.measure,
    "browser": browser.measure,
}
# Between two benchmarks: what the last one left to be done, on disk and in other processes, ends.
PAUSE_S, QUICK_PAUSE_S = 10.0, 1.0
_HERE = Path(__file__).resolve().parent
_README = _HERE.parent / "README.md"


@click.group(invoke_without_command=True)
@click.option("--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="Run this one; may be given again.")
@click.option("--quick", is_flag=True, help="Take few samples, to see that everything works; README.md is left alone.")
@click.option(
    "--minutes",
    default=browser.MINUTES,
    type=click.FloatRange(0.1),
    help="How long the part `browser` watches a camera page; default: 10.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results of this run as one JSON document.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_HERE,
    help="Folder to write results.json and RESULTS.md to; default: benchmarks. README.md only follows the default.",
)
@click.pass_context
def main(
    context: click.Context, only: tuple[str, ...], quick: bool, minutes: float, as_json: bool, output: Path
) -> None:
    """Measure Rollcall on this machine. Nothing else should run on it meanwhile."""
    if context.invoked_subcommand is not None:
        return
    console = Console(stderr=True, highlight=False)
    facts = machine_facts()
    names = [name for name in BENCHMARKS if not only or name in only]
    new: list[report.Result] = []
    failed = False
    for number, name in enumerate(names):
        if number:
            time.sleep(QUICK_PAUSE_S if quick else PAUSE_S)
        try:
            measurements = _run(name, console, quick=quick, minutes=minutes)
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


@main.command("soak")
@click.option("--minutes", default=10.0, type=click.FloatRange(0.1), help="How long the cameras stream; default: 10.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_HERE,
    help="Folder to write SOAK.md to; default: benchmarks.",
)
def soak_command(minutes: float, as_json: bool, output: Path) -> None:
    """Ten cameras, three of them killed and frozen in turn: do the other seven lose anything, and what is left behind?

    Ends with 1 if so. Takes about two minutes more than it is told.
    """
    from benchmarks import soak_report
    from benchmarks.soak import soak

    facts = machine_facts()
    console = Console(stderr=True, highlight=False)
    with _progress(console) as progress:
        task = progress.add_task("soak", total=1.0)
        try:
            came = asyncio.run(
                soak(
                    load_settings().models_dir.resolve(),
                    minutes=minutes,
                    advance=lambda done: progress.update(task, completed=done),
                )
            )
        except (RollcallError, unittest.SkipTest) as error:
            raise click.ClickException(str(error)) from error
    page = soak_report.page(came, facts)
    output.mkdir(parents=True, exist_ok=True)
    (output / soak_report.REPORT_FILE).write_text(page, "utf-8")
    click.echo(json.dumps(soak_report.as_json(came, facts)) if as_json else page)
    if came.failures:
        sys.exit(1)


@main.command("envelope")
@click.option("--minutes", default=30.0, type=click.FloatRange(0.1), help="How long everybody asks; default: 30.")
@click.option("--only-kills", is_flag=True, help="A missed aim is told, and ends with 0; on a machine that is busy.")
@click.option("--where-possible", is_flag=True, help="Where no control group can be made, say so and end with 0.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_HERE,
    help="Folder to write ENVELOPE.md to; default: benchmarks.",
)
def envelope_command(minutes: float, only_kills: bool, where_possible: bool, as_json: bool, output: Path) -> None:
    """256 MB without swap and half a core, held by the kernel: does the server live there, and what is it good for?

    Ends with 1 if an aim was missed. Needs the right to make control groups.
    """
    from benchmarks import envelope_report
    from benchmarks.cgroups import NoControlGroups
    from benchmarks.envelope import envelope

    facts = machine_facts()
    with _progress(Console(stderr=True, highlight=False)) as progress:
        task = progress.add_task("envelope", total=1.0)
        try:
            came = asyncio.run(
                envelope(
                    load_settings().models_dir.resolve(),
                    minutes=minutes,
                    advance=lambda done: progress.update(task, completed=done),
                )
            )
        except NoControlGroups as error:
            if not where_possible:
                raise click.ClickException(str(error)) from error
            click.echo(f"not measured: {error}", err=True)
            return
        except RollcallError as error:
            raise click.ClickException(str(error)) from error
    written = envelope_report.page(came, facts)
    output.mkdir(parents=True, exist_ok=True)
    (output / envelope_report.REPORT_FILE).write_text(written, "utf-8")
    click.echo(json.dumps(envelope_report.as_json(came, facts)) if as_json else written)
    if came.killed if only_kills else came.failures:
        sys.exit(1)


main.add_command(peers_command)
main.add_command(profile_command)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _run(name: str, console: Console, *, quick: bool, minutes: float) -> list[Measurement]:
    with _progress(console) as progress:
        task = progress.add_task(name, total=1.0)
        models_dir = load_settings().models_dir.resolve()
        more = {"minutes": minutes} if name == "browser" else {}
        measurements = BENCHMARKS[name](
            models_dir, quick=quick, advance=lambda done: progress.update(task, completed=done), **more
        )
    console.print(f"{name}: done")
    return measurements


def _write(output: Path, new: list[report.Result]) -> None:
    results = report.merged(report.read_results(output / report.RESULTS_FILE), new, list(BENCHMARKS))
    report.write(output, results)
    browser_report.write(output, results)
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
