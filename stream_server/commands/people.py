"""`rollcall people`: add, list and erase people of a running server, and what they agreed to."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import click

from stream_server.client import ServerClient, ServerSaidNo, local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.commands.output import new_private
from stream_server.settings import load_settings

PHOTOGRAPH_TIMEOUT_S = 60.0


@click.group(cls=Group)
def people() -> None:
    """Add, list and erase people, and record what they agreed to."""


@people.command()
@click.argument("name")
@click.argument("photographs", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--consent", is_flag=True, help="The person has agreed to be recognised by face.")
@server_option
@json_option
def add(name: str, photographs: tuple[Path, ...], consent: bool, server: str | None, as_json: bool) -> None:
    """Add a person, and enrol with photographs of one face each. Says why when one is refused."""
    if photographs and not consent:
        raise click.UsageError("photographs need the person's consent: --consent says that it was given")
    result = asyncio.run(_add(name, photographs, consent, server))
    _report(result, f"{name} was added as {result['id']} with {result['templates']} enrolled faces", as_json)


@people.command()
@click.argument("person_id", type=click.UUID)
@click.argument("photographs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@server_option
@json_option
def enrol(person_id: UUID, photographs: tuple[Path, ...], server: str | None, as_json: bool) -> None:
    """Enrol somebody who was added before with more photographs; `rollcall people list` shows the ids."""
    result = asyncio.run(_enrol_more(person_id, photographs, server))
    _report(result, f"{result['templates']} faces were enrolled", as_json)


@people.command("enrol-photos")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@server_option
@json_option
def enrol_photos(source: Path, server: str | None, as_json: bool) -> None:
    """Enrol everybody with a folder or zip of photographs named by external id: s-1815.jpg, s-1815_2.jpg.

    Each picture by itself: one that is refused holds up no other, and is named with its reason.
    """
    report = asyncio.run(_enrol_photos(source, server, quiet=as_json))
    if as_json:
        click.echo(json.dumps(report))
    else:
        for refused in report["refused"]:
            click.echo(_line(refused), err=True)
        click.echo(f"{report['enrolled']} photographs were enrolled, {len(report['refused'])} refused")
    if report["refused"]:
        sys.exit(1)


@people.command("list")
@server_option
@json_option
def list_people(server: str | None, as_json: bool) -> None:
    """List people by name."""
    found = asyncio.run(_list(server))
    if as_json:
        click.echo(json.dumps({"people": found}))
        return
    for person in found:
        click.echo(f"{person['id']}  {person['name']}  consent {person['consent']}, {person['templates']} faces")


@people.command()
@click.argument("person_id", type=click.UUID)
@click.option("--grant/--revoke", "granted", required=True, help="What the person has said.")
@click.option("--text", type=click.IntRange(1), help="Version of the text that was agreed to.  [default: the newest]")
@server_option
@json_option
def consent(person_id: UUID, granted: bool, text: int | None, server: str | None, as_json: bool) -> None:
    """Record that somebody agreed to be recognised by face, or took it back: faces and sightings then go at once."""
    body = {"consent": granted, **({} if text is None else {"consent_text": text})}
    person = asyncio.run(_call(server, "PATCH", f"/api/v1/people/{person_id}", body))
    to = f" to version {person['consent_text']} of the text" if person["consent_text"] else ""
    click.echo(json.dumps(person) if as_json else f"{person['name']}: consent {person['consent']}{to}")


@people.command()
@click.argument("person_id", type=click.UUID)
@server_option
@json_option
def consents(person_id: UUID, server: str | None, as_json: bool) -> None:
    """Show every answer that somebody gave, with its text version, when, and who recorded it."""
    found = asyncio.run(_call(server, "GET", f"/api/v1/people/{person_id}/consents"))
    if as_json:
        click.echo(json.dumps(found))
        return
    for answer in found["consents"]:
        click.echo(f"{answer['at']}  {answer['state']}  text {answer['consent_text'] or '-'}  by {answer['by']}")


@people.command()
@click.argument("person_id", type=click.UUID)
@server_option
@json_option
def pin(person_id: UUID, server: str | None, as_json: bool) -> None:
    """Give somebody a new PIN and tell it, once; the one before no longer works."""
    made = asyncio.run(_call(server, "POST", f"/api/v1/people/{person_id}/pin"))
    click.echo(json.dumps(made) if as_json else made["pin"])


@people.command()
@click.argument("person_id", type=click.UUID)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.  [default: person-ID.svg]"
)
@server_option
@json_option
def qr(person_id: UUID, output: Path | None, server: str | None, as_json: bool) -> None:
    """Give somebody a new QR code and write it to a file, readable by you alone; the one before no longer works.

    Overwrites no file.
    """
    path = output or Path(f"person-{person_id}.svg")
    with new_private(path) as file:
        made = asyncio.run(_call(server, "POST", f"/api/v1/people/{person_id}/qr"))
        file.write(made["svg"].encode())
    text = f"the code is in {path}: print it for them alone"
    click.echo(json.dumps({"ok": True, "file": str(path), "text": made["text"]}) if as_json else text)


@people.command()
@click.argument("person_id", type=click.UUID)
@click.option("--yes", is_flag=True, help="Do not ask.")
@server_option
@json_option
def erase(person_id: UUID, yes: bool, server: str | None, as_json: bool) -> None:
    """Forget who somebody is, for good: name, faces, sightings. That somebody attended stays, without a name."""
    if not yes:
        click.confirm(f"Erase {person_id}? This cannot be undone", abort=True, err=True)
    asyncio.run(_call(server, "DELETE", f"/api/v1/people/{person_id}"))
    click.echo(json.dumps({"ok": True, "id": str(person_id)}) if as_json else f"{person_id} was erased")


@people.command()
@click.argument("person_id", type=click.UUID)
@click.option("--vectors", is_flag=True, help="Also the vectors of the enrolled faces.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.  [default: person-ID.json]"
)
@server_option
@json_option
def export(person_id: UUID, vectors: bool, output: Path | None, server: str | None, as_json: bool) -> None:
    """Write everything that is held on somebody to a file, readable by you alone. Overwrites no file."""
    path = output or Path(f"person-{person_id}.json")
    with new_private(path) as file:
        size = asyncio.run(_export(server, person_id, vectors, file))
    text = f"what is held on {person_id} is in {path} ({size} bytes)"
    click.echo(json.dumps({"ok": True, "file": str(path), "bytes": size}) if as_json else text)


def _report(result: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result))
    else:
        for refused in result["refused"]:
            click.echo(_line(refused), err=True)
        click.echo(text)
        if result["refused"]:
            click.echo(f"try again: rollcall people enrol {result['id']} PHOTOGRAPH", err=True)
    if result["refused"]:
        sys.exit(1)


def _line(refused: dict[str, Any]) -> str:
    hint = f" ({refused['hint']})" if refused["hint"] else ""
    return f"{refused['photograph']}: {refused['detail']}{hint}"


async def _add(name: str, photographs: tuple[Path, ...], consent: bool, server: str | None) -> dict[str, Any]:
    async with local_client(server, load_settings()) as client:
        person_id = await client.add_person(name, consent=consent)
        return {"name": name, **await _enrol(client, person_id, photographs)}


async def _enrol_more(person_id: UUID, photographs: tuple[Path, ...], server: str | None) -> dict[str, Any]:
    async with local_client(server, load_settings()) as client:
        return await _enrol(client, person_id, photographs)


async def _enrol(client: ServerClient, person_id: UUID, photographs: tuple[Path, ...]) -> dict[str, Any]:
    refused = []
    for path in photographs:
        try:
            await client.enrol(person_id, path.read_bytes())
        except ServerSaidNo as error:
            if error.code == "person_not_found":  # and no other photograph will change that
                raise ServerSaidNo(
                    error.detail,
                    hint="`rollcall people list` shows the ids; `rollcall people add` adds somebody",
                    code=error.code,
                ) from error
            refused.append({"photograph": str(path), "code": error.code, "detail": error.detail, "hint": error.hint})
    return {"id": str(person_id), "templates": len(photographs) - len(refused), "refused": refused}


async def _enrol_photos(source: Path, server: str | None, *, quiet: bool) -> dict[str, Any]:
    from stream_server.commands.photographs import enrol_all

    async with local_client(server, load_settings(), timeout_s=PHOTOGRAPH_TIMEOUT_S) as client:
        return await enrol_all(source, client, quiet=quiet)


async def _export(server: str | None, person_id: UUID, vectors: bool, file: BinaryIO) -> int:
    params = {"vectors": "true"} if vectors else None
    async with local_client(server, load_settings()) as client:
        return sum([file.write(piece) async for piece in client.download(f"/api/v1/people/{person_id}/export", params)])


async def _call(server: str | None, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, path, body=body)


async def _list(server: str | None) -> list[dict[str, Any]]:
    async with local_client(server, load_settings()) as client:
        return [person async for person in client.pages("/api/v1/people", "people")]
