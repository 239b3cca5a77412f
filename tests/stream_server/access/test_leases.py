import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from stream_server.access.leases import CLOSE_REVOKED, Leases
from stream_server.access.principals import Kind, Principal

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADA = Principal(
    Kind.USER,
    UUID(int=1),
    "Ada",
    frozenset(),
    subjects=frozenset({("user", UUID(int=1)), ("session", UUID(int=2))}),
)


class Client:
    """The other side of an ASGI application."""

    def __init__(self, *messages: Message) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.news = asyncio.Event()
        for message in messages:
            self.incoming.put_nowait(message)

    async def receive(self) -> Message:
        return await self.incoming.get()

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.news.set()
        if message["type"] == "websocket.close":  # as the specification of ASGI has it
            self.incoming.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    async def until(self, type_: str) -> None:
        async with asyncio.timeout(5):
            while all(message["type"] != type_ for message in self.sent):
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def leases() -> Leases:
    return Leases(now=lambda: NOON)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


async def ticks(scope: Scope, receive: Receive, send: Send) -> None:
    async def forever() -> Any:
        yield "tick"
        await asyncio.Event().wait()

    await StreamingResponse(forever())(scope, receive, send)


def socket_scope() -> Scope:
    return {"type": "websocket", "path": "/", "headers": [], "subprotocols": [], "extensions": {}}


def http_scope() -> Scope:
    return {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.3"}}


@pytest.mark.parametrize(("kind", "number"), [("user", 1), ("session", 2)])
async def test_a_socket_is_closed_when_its_credential_or_its_user_ends(leases: Leases, kind: str, number: int) -> None:
    client = Client({"type": "websocket.connect"})
    serving = asyncio.create_task(leases.serve(echo, ADA, socket_scope(), client.receive, client.send))
    await client.until("websocket.accept")
    assert leases.has_socket(kind, UUID(int=number))
    assert leases.end(kind, UUID(int=number)) == 1
    # What a client goes on sending that does not mind is not heard.
    client.incoming.put_nowait({"type": "websocket.receive", "text": "picture"})
    await client.until("websocket.close")
    async with asyncio.timeout(5):
        await serving
    assert [message["type"] for message in client.sent] == ["websocket.accept", "websocket.close"]
    assert client.sent[-1]["code"] == CLOSE_REVOKED
    assert leases.count == 0


async def test_the_connections_of_others_go_on(leases: Leases) -> None:
    client = Client({"type": "websocket.connect"})
    serving = asyncio.create_task(leases.serve(echo, ADA, socket_scope(), client.receive, client.send))
    await client.until("websocket.accept")
    assert leases.end("user", UUID(int=2)) == 0
    assert leases.end("device", UUID(int=1)) == 0
    client.incoming.put_nowait({"type": "websocket.receive", "text": "still here"})
    await client.until("websocket.send")
    client.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
    assert client.sent[-1] == {"type": "websocket.send", "text": "still here"}


async def test_a_stream_of_events_ends_in_order(leases: Leases) -> None:
    client = Client({"type": "http.request", "body": b""})
    serving = asyncio.create_task(leases.serve(ticks, ADA, http_scope(), client.receive, client.send))
    await client.until("http.response.body")
    leases.end("session", UUID(int=2))
    async with asyncio.timeout(5):
        await serving
    assert client.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert not leases.has_socket("session", UUID(int=2))


async def test_a_short_request_is_answered_although_its_credential_ends(leases: Leases) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        leases.end("user", UUID(int=1))
        await PlainTextResponse("done")(scope, receive, send)

    client = Client({"type": "http.request", "body": b""})
    await leases.serve(slow, ADA, http_scope(), client.receive, client.send)
    assert [message.get("body") for message in client.sent] == [None, b"done"]


async def test_a_socket_ends_when_its_credential_expires(leases: Leases) -> None:
    client = Client({"type": "websocket.connect"})
    expired = replace(ADA, expires_at=NOON - timedelta(seconds=1))
    async with asyncio.timeout(5):
        await leases.serve(echo, expired, socket_scope(), client.receive, client.send)
    assert client.sent[-1]["type"] == "websocket.close"


async def test_a_mistake_of_a_route_is_hidden_only_after_the_end(leases: Leases) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("ended"):
            leases.end("user", UUID(int=1))
        raise RuntimeError("a mistake")

    client = Client()
    with pytest.raises(RuntimeError, match="a mistake"):
        await leases.serve(fails, ADA, http_scope(), client.receive, client.send)
    await leases.serve(fails, ADA, http_scope() | {"ended": True}, client.receive, client.send)
    assert leases.count == 0


async def test_the_body_of_a_request_comes_through_whole(leases: Leases) -> None:
    bodies = []

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            bodies.append(await receive())

    client = Client(
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b"},
        {"type": "http.disconnect"},
    )
    await leases.serve(reads, ADA, http_scope(), client.receive, client.send)
    assert [message.get("body") for message in bodies] == [b"a", b"b", None]
