"""`rollcall rooms`: add, list and remove rooms of a running server; `rollcall cameras place` puts cameras into them."""

import asyncio
import json
from typing import Any

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.commands.named import id_of
from stream_server.settings import load_settings


@click.group(cls=Group)
def rooms() -> None:
    """Add, list and remove rooms."""


@rooms.command()
@click.argument("name")
@click.option("--external-id", help="Its number in your own system.")
@server_option
@json_option
def add(name: str, external_id: str | None, server: str | None, as_json: bool) -> None:
    """Add a room."""
    room = asyncio.run(_add(server, {"name": name, "external_id": external_id}))
    click.echo(json.dumps(room) if as_json else f"{room['name']} was added as {room['id']}")


@rooms.command("list")
@server_option
@json_option
def list_rooms(server: str | None, as_json: bool) -> None:
    """List rooms by name, and which cameras hang in them."""
    found = asyncio.run(_list(server))
    if as_json:
        click.echo(json.dumps({"rooms": found}))
        return
    for room in found:
        click.echo(f"{room['id']}  {room['name']}  {', '.join(room['cameras']) or 'no camera'}")


@rooms.command()
@click.argument("room")
@server_option
@json_option
def remove(room: str, server: str | None, as_json: bool) -> None:
    """Remove a room by name, external id or id; its cameras, lessons and sessions go on without one."""
    room_id = asyncio.run(_remove(server, room))
    click.echo(json.dumps({"ok": True, "id": room_id}) if as_json else f"{room} was removed")


async def _add(server: str | None, body: dict[str, str | None]) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call("POST", "/api/v1/rooms", body=body)


async def _list(server: str | None) -> list[dict[str, Any]]:
    async with local_client(server, load_settings()) as client:
        return [room async for room in client.pages("/api/v1/rooms", "rooms")]


async def _remove(server: str | None, room: str) -> str | None:
    async with local_client(server, load_settings()) as client:
        room_id = await id_of(client, "room", room)
        await client.call("DELETE", f"/api/v1/rooms/{room_id}", headers={"If-Match": "*"})
        return room_id
