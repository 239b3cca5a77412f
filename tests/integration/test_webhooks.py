"""Webhooks of a running server, from the command line to a receiver and back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from standardwebhooks import Webhook as Verifier

from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo
from tests.stream_server.webhooks.receiver import answer, receiver

ALLOW = {"ROLLCALL_WEBHOOKS__ALLOW_HTTP": "true", "ROLLCALL_WEBHOOKS__ALLOW_LOOPBACK": "true"}
PATH = "/api/v1/webhooks"


@pytest_asyncio.fixture
async def server(own_server: Callable[..., ChildServer]) -> AsyncIterator[ChildServer]:
    async with own_server(**ALLOW) as server:
        yield server


@pytest_asyncio.fixture
async def api(server: ChildServer) -> AsyncIterator[ServerClient]:
    async with server.client() as client:
        yield client


async def command(server: ChildServer, *arguments: str, code: int = 0) -> Any:
    done = await asyncio.to_thread(server.run_command, "webhooks", *arguments, "--server", server.url, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


async def mark(client: ServerClient, name: str) -> UUID:
    person_id = await client.add_person(name, consent=False)
    await client.call("POST", "/api/v1/attendance", body={"person_id": str(person_id)})
    return person_id


async def test_a_mark_reaches_the_receiver_signed_and_without_a_name(server: ChildServer, api: ServerClient) -> None:
    async with receiver() as hook:
        added = await command(server, "add", hook.url, "--event", "attendance.*")
        person_id = await mark(api, "Ada Lovelace")
        (message, *_) = await hook.until(1)
        assert Verifier(added["secret"]).verify(message.body, message.headers)["data"]["person_id"] == str(person_id)
        assert b"Ada" not in message.body
        tested = await command(server, "test", added["id"])
        assert (tested["delivered"], tested["event_type"]) == (True, "webhook.test")
        (shown,) = (await command(server, "list"))["webhooks"]
        assert "secret" not in shown
        sent = (await command(server, "deliveries", added["id"]))["deliveries"]
        assert {delivery["event_type"] for delivery in sent} == {"webhook.test", "attendance.marked"}
        marked = next(delivery for delivery in sent if delivery["event_type"] == "attendance.marked")
        again = await command(server, "redeliver", added["id"], marked["id"])
        assert again["message_id"] == marked["message_id"] == message.headers["webhook-id"]
        rotated = await command(server, "rotate", added["id"], "--overlap", "0")
        assert rotated["secret"] != added["secret"]
        assert (await command(server, "remove", added["id"])) == {"removed": added["id"]}
        assert (await command(server, "list"))["webhooks"] == []
    log = server.log_path.read_text()
    assert added["secret"] not in log
    assert "Ada" not in log


async def test_what_was_not_taken_when_the_server_died_is_sent_by_the_next(server: ChildServer) -> None:
    async with receiver(answers=[answer(500)]) as hook:
        async with server.client() as client:
            added = await client.call("POST", PATH, body={"url": hook.url, "event_types": ["attendance.*"]})
            await mark(client, "Ada")
            await hook.until(1)
            async with asyncio.timeout(20):
                while (await client.call("GET", f"{PATH}/{added['id']}"))["failures"] == 0:
                    await asyncio.sleep(0.05)
        server.kill()
        await server.start()
        await hook.until(2)
        assert hook.got[0].headers["webhook-id"] == hook.got[1].headers["webhook-id"]


async def test_a_failed_test_says_why_and_ends_with_a_code(server: ChildServer) -> None:
    async with receiver(answer(302, Location="http://10.0.0.1/")) as hook:
        added = await command(server, "add", hook.url)
        tested = await command(server, "test", added["id"], code=1)
        assert "redirects are not followed" in tested["problem"]
        assert not (await command(server, "disable", added["id"]))["enabled"]
        enabled = await command(server, "enable", added["id"], "--skip", "all")
        assert enabled["enabled"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"url": "http://10.0.0.7/x"}, "address_not_allowed"),
    ({"url": "http://169.254.169.254/latest"}, "address_not_allowed"),
    ({"url": "ftp://school.example"}, "webhook_address_invalid"),
    ({"url": "http://u:geheim@127.0.0.1/"}, "webhook_address_invalid"),
    ({"url": "http://127.0.0.1/", "event_types": ["attendance.markd"]}, "event_type_unknown"),
    ({"url": "http://127.0.0.1/", "description": "a\u0000b"}, "invalid_input"),
    ({"url": "x" * 2001}, "invalid_input"),
    ({}, "invalid_input"),
]


async def test_what_could_not_work_or_is_not_there_is_refused_at_once(api: ServerClient) -> None:
    for body, code in REFUSED:
        with pytest.raises(ServerSaidNo) as error:
            await api.call("POST", PATH, body=body)
        assert error.value.code == code, body
        assert "geheim" not in str(error.value)
    assert (await api.call("GET", PATH))["webhooks"] == []
    nobody = f"{PATH}/{uuid4()}"
    for method, path in (
        ("GET", nobody),
        ("DELETE", nobody),
        ("GET", f"{nobody}/deliveries"),
        ("POST", f"{nobody}/test"),
        ("POST", f"{nobody}/deliveries/{uuid4()}/redeliver"),
    ):
        with pytest.raises(ServerSaidNo) as error:
            await api.call(method, path)
        assert error.value.code == "webhook_not_found"
