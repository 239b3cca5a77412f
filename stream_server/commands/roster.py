"""`rollcall roster`: import whole rosters into a running server, and export its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.commands.output import replacing
from stream_server.settings import load_settings

_CHUNK = 256 * 1024
IMPORT_TIMEOUT_S = 600.0


@click.group(cls=Group)
def roster() -> None:
    """Import and export rosters."""


@roster.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", is_flag=True, help="Store it; otherwise only say what would happen.")
@click.option("--all", "show_all", is_flag=True, help="Show the rows that change nothing too.")
@server_option
@json_option
def import_file(file: Path, apply: bool, show_all: bool, server: str | None, as_json: bool) -> None:
    """Import people and groups from a CSV, XLSX or OneRoster file. Without --apply nothing is stored.

    The exit code is 1 when a row was refused.
    """
    report = asyncio.run(send_file(file, "/api/v1/roster/import", apply, server))
    say_report(report, as_json, show_all)


@roster.command("export")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: standard output."
)
@server_option
def export_file(output: Path | None, server: str | None) -> None:
    """Write people and their groups as CSV, as an import takes it. A file is there whole or not at all."""
    if output is None:
        asyncio.run(_export(server, sys.stdout.buffer))
    else:
        with replacing(output) as file:
            asyncio.run(_export(server, file))


async def _export(server: str | None, file: BinaryIO) -> None:
    async with local_client(server, load_settings(), timeout_s=IMPORT_TIMEOUT_S) as client:
        async for piece in client.download("/api/v1/roster/export"):
            file.write(piece)
    file.flush()


async def send_file(file: Path, path: str, apply: bool, server: str | None, **params: str) -> Any:
    """Send a file to an endpoint that takes it as its body; returns the report."""
    async with local_client(server, load_settings(), timeout_s=IMPORT_TIMEOUT_S) as client:
        asked = {"apply": str(apply).lower(), **params}
        return await client.call("POST", path, photo=_chunks(file), params=asked)


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, _CHUNK):
            yield chunk


def say_report(report: dict[str, Any], as_json: bool, show_all: bool) -> None:
    """Say what became of each row; exit code 1 when one was refused."""
    if as_json:
        click.echo(json.dumps(report))
    else:
        for warning in report["warnings"]:
            click.echo(f"warning: {warning}", err=True)
        for row in report["rows"]:
            if show_all or row["outcome"] not in ("unchanged", "skipped"):
                where = f"{row['file']} row {row['row']}: " if row["file"] else ""
                why = f": {row['reason']}" if row["reason"] else ""
                click.echo(f"{where}{row['kind']} {row['key']} {row['outcome']}{why}")
        counts = ", ".join(f"{count} {outcome}" for outcome, count in report["counts"].items() if count)
        click.echo(counts or "nothing to do")
        if not report["applied"]:
            click.echo("nothing was stored: add --apply", err=True)
    if report["counts"].get("refused"):
        sys.exit(1)
