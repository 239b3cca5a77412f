"""`rollcall audit`: who saw or changed what, on a running server."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from stream_server.client import local_client
from stream_server.commands.command import Command, json_option, server_option
from stream_server.settings import load_settings

_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])


@click.command(cls=Command)
@click.option("--actor", help="Only what this one did.")
@click.option("--action", help="Only this, such as person.read; person. for all of a kind.")
@click.option("--person", "person_id", type=click.UUID, help="Only what is about this person.")
@click.option("--since", type=_MOMENT, help="From this moment; UTC if it names no zone.")
@click.option("--until", type=_MOMENT, help="Before this moment.")
@click.option("--count", type=click.IntRange(1), default=50, show_default=True, help="How many entries, at most.")
@server_option
@json_option
def audit(
    actor: str | None,
    action: str | None,
    person_id: UUID | None,
    since: datetime | None,
    until: datetime | None,
    count: int,
    server: str | None,
    as_json: bool,
) -> None:
    """Show who saw or changed what, the newest first."""
    asked = {
        "actor": actor,
        "action": action,
        "person_id": None if person_id is None else str(person_id),
        "since": _text(since),
        "until": _text(until),
    }
    params = {name: value for name, value in asked.items() if value is not None}
    entries = asyncio.run(_read(server, params, count))
    if as_json:
        click.echo(json.dumps({"audit": entries}))
        return
    for entry in entries:
        details = json.dumps(entry["details"]) if entry["details"] else ""
        click.echo(f"{entry['at']}  {entry['actor']}  {entry['action']}  {entry['subject'] or '-'}  {details}".rstrip())


async def _read(server: str | None, params: dict[str, str], count: int) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    async with local_client(server, load_settings()) as client:
        async for entry in client.pages("/api/v1/audit", "audit", {**params, "limit": str(min(count, 200))}):
            entries.append(entry)
            if len(entries) == count:
                break
    return entries


def _text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
