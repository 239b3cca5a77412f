"""`rollcall report`: attendance as a file, from a running server."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import click

from stream_server.client import local_client
from stream_server.commands.command import Command, server_option
from stream_server.commands.output import replacing
from stream_server.settings import load_settings

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(cls=Command)
@click.option("--from", "first_day", type=_DAY, help="First day, of the site. Without any condition: today.")
@click.option("--to", "last_day", type=_DAY, help="Last day; part of the report.")
@click.option("--session", type=click.UUID, help="Only this session.")
@click.option("--person", type=click.UUID, help="Only this person.")
@click.option("--group", type=click.UUID, help="Only sessions of this group.")
@click.option("--status", type=click.Choice(["present", "late", "absent", "excused"]), help="Only records that say so.")
@click.option(
    "--layout",
    type=click.Choice(["records", "people", "sessions"]),
    default="records",
    show_default=True,
    help="What a row is; people and sessions come with counts.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "json", "xlsx", "html"]),
    help="Default: what the name of the file ends in, or csv.",
)
@click.option("--bom", is_flag=True, help="Begin CSV with a byte order mark, for Excel.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: standard output."
)
@server_option
def report(
    first_day: datetime | None,
    last_day: datetime | None,
    session: UUID | None,
    person: UUID | None,
    group: UUID | None,
    status: str | None,
    layout: str,
    format_: str | None,
    bom: bool,
    output: Path | None,
    server: str | None,
) -> None:
    """Write attendance as CSV, JSON, an Excel workbook or a page to print. A file is there whole or not at all."""
    chosen = format_ or (output.suffix[1:] if output is not None else "") or "csv"
    if chosen not in ("csv", "json", "xlsx", "html"):
        raise click.UsageError(f"{chosen} is no format: use --format")
    if chosen == "xlsx" and output is None and sys.stdout.isatty():
        raise click.UsageError("a workbook is no text: use --output FILE")
    given = {
        "from": None if first_day is None else first_day.date().isoformat(),
        "to": None if last_day is None else last_day.date().isoformat(),
        "session": session,
        "person": person,
        "group": group,
        "status": status,
        "layout": layout,
        "format": chosen,
        "bom": "true" if bom else None,
    }
    params = {name: str(value) for name, value in given.items() if value is not None}
    if output is None:
        asyncio.run(_write(server, params, sys.stdout.buffer))
    else:
        with replacing(output) as file:
            asyncio.run(_write(server, params, file))


async def _write(server: str | None, params: dict[str, str], file: BinaryIO) -> None:
    async with local_client(server, load_settings(), timeout_s=120.0) as client:
        async for piece in client.download("/api/v1/reports/attendance", params):
            file.write(piece)
    file.flush()
