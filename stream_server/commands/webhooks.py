"""`rollcall webhooks`: receivers outside that a running server tells of events."""

import asyncio
import json
import sys
from typing import Any
from uuid import UUID

import click

from stream_server.client import local_client
from stream_server.commands.command import Group, json_option, server_option
from stream_server.settings import load_settings

_ID = click.argument("webhook_id", metavar="ID", type=click.UUID)
# A receiver may take its time; the server ends it.
_TIMEOUT_S = 45.0


@click.group(cls=Group)
def webhooks() -> None:
    """Tell receivers outside of events."""


@webhooks.command()
@click.argument("url")
@click.option("--event", "event_types", multiple=True, help="Only events of this type, such as `attendance.*`.")
@click.option("--names", is_flag=True, help="Send names of people, and not only their ids.")
@click.option("--description", default="", help="For people.")
@server_option
@json_option
def add(
    url: str, event_types: tuple[str, ...], names: bool, description: str, server: str | None, as_json: bool
) -> None:
    """Add a receiver, and print the secret that its messages are signed with. It is shown this once."""
    body = {"url": url, "event_types": event_types, "include_names": names, "description": description}
    added = asyncio.run(_call(server, "POST", "", body))
    if as_json:
        click.echo(json.dumps(added))
        return
    click.echo(f"{added['id']} was added. Its secret, shown this once:\n\n    {added['secret']}\n")


@webhooks.command("list")
@server_option
@json_option
def list_webhooks(server: str | None, as_json: bool) -> None:
    """List receivers and how they do."""
    found = asyncio.run(_call(server, "GET", ""))
    if as_json:
        click.echo(json.dumps(found))
        return
    for webhook in found["webhooks"]:
        click.echo(f"{webhook['id']}  {_state(webhook)}  {webhook['address']}  {webhook['description']}".rstrip())


@webhooks.command()
@_ID
@server_option
@json_option
def remove(webhook_id: UUID, server: str | None, as_json: bool) -> None:
    """Remove a receiver; its address, secrets and log are deleted."""
    asyncio.run(_call(server, "DELETE", f"/{webhook_id}"))
    click.echo(json.dumps({"removed": str(webhook_id)}) if as_json else f"{webhook_id} was removed")


@webhooks.command()
@_ID
@server_option
@json_option
def test(webhook_id: UUID, server: str | None, as_json: bool) -> None:
    """Send a test message and say what came. Exit code 1 when it was not taken."""
    _tell_delivery(asyncio.run(_call(server, "POST", f"/{webhook_id}/test")), as_json)


@webhooks.command()
@_ID
@click.option("--failed", is_flag=True, help="Only those that were not taken.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200), help="How many.")
@server_option
@json_option
def deliveries(webhook_id: UUID, failed: bool, limit: int, server: str | None, as_json: bool) -> None:
    """List what was sent to a receiver, the latest first."""
    path = f"/{webhook_id}/deliveries?limit={limit}" + ("&delivered=false" if failed else "")
    found = asyncio.run(_call(server, "GET", path))
    if as_json:
        click.echo(json.dumps(found))
        return
    for delivery in found["deliveries"]:
        what = f"{delivery['event_type']} ({delivery['cause']} {delivery['attempt']})"
        click.echo(f"{delivery['id']}  {delivery['at']}  {what}  {_outcome(delivery)}")


@webhooks.command()
@_ID
@click.argument("delivery_id", metavar="DELIVERY", type=click.UUID)
@server_option
@json_option
def redeliver(webhook_id: UUID, delivery_id: UUID, server: str | None, as_json: bool) -> None:
    """Send the event of a delivery again. Exit code 1 when it was not taken."""
    path = f"/{webhook_id}/deliveries/{delivery_id}/redeliver"
    _tell_delivery(asyncio.run(_call(server, "POST", path)), as_json)


@webhooks.command()
@_ID
@click.option("--skip", type=click.Choice(["none", "one", "all"]), default="none", show_default=True,
              help="Leave out the event that it does not take, or all that wait.")  # fmt: skip
@server_option
@json_option
def enable(webhook_id: UUID, skip: str, server: str | None, as_json: bool) -> None:
    """Switch a receiver on again; what waits for it is sent."""
    webhook = asyncio.run(_call(server, "PATCH", f"/{webhook_id}", {"enabled": True, "skip": skip}))
    click.echo(json.dumps(webhook) if as_json else f"{webhook_id} is {_state(webhook)}")


@webhooks.command()
@_ID
@server_option
@json_option
def disable(webhook_id: UUID, server: str | None, as_json: bool) -> None:
    """Switch a receiver off; events wait for it as long as they are kept."""
    webhook = asyncio.run(_call(server, "PATCH", f"/{webhook_id}", {"enabled": False}))
    click.echo(json.dumps(webhook) if as_json else f"{webhook_id} is {_state(webhook)}")


@webhooks.command()
@_ID
@click.option("--overlap", "overlap_s", default=86_400.0, show_default=True, help="Seconds that the old one is valid.")
@server_option
@json_option
def rotate(webhook_id: UUID, overlap_s: float, server: str | None, as_json: bool) -> None:
    """Give a receiver a new secret and print it, this once. Meanwhile messages are signed with both."""
    webhook = asyncio.run(_call(server, "POST", f"/{webhook_id}/secret", {"overlap_s": overlap_s}))
    click.echo(json.dumps(webhook) if as_json else f"The new secret, shown this once:\n\n    {webhook['secret']}\n")


def _tell_delivery(delivery: dict[str, Any], as_json: bool) -> None:
    click.echo(json.dumps(delivery) if as_json else _outcome(delivery))
    if not delivery["delivered"]:
        sys.exit(1)


def _outcome(delivery: dict[str, Any]) -> str:
    took = f" in {delivery['latency_ms']} ms" if delivery["latency_ms"] is not None else ""
    return f"taken with {delivery['status']}{took}" if delivery["delivered"] else f"not taken: {delivery['problem']}"


def _state(webhook: dict[str, Any]) -> str:
    if not webhook["enabled"]:
        return f"off ({webhook['disabled_reason']})" if webhook["disabled_reason"] else "off"
    if webhook["failures"]:
        return f"failing ({webhook['failures']} times, next attempt {webhook['next_attempt_at']})"
    return "on"


async def _call(server: str | None, method: str, path: str, body: object = None) -> dict[str, Any]:
    async with local_client(server, load_settings(), timeout_s=_TIMEOUT_S) as client:
        found = await client.call(method, f"/api/v1/webhooks{path}", body=body)
    return dict(found or {})
