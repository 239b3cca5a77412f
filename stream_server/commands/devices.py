"""`rollcall devices`: pair phones with a running server, and revoke them."""

import asyncio
import json
from typing import Any
from uuid import UUID

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option
from stream_server.phones import pairing_link, qr_text
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
    page = pairing_link(address or server, issued["code"])
    if as_json:
        click.echo(json.dumps({**issued, "address": page}))
        return
    click.echo(qr_text(page), nl=False)
    click.echo(f"{page}\ncode {issued['code']}, good for one device until {issued['expires_at']}")


@devices.command("list")
@_SERVER
@json_option
def list_devices(server: str, as_json: bool) -> None:
    """List paired devices by name."""
    found = asyncio.run(_listed(server))
    if as_json:
        click.echo(json.dumps({"devices": found}))
        return
    for device in found:
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


async def _call(server: str, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, f"/api/v1{path}", body=body)


async def _listed(server: str) -> list[dict[str, Any]]:
    async with local_client(server, load_settings()) as client:
        return [device async for device in client.pages("/api/v1/devices", "devices")]
