"""`rollcall timetable`: import calendars into a running server."""

import asyncio
from pathlib import Path

import click

from stream_server.commands.command import Group, json_option, server_option
from stream_server.commands.roster import say_report, send_file


@click.group(cls=Group)
def timetable() -> None:
    """Import timetables."""


@timetable.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", is_flag=True, help="Store it; otherwise only say what would happen.")
@click.option("--source", default="timetable", show_default=True, help="Importing the same one again replaces it.")
@click.option("--all", "show_all", is_flag=True, help="Show the lessons that do not change too.")
@server_option
@json_option
def import_file(file: Path, apply: bool, source: str, show_all: bool, server: str | None, as_json: bool) -> None:
    """Import lessons from an iCalendar file. Without --apply nothing is stored.

    The exit code is 1 when an event was refused.
    """
    report = asyncio.run(send_file(file, "/api/v1/timetable/import", apply, server, source=source))
    say_report(report, as_json, show_all)
