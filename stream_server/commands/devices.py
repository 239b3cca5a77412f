"""`rollcall devices`: pair phones with a running server, and revoke them."""

import asyncio
import json
import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import click

from recognition.errors import RequestError
from stream_server.access.phones import pairing_link, qr_text
from stream_server.client import ServerClient, ServerSaidNo, local_client
from stream_server.commands.command import Group, check_camera_id, json_option, server_option
from stream_server.serving.local_address import address_of
from stream_server.settings import load_settings

_FOR_PHONES = "for phones start the server with `rollcall serve --https auto` or `--tunnel ngrok`"


@click.group(cls=Group)
def devices() -> None:
    """Pair and revoke phones and other devices."""


@devices.command()
@click.argument("camera_id", metavar="CAMERA")
@click.option("--name", help="Name of the device for people; default: that of the camera.")
@click.option(
    "--address",
    help="Address at which the phone finds the server, such as https://school.example. "
    "Default: that of the tunnel, or of https in the network.",
)
@server_option
@json_option
def pair(camera_id: str, name: str | None, address: str | None, server: str | None, as_json: bool) -> None:
    """Issue a code with which one device may stream as CAMERA, and show it as a QR code."""
    check_camera_id(camera_id)
    if address is not None:
        check_phone_address(address)
    at, issued = asyncio.run(_pair(camera_id, name or camera_id, address, server))
    page = pairing_link(at, issued["code"])
    if is_this_machine(at):
        click.echo(f"only a browser on this machine finds {at}; {_FOR_PHONES}", err=True)
    if as_json:
        click.echo(json.dumps({**issued, "address": page}))
        return
    click.echo(qr_text(page), nl=False)
    click.echo(f"{page}\ncode {issued['code']}, good for one device until {issued['expires_at']}")


@devices.command("list")
@server_option
@json_option
def list_devices(server: str | None, as_json: bool) -> None:
    """List paired devices and open pairing codes by name."""
    found = asyncio.run(_listed(server))
    if as_json:
        click.echo(json.dumps(found))
        return
    for device in found["devices"]:
        state = "connected" if device["connected"] else f"last seen {device['last_seen_at']}"
        click.echo(f"{device['id']}  {device['name']}  camera {device['camera_id']}  {state}")

    for code in found["pairings"]:
        state = f"code issued by {code['created_by']}, open until {code['expires_at']}"
        click.echo(f"{code['id']}  {code['name']}  camera {code['camera_id']}  {state}")


@devices.command()
@click.argument("pairing_id", metavar="ID", type=click.UUID)
@server_option
@json_option
def cancel(pairing_id: UUID, server: str | None, as_json: bool) -> None:
    """Withdraw a pairing code that no device has used yet; `devices list` has its ID."""
    asyncio.run(_call(server, "DELETE", f"/pairings/{pairing_id}"))
    click.echo(json.dumps({"id": str(pairing_id)}) if as_json else f"{pairing_id} was withdrawn")


@devices.command()
@click.argument("device_id", type=click.UUID)
@server_option
@json_option
def revoke(device_id: UUID, server: str | None, as_json: bool) -> None:
    """End a device's access, with the connections it holds."""
    asyncio.run(_call(server, "DELETE", f"/devices/{device_id}"))
    click.echo(json.dumps({"id": str(device_id)}) if as_json else f"{device_id} was revoked")


def check_phone_address(address: str) -> None:
    """RequestError `phone_address_unusable` for what is no address, and for http: no phone gives it the camera."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and not (parts.query or parts.fragment or parts.username or re.search(r"\s", address))
    except ValueError:  # half an IPv6 address, or a port that is none
        usable = False
    if not usable:
        raise RequestError(
            f"{address} is no address of a server",
            hint="an address is like https://school.example or https://192.168.1.20:8000",
            code="phone_address_unusable",
        )
    if parts.scheme == "http" and not is_this_machine(address):
        raise RequestError(
            "browsers give a page the camera over https only, and this address is http",
            hint=_FOR_PHONES,
            code="phone_address_unusable",
        )


def is_this_machine(address: str) -> bool:
    """Whether an address leads every machine to itself."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _pair(camera_id: str, name: str, address: str | None, server: str | None) -> tuple[str, dict[str, Any]]:
    settings = load_settings()
    async with local_client(server, settings) as client:
        if address is None:
            # What is said with --server may be another server than that of the data folder.
            known = None if server is not None else address_of(settings).phones
            address = await _tunnel_address(client) or known or client.base_url
            check_phone_address(address)
        body = {"camera_id": camera_id, "name": name, "create_camera": True}
        return address, await client.call("POST", "/api/v1/pairings", body=body)


async def _tunnel_address(client: ServerClient) -> str | None:
    try:
        tunnel = await client.call("GET", "/api/v1/tunnel")
    except ServerSaidNo as error:
        if error.code == "no_tunnel":
            return None
        raise
    return None if tunnel["address"] is None else str(tunnel["address"])


async def _call(server: str | None, method: str, path: str, body: object = None) -> Any:
    async with local_client(server, load_settings()) as client:
        return await client.call(method, f"/api/v1{path}", body=body)


async def _listed(server: str | None) -> dict[str, list[dict[str, Any]]]:
    async with local_client(server, load_settings()) as client:
        return {
            name: [found async for found in client.pages(f"/api/v1/{name}", name)] for name in ("devices", "pairings")
        }
