"""`rollcall devices`: pair phones with a running server, and revoke them."""

import asyncio
import io
import json
from typing import Any
from uuid import UUID

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option
from stream_server.settings import load_settings

_SERVER = click.option("--server", default="http://127.0.0.1:8000", show_default=True, help="Address of the server.")


@click.group(cls=Group)
def devices() -> None:
    """Pair and revoke phones and other devices."""


@devices.command()
@click.argument("camera_id", metavar="CAMERA")
@click.option("--name", help="Name of the device for people; default: that of the camera.")
@click.option("--address", help="Address at which the phone finds the server, such as https://school.example.")
@_SERVER
@json_option
def pair(camera_id: str, name: str | None, address: str | None, server: str, as_json: bool) -> None:
    """Issue a code with which one device may stream as CAMERA, and show it as a QR code."""
    body = {"camera_id": camera_id, "name": name or camera_id, "create_camera": True}
    issued = asyncio.run(_call(server, "POST", "/pairings", body))
    page = pairing_address(address or server, issued["code"])
    if as_json:
        click.echo(json.dumps({**issued, "address": page}))
        return
    click.echo(qr_code(page), nl=False)
    click.echo(f"{page}\ncode {issued['code']}, good for one device until {issued['expires_at']}")


@devices.command("list")
@_SERVER
@json_option
def list_devices(server: str, as_json: bool) -> None:
    """List paired devices by name."""
    found = asyncio.run(_call(server, "GET", "/devices"))
    if as_json:
        click.echo(json.dumps(found))
        return
    for device in found["devices"]:
        state = "connected" if device["connected"] else f"last seen {device['last_seen_at']}"
        click.echo(f"{device['id']}  {device['name']}  camera {device['camera_id']}  {state}")


@devices.command()
@click.argument("device_id", type=click.UUID)
@_SERVER
@json_option
def revoke(device_id: UUID, server: str, as_json: bool) -> None:
    """End a device's access, with the connections it holds."""
    asyncio.run(_call(server, "DELETE", f"/devices/{device_id}"))
    click.echo(json.dumps({"id": str(device_id)}) if as_json else f"{device_id} was revoked")


def pairing_address(address: str, code: str) -> str:
    """The camera page, with the code behind a `#`: browsers keep that part to themselves, so that no log has it."""
    return f"{address.rstrip('/')}/camera#code={code}"


def qr_code(text: str) -> str:
    """A QR code for a terminal, in colours of its own: not all readers take one that is light on dark."""
    import segno

    drawn = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(drawn, compact=True, border=2)
    return "".join(f"\x1b[97;40m{line}\x1b[0m\n" for line in drawn.getvalue().splitlines())


async def _call(server: str, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, f"/api/v1{path}", body=body)
