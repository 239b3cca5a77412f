"""`rollcall demo`: the main job, from photographs and cameras to the stored list, checked at the end."""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from recognition.errors import RequestError
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.commands.command import Command, json_option
from stream_server.demo.cast import Cast, own_cast, photograph_cast
from stream_server.demo.feed import open_feed
from stream_server.settings import load_settings

FPS = 5.0
# After the last frame: what is still on its way arrives.
SETTLE_S = 2.0


@click.command(cls=Command)
@click.option(
    "--people",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of people: NAME.jpg or NAME/*.jpg.",
)
@click.option(
    "--video",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Video to stream instead of the photographs.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(2, 3600),
    default=8.0,
    show_default=True,
    help="How long the photographs are streamed.",
)
@click.option("--keep", is_flag=True, help="Leave the server running at the end, until Ctrl-C.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Also write what is shown as an SVG.")
@json_option
def demo(
    people: Path | None, video: Path | None, seconds: float, keep: bool, picture: Path | None, as_json: bool
) -> None:
    """Enrol people, stream cameras, show who is marked, and check the stored list.

    Starts a server of its own with an empty database on a free port; exits 0 only when what is stored agrees with what
    should be. With --people and --video it does the same with yours.
    """
    if (people is None) != (video is None):
        raise click.UsageError("--people and --video belong together")
    settings = load_settings()
    cast = own_cast(people, video) if people and video else photograph_cast(settings.models_dir, seconds)
    console = Console(stderr=as_json, quiet=as_json, highlight=False, record=picture is not None)
    if picture is not None:
        console.width = 80
    summary = asyncio.run(_demo(cast, settings.models_dir, console, keep=keep, as_json=as_json))
    if picture is not None:
        picture.write_text(console.export_svg(title="make demo", code_format=_without_web_fonts(CONSOLE_SVG_FORMAT)))
    if not summary["ok"]:
        sys.exit(1)


def _without_web_fonts(svg_format: str) -> str:
    """The picture must not fetch anything from elsewhere; the reader's own monospaced font will do."""
    return re.sub(r"@font-face \{\{.*?\}\}", "", svg_format, flags=re.DOTALL)


async def _demo(cast: Cast, models_dir: Path, console: Console, *, keep: bool, as_json: bool) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir)
        with console.status("starting PostgreSQL and the server"):
            await stack.enter_async_context(server)
        client = await stack.enter_async_context(server.client())
        readiness = await client.readiness()
        console.print(f"Server on {server.url}, ready after {server.started_s:.1f} s")
        for reason in readiness["reasons"]:
            console.print(f"[yellow]{reason}[/yellow]")
        enrolled = await _enrol(cast, client, console)
        events = await _stream(cast, client, console)
        summary = await _check(cast, enrolled, events, client, console)
        if as_json:
            click.echo(json.dumps(summary))
        if keep:
            console.print(f"\nThe server goes on at {server.url} with token {server.token}; Ctrl-C ends it.")
            await server.wait()
        return summary


async def _enrol(cast: Cast, client: ServerClient, console: Console) -> set[str]:
    enrolled: set[str] = set()
    with _progress(console) as progress:
        for name, photos in progress.track(cast.people.items(), description="enrolling"):
            person_id = await client.add_person(name, consent=True)
            for photo in photos:
                try:
                    await client.enrol(person_id, photo)
                    enrolled.add(name)
                except ServerSaidNo as error:
                    console.print(f"[yellow]a photograph of {name} was refused: {error.detail}[/yellow]")
    if not enrolled:
        raise RequestError(
            "nobody could be enrolled", hint="use photographs that show one face each, upright and sharp"
        )
    console.print(f"{len(enrolled)} people enrolled; {cast.description}")
    return enrolled


async def _stream(cast: Cast, client: ServerClient, console: Console) -> list[dict[str, Any]]:
    """Stream all cameras at once while the events are shown; returns the attendance events."""
    events: list[dict[str, Any]] = []

    def goes_on(frame: tuple[float, bytes]) -> bool:
        if cast.expected is None or frame[0] < cast.seconds:
            return True  # a video ends by itself
        return not cast.expected <= {event["person"]["name"] for event in events}

    async def show_events() -> None:
        async for event in client.events(after=0):
            if event.type == "attendance.marked":
                events.append(event.data)
                seen, who = event.data["first_seen"][11:19], event.data["person"]["name"]
                console.print(f"  {seen}  [bold]{who}[/bold]  {event.data['status']}, on {event.data['camera']}")

    with _progress(console) as progress:
        task = progress.add_task("streaming", total=cast.seconds)
        showing = asyncio.create_task(show_events())
        try:
            async with asyncio.TaskGroup() as cameras:
                for camera in cast.cameras:
                    frames = takewhile(goes_on, cast.frames(camera, FPS))
                    cameras.create_task(_stream_camera(camera, frames, client))
                cameras.create_task(_tick(progress, task, cast.seconds))
            await asyncio.sleep(SETTLE_S)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
    return events


async def _stream_camera(camera: str, frames: Iterator[tuple[float, bytes]], client: ServerClient) -> None:
    async with open_feed(client, camera) as feed:
        await feed.play(frames)
        await asyncio.sleep(SETTLE_S / 2)


async def _tick(progress: Progress, task: Any, seconds: float) -> None:
    began = asyncio.get_running_loop().time()
    while (passed := asyncio.get_running_loop().time() - began) < seconds:
        progress.update(task, completed=passed)
        await asyncio.sleep(0.1)
    progress.update(task, completed=seconds)


async def _check(
    cast: Cast, enrolled: set[str], events: list[dict[str, Any]], client: ServerClient, console: Console
) -> dict[str, Any]:
    stored = await client.attendance()
    frames = (await client.readiness())["frames"]
    marked = [record["person"]["name"] for record in stored]
    problems = [f"{name} could not be enrolled" for name in cast.people if cast.expected and name not in enrolled]
    problems += [f"{name} was marked {count} times" for name, count in Counter(marked).items() if count > 1]
    if sorted(marked) != sorted(event["person"]["name"] for event in events):
        problems.append("the events shown are not the records stored")
    if cast.expected is not None:
        problems += [f"{name} was there and is not marked" for name in sorted(cast.expected - set(marked))]
        problems += [f"{name} was not there and is marked" for name in sorted(set(marked) - cast.expected)]
    elif not marked:
        problems.append("nobody was marked")
    table = Table("person", "status", "first seen (UTC)", "camera", box=SIMPLE_HEAD)
    for record in stored:
        table.add_row(record["person"]["name"], record["status"], record["first_seen"][11:19], record["camera"])
    console.print("\nAttendance as stored:")
    console.print(table)
    absent = sorted(enrolled - set(marked))
    if absent:
        console.print(f"not seen: {', '.join(absent)}")
    console.print(
        f"frames: {frames['received']} received, {frames['processed']} processed, {frames['dropped']} dropped"
    )
    for problem in problems:
        console.print(f"[red]{problem}[/red]")
    if not problems:
        console.print("[green]What is stored is what should be.[/green]")
    return {
        "attendance": [
            {
                "person": record["person"]["name"],
                "status": record["status"],
                "first_seen": record["first_seen"],
                "camera": record["camera"],
            }
            for record in stored
        ],
        "events": len(events),
        "frames": {key: frames[key] for key in ("received", "processed", "dropped")},
        "ok": not problems,
    }


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
