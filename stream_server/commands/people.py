"""`rollcall people`: add and list people of a running server."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from stream_server.client import ServerClient, ServerSaidNo, local_client
from stream_server.commands.command import Group, json_option
from stream_server.settings import load_settings

_SERVER = click.option("--server", default="http://127.0.0.1:8000", show_default=True, help="Address of the server.")


@click.group(cls=Group)
def people() -> None:
    """Add and list people."""


@people.command()
@click.argument("name")
@click.argument("photographs", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--consent", is_flag=True, help="The person has agreed to be recognised by face.")
@_SERVER
@json_option
def add(name: str, photographs: tuple[Path, ...], consent: bool, server: str, as_json: bool) -> None:
    """Add a person, and enrol with photographs of one face each. Says why when one is refused."""
    if photographs and not consent:
        raise click.UsageError("photographs need the person's consent: --consent says that it was given")
    result = asyncio.run(_add(name, photographs, consent, server))
    _report(result, f"{name} was added as {result['id']} with {result['templates']} enrolled faces", as_json)


@people.command()
@click.argument("person_id", type=click.UUID)
@click.argument("photographs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_SERVER
@json_option
def enrol(person_id: UUID, photographs: tuple[Path, ...], server: str, as_json: bool) -> None:
    """Enrol somebody who was added before with more photographs; `rollcall people list` shows the ids."""
    result = asyncio.run(_enrol_more(person_id, photographs, server))
    _report(result, f"{result['templates']} faces were enrolled", as_json)


@people.command("list")
@_SERVER
@json_option
def list_people(server: str, as_json: bool) -> None:
    """List people by name."""
    found = asyncio.run(_list(server))
    if as_json:
        click.echo(json.dumps({"people": found}))
        return
    for person in found:
        click.echo(f"{person['id']}  {person['name']}  consent {person['consent']}, {person['templates']} faces")


def _report(result: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result))
    else:
        for refused in result["refused"]:
            click.echo(f"{refused['photograph']}: {refused['detail']} ({refused['hint']})", err=True)
        click.echo(text)
        if result["refused"]:
            click.echo(f"try again: rollcall people enrol {result['id']} PHOTOGRAPH", err=True)
    if result["refused"]:
        sys.exit(1)


async def _add(name: str, photographs: tuple[Path, ...], consent: bool, server: str) -> dict[str, Any]:
    async with local_client(server, load_settings()) as client:
        person_id = await client.add_person(name, consent=consent)
        return {"name": name, **await _enrol(client, person_id, photographs)}


async def _enrol_more(person_id: UUID, photographs: tuple[Path, ...], server: str) -> dict[str, Any]:
    async with local_client(server, load_settings()) as client:
        return await _enrol(client, person_id, photographs)


async def _enrol(client: ServerClient, person_id: UUID, photographs: tuple[Path, ...]) -> dict[str, Any]:
    refused = []
    for path in photographs:
        try:
            await client.enrol(person_id, path.read_bytes())
        except ServerSaidNo as error:
            refused.append({"photograph": str(path), "code": error.code, "detail": error.detail, "hint": error.hint})
    return {"id": str(person_id), "templates": len(photographs) - len(refused), "refused": refused}


async def _list(server: str) -> list[dict[str, Any]]:
    async with local_client(server, load_settings()) as client:
        return [person async for person in client.pages("/api/v1/people", "people")]
