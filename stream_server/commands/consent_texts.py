"""`rollcall consent-texts`: the texts that people are asked, on a running server."""

import asyncio
import json
from typing import Any, TextIO

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.settings import load_settings

_PATH = "/api/v1/consent-texts"


@click.group("consent-texts", cls=Group)
def consent_texts() -> None:
    """Publish and show the texts that people are asked."""


@consent_texts.command()
@click.argument("file", type=click.File(encoding="utf-8"))
@server_option
@json_option
def publish(file: TextIO, server: str | None, as_json: bool) -> None:
    """Make the text of FILE (plain text, - for standard input) the newest version; a version never changes again."""
    try:
        body = {"text": file.read()}
    except UnicodeDecodeError:
        raise click.UsageError(f"{file.name} is no text in UTF-8") from None
    text = asyncio.run(_call(server, "POST", _PATH, body))
    click.echo(json.dumps(text) if as_json else f"the newest text is version {text['version']}")


@consent_texts.command("list")
@server_option
@json_option
def list_texts(server: str | None, as_json: bool) -> None:
    """List the versions, the newest first."""
    found = asyncio.run(_call(server, "GET", _PATH))
    if as_json:
        click.echo(json.dumps(found))
        return
    for text in found["consent_texts"]:
        first_line = text["text"].splitlines()[0][:80]
        click.echo(f"{text['version']}  {text['published_at']}  by {text['by']}  {first_line}")


@consent_texts.command()
@click.argument("version", type=click.IntRange(1))
@server_option
@json_option
def show(version: int, server: str | None, as_json: bool) -> None:
    """Print one version."""
    text = asyncio.run(_call(server, "GET", f"{_PATH}/{version}"))
    click.echo(json.dumps(text) if as_json else text["text"])


async def _call(server: str | None, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, path, body=body)
