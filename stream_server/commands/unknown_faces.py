"""`rollcall unknown-faces`: say who the faces are that nobody has named, on a running server."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.settings import load_settings

_PATH = "/api/v1/unknown-faces"


@click.group("unknown-faces", cls=Group)
def unknown_faces() -> None:
    """Say who the faces are that nobody has named, where the site keeps such faces."""


@unknown_faces.command("list")
@click.option("--ignored", is_flag=True, help="Those that are to be ignored.")
@server_option
@json_option
def list_faces(ignored: bool, server: str | None, as_json: bool) -> None:
    """List them, seen last first."""
    found = asyncio.run(_list(server, ignored))
    if as_json:
        click.echo(json.dumps({"unknown_faces": found}))
        return
    for face in found:
        where = ", ".join(face["cameras"])
        click.echo(f"{face['id']}  last seen {face['last_seen']}  {face['seen']} times  {where}")


@unknown_faces.command()
@click.argument("face_id", type=click.UUID)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@server_option
@json_option
def crop(face_id: UUID, file: Path, server: str | None, as_json: bool) -> None:
    """Write its picture to FILE as JPEG, where the site keeps pictures."""
    jpeg = asyncio.run(_download(server, f"{_PATH}/{face_id}/crop"))
    file.touch(0o600, exist_ok=False)
    file.write_bytes(jpeg)
    click.echo(json.dumps({"ok": True, "file": str(file)}) if as_json else f"the picture is in {file}")


@unknown_faces.command()
@click.argument("face_id", type=click.UUID)
@click.argument("person_id", type=click.UUID)
@server_option
@json_option
def assign(face_id: UUID, person_id: UUID, server: str | None, as_json: bool) -> None:
    """It is this person, who agreed to be recognised: enrol with the best of the faces."""
    named = asyncio.run(_call(server, "POST", f"{_PATH}/{face_id}/assign", {"person_id": str(person_id)}))
    click.echo(json.dumps(named) if as_json else f"{named['templates']} faces were enrolled")


@unknown_faces.command("add-person")
@click.argument("face_id", type=click.UUID)
@click.argument("name")
@click.option("--consent", is_flag=True, required=True, help="The person has agreed to be recognised by face.")
@server_option
@json_option
def add_person(face_id: UUID, name: str, consent: bool, server: str | None, as_json: bool) -> None:
    """It is somebody new, who agreed to be recognised: add and enrol them."""
    named = asyncio.run(_call(server, "POST", f"{_PATH}/{face_id}/person", {"name": name, "consent": consent}))
    text = f"{name} was added as {named['person_id']} with {named['templates']} enrolled faces"
    click.echo(json.dumps(named) if as_json else text)


@unknown_faces.command()
@click.argument("face_id", type=click.UUID)
@server_option
@json_option
def ignore(face_id: UUID, server: str | None, as_json: bool) -> None:
    """Never name this face nor collect it again."""
    asyncio.run(_call(server, "POST", f"{_PATH}/{face_id}/ignore"))
    click.echo(json.dumps({"ok": True, "id": str(face_id)}) if as_json else f"{face_id} is ignored from now on")


@unknown_faces.command()
@click.argument("face_id", type=click.UUID)
@server_option
@json_option
def discard(face_id: UUID, server: str | None, as_json: bool) -> None:
    """Delete everything that is kept of this face."""
    asyncio.run(_call(server, "DELETE", f"{_PATH}/{face_id}"))
    click.echo(json.dumps({"ok": True, "id": str(face_id)}) if as_json else f"{face_id} was discarded")


async def _list(server: str | None, ignored: bool) -> list[dict[str, Any]]:
    params = {"ignored": "true"} if ignored else None
    async with local_client(server, load_settings()) as client:
        return [face async for face in client.pages(_PATH, "unknown_faces", params)]


async def _download(server: str | None, path: str) -> bytes:
    async with local_client(server, load_settings()) as client:
        return b"".join([piece async for piece in client.download(path)])


async def _call(server: str | None, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, path, body=body)
