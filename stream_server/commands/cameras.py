"""`rollcall cameras`: add, test, place, list, remove and discover cameras of a running server."""

import asyncio
import json
import sys
from typing import Any

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, check_camera_id, json_option, server_option, typed_password
from stream_server.commands.named import id_of
from stream_server.settings import load_settings

_TEST_TIMEOUT_S = 60.0


@click.group(cls=Group)
def cameras() -> None:
    """Add, test and list cameras."""


@cameras.command()
@click.argument("camera_id", metavar="ID")
@click.argument("address", required=False)
@click.option("--name", default="", help="Name for people.")
@click.option("--username", help="User of the camera.")
@click.option("--ask-password", is_flag=True, help="Ask for the camera's password, or read it from standard input.")
@click.option("--transport", type=click.Choice(["auto", "tcp", "udp"]), help="For RTSP; auto: TCP, then UDP.")
@click.option("--disabled", is_flag=True, help="Do not open it yet.")
@click.option("--replace", is_flag=True, help="Change the camera if the id is taken.")
@server_option
@json_option
def add(
    camera_id: str,
    address: str | None,
    name: str,
    username: str | None,
    ask_password: bool,
    transport: str | None,
    disabled: bool,
    replace: bool,
    server: str | None,
    as_json: bool,
) -> None:
    """Add a camera. With an ADDRESS (rtsp, rtsps, http, https) the server opens it by itself."""
    check_camera_id(camera_id)
    body: dict[str, Any] = {"name": name}
    if ask_password:
        body["password"] = _password()
    given = {"address": address, "username": username, "transport": transport}
    body |= {key: value for key, value in given.items() if value is not None}
    if disabled:
        body["enabled"] = False
    camera = asyncio.run(_call(server, "PUT", f"/{camera_id}", body=body, only_new=not replace))
    click.echo(json.dumps(camera) if as_json else f"{camera['id']} was {'changed' if replace else 'added'}")


@cameras.command()
@click.argument("camera_id", metavar="ID")
@server_option
@json_option
def test(camera_id: str, server: str | None, as_json: bool) -> None:
    """Open a camera once and say what came. Exit code 1 when no picture did."""
    result = asyncio.run(_call(server, "POST", f"/{check_camera_id(camera_id)}/test"))
    if as_json:
        click.echo(json.dumps(result))
    elif result["ok"]:
        fps = f", {result['fps']:g} frames a second" if result["fps"] else ""
        click.echo(f"{camera_id}: {result['width_px']}x{result['height_px']} {result['codec']} by {result['via']}{fps}")
    else:
        click.echo(f"{camera_id}: {result['reason']}", err=True)
    if not result["ok"]:
        sys.exit(1)


@cameras.command()
@click.argument("camera_id", metavar="ID")
@click.option("--room", help="Name, external id or id of the room: whom it sees is marked in the session there.")
@click.option("--direction", type=click.Choice(["in", "out", "toggle"]), help="Count who comes and goes.")
@click.option("--reads-qr", is_flag=True, help="Look for personal QR codes.")
@server_option
@json_option
def place(
    camera_id: str, room: str | None, direction: str | None, reads_qr: bool, server: str | None, as_json: bool
) -> None:
    """Say where a camera hangs and what being seen by it means; what is not given is none."""
    placed = asyncio.run(
        _place(server, check_camera_id(camera_id), room, {"direction": direction, "reads_qr": reads_qr})
    )
    where = f"in {room}" if room is not None else "in no room"
    click.echo(json.dumps(placed) if as_json else f"{camera_id} hangs {where}")


@cameras.command("list")
@server_option
@json_option
def list_cameras(server: str | None, as_json: bool) -> None:
    """List cameras and how they do."""
    found = asyncio.run(_call(server, "GET", ""))
    if as_json:
        click.echo(json.dumps(found))
        return
    for camera in found["cameras"]:
        pull = camera["pull"]
        state = ("connected" if camera["connected"] else "away") if pull is None else pull["state"]
        reason = f" ({pull['reason']})" if pull and pull["reason"] else ""
        click.echo(f"{camera['id']}  {state}{reason}  {camera['address'] or camera['name']}")


@cameras.command()
@click.argument("camera_id", metavar="ID")
@server_option
@json_option
def remove(camera_id: str, server: str | None, as_json: bool) -> None:
    """Remove a camera; its address and credentials are deleted, records that name it stay."""
    asyncio.run(_call(server, "DELETE", f"/{check_camera_id(camera_id)}"))
    click.echo(json.dumps({"removed": camera_id}) if as_json else f"{camera_id} was removed")


@cameras.command()
@click.option("--timeout", "timeout_s", default=4.0, show_default=True, help="Seconds to wait for answers.")
@click.option("--username", default="", help="User of the cameras, to ask them for their streams.")
@click.option("--ask-password", is_flag=True, help="Ask for their password, or read it from standard input.")
@server_option
@json_option
def discover(timeout_s: float, username: str, ask_password: bool, server: str | None, as_json: bool) -> None:
    """Look for ONVIF cameras in the network of the server, and ask each for its smallest stream."""
    wishes = {"timeout_s": timeout_s, "username": username, "password": _password() if ask_password else ""}
    found = asyncio.run(_call(server, "POST", "/discover", body=wishes))
    if as_json:
        click.echo(json.dumps(found))
        return
    for camera in found["cameras"]:
        size = f"  {camera['width_px']}x{camera['height_px']}" if camera["width_px"] else ""
        click.echo(f"{camera['device']}  {camera['stream'] or camera['reason']}{size}")
    if not found["cameras"]:
        click.echo("no ONVIF camera has answered", err=True)


def _password() -> str:
    return typed_password("Password of the camera")


async def _place(server: str | None, camera_id: str, room: str | None, body: dict[str, object]) -> Any:
    async with local_client(server, load_settings()) as client:
        placed = {**body, "room_id": await id_of(client, "room", room)}
        return await client.call("PUT", f"/api/v1/cameras/{camera_id}/place", body=placed)


async def _call(server: str | None, method: str, path: str, *, body: object = None, only_new: bool = False) -> Any:
    async with local_client(server, load_settings(), timeout_s=_TEST_TIMEOUT_S) as client:
        headers = {"If-None-Match": "*"} if only_new else None
        return await client.call(method, f"/api/v1/cameras{path}", body=body, headers=headers)
