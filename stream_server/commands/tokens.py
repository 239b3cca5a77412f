"""`rollcall tokens`: API tokens of a running server, for programs."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click

from stream_server.access.scopes import SCOPES
from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.settings import load_settings


@click.group(cls=Group)
def tokens() -> None:
    """Make and revoke API tokens."""


@tokens.command()
@click.argument("name")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, required=True, help="May be repeated.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it is good for; default: until it is revoked.")
@server_option
@json_option
def add(name: str, scopes: tuple[str, ...], days: int | None, server: str | None, as_json: bool) -> None:
    """Make a token and print it; it cannot be shown again."""
    body: dict[str, Any] = {"name": name, "scopes": list(dict.fromkeys(scopes))}
    if days is not None:
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    token = asyncio.run(_call(server, "POST", "", body))
    click.echo(json.dumps(token) if as_json else token["token"])


@tokens.command("list")
@server_option
@json_option
def list_tokens(server: str | None, as_json: bool) -> None:
    """List tokens, without their secrets."""
    found = asyncio.run(_call(server, "GET", ""))
    if as_json:
        click.echo(json.dumps(found))
        return
    for token in found["tokens"]:
        line = f"{token['id']}  {token['name']}  {', '.join(token['scopes'])}  {_until(token)}"
        click.echo(f"{line}  made by {token['created_by']}")


@tokens.command()
@click.argument("token_id", type=click.UUID)
@server_option
@json_option
def revoke(token_id: UUID, server: str | None, as_json: bool) -> None:
    """End a token, with the connections it holds."""
    asyncio.run(_call(server, "DELETE", f"/{token_id}"))
    click.echo(json.dumps({"id": str(token_id)}) if as_json else f"{token_id} was revoked")


def _until(token: dict[str, Any]) -> str:
    if token["expires_at"] is None:
        return "until revoked"
    expired = datetime.fromisoformat(token["expires_at"]) <= datetime.now(UTC)
    return f"{'expired' if expired else 'until'} {token['expires_at']}"


async def _call(server: str | None, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, f"/api/v1/tokens{path}", body=body)
