"""`rollcall users`: who may sign in to a running server."""

import asyncio
import json
from typing import Any
from uuid import UUID

import click

from recognition.errors import RequestError
from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option, typed_password
from stream_server.settings import load_settings

ROLES = ("owner", "admin", "teacher", "viewer")


@click.group(cls=Group)
def users() -> None:
    """Say who may sign in."""


@users.command()
@click.argument("login")
@click.option("--name", help="Name for people; default: the login.")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What they may do.")
@click.option(
    "--group",
    "groups",
    type=click.UUID,
    multiple=True,
    help="A group of a teacher (they see nothing else); may be repeated.",
)
@server_option
@json_option
def add(login: str, name: str | None, role: str, groups: tuple[UUID, ...], server: str | None, as_json: bool) -> None:
    """Add a user; asks for the password, or reads it from standard input."""
    body = {
        "login": login,
        "name": name or login,
        "role": role,
        "password": _password(),
        "groups": [str(group) for group in groups],
    }
    user = asyncio.run(_call(server, "POST", "", body))
    click.echo(json.dumps(user) if as_json else f"{user['login']} was added as {user['role']}")


@users.command("list")
@server_option
@json_option
def list_users(server: str | None, as_json: bool) -> None:
    """List users by name."""
    found = asyncio.run(_listed(server))
    if as_json:
        click.echo(json.dumps({"users": found}))
        return
    for user in found:
        click.echo(f"{user['login']}  {user['name']}  {user['role']}  {user['last_login_at'] or 'never signed in'}")


@users.command()
@click.argument("login")
@server_option
@json_option
def remove(login: str, server: str | None, as_json: bool) -> None:
    """End a user's access, with all sessions and API tokens."""
    user_id = asyncio.run(_remove(server, login))
    click.echo(json.dumps({"id": user_id}) if as_json else f"{login} was removed")


@users.command()
@click.argument("login")
@server_option
@json_option
def password(login: str, server: str | None, as_json: bool) -> None:
    """Set a user's password, and sign them out everywhere."""
    user_id = asyncio.run(_set_password(server, login, _password()))
    click.echo(json.dumps({"id": user_id}) if as_json else f"{login} has a new password")


def _password() -> str:
    return typed_password("Password", confirm=True)


async def _call(server: str | None, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, f"/api/v1/users{path}", body=body)


async def _remove(server: str | None, login: str) -> str:
    user_id = await _id_of(server, login)
    await _call(server, "DELETE", f"/{user_id}")
    return user_id


async def _set_password(server: str | None, login: str, new: str) -> str:
    user_id = await _id_of(server, login)
    await _call(server, "PUT", f"/{user_id}/password", {"password": new})
    return user_id


async def _listed(server: str | None, **wanted: str) -> list[dict[str, Any]]:
    async with local_client(server, load_settings()) as client:
        return [user async for user in client.pages("/api/v1/users", "users", wanted)]


async def _id_of(server: str | None, login: str) -> str:
    for user in await _listed(server, login=login):
        return str(user["id"])
    raise RequestError(f"there is no user {login}", hint="`rollcall users list` shows them", code="user_not_found")
