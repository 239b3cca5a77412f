"""The event stream as clients see it, through the whole application and a bus over a table in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr

from recognition.errors import UnavailableError
from storage.visibility import Visible
from stream_server.access.auth import Guard
from stream_server.access.principals import Kind, Principal
from stream_server.access.rights import Right
from stream_server.api import events as events_api
from stream_server.app import create_app
from stream_server.events.bus import EventBus
from stream_server.messages.wire import Event, StatusNotice
from stream_server.privacy.auditing import SeenLately
from stream_server.settings import AuthSettings, Settings

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BEARER = {"authorization": "Bearer open-sesame-1234"}


class Line:
    lost = False

    async def check(self) -> None:
        return None


class Table:
    """Events in memory."""

    def __init__(self) -> None:
        self.rows: list[Event] = []
        self._wake: Callable[[], None] = lambda: None

    def add(self, **data: Any) -> None:
        self.rows.append(Event(id=len(self.rows) + 1, type="test.made", at=AT, data=data))
        self._wake()

    async def latest_id(self) -> int:
        return len(self.rows)

    async def oldest_id(self) -> int:
        return 1

    async def read_after(self, last_id: int, limit: int) -> list[Event]:
        return self.rows[last_id : last_id + limit]

    @asynccontextmanager
    async def listening(self, wake: Callable[[], None]) -> AsyncIterator[Line]:
        self._wake = wake
        yield Line()


class DatabaseAway:
    """Readers come back in an outage too: that they did cannot be noted then, and must not stop them."""

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        raise UnavailableError("away")
        yield


class Connection:
    """One client of the application: what it sends, and what it gets."""

    def __init__(self, app: FastAPI, kind: str, path: str, headers: dict[str, str]) -> None:
        path, _, query = path.partition("?")
        self.scope: dict[str, Any] = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.3"},  # what uvicorn says
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http" if kind == "http" else "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in (BEARER | headers).items()],
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            "state": {},
        }
        self._app = app
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.task = asyncio.create_task(self._app(self.scope, self._incoming.get, self._send))
        self.say("http.request" if kind == "http" else "websocket.connect")

    def say(self, kind: str, **more: Any) -> None:
        self._incoming.put_nowait({"type": kind, **more})

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self._outgoing.put_nowait(message)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self._outgoing.get()

    async def leave(self) -> None:
        self.say("http.disconnect" if self.scope["type"] == "http" else "websocket.disconnect", code=1001)
        async with asyncio.timeout(10):
            await self.task


class Server:
    def __init__(self, app: FastAPI, table: Table, bus: EventBus) -> None:
        self.app, self.table, self.bus = app, table, bus
        self.connections: list[Connection] = []

    def connect(self, kind: str, path: str, **headers: str) -> Connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connections.append(Connection(self.app, kind, path, named))
        return self.connections[-1]

    async def stream(self, path: str = "/api/v1/events", **headers: str) -> Connection:
        connection = self.connect("http", path, **headers)
        start = await connection.next()
        assert start["status"] == 200
        assert (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
        assert (b"cache-control", b"no-store") in start["headers"]
        return connection


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    app = create_app(
        Settings(_env_file=None, data_dir=tmp_path, auth=AuthSettings(token=SecretStr("open-sesame-1234")))
    )
    table = Table()
    bus = EventBus(table, max_followers=2, idle_s=30.0)
    await bus.start()
    bus.set_status(StatusNotice(state="ok"))
    app.state.services = SimpleNamespace(bus=bus, database=DatabaseAway(), now=lambda: AT, seen_lately=SeenLately())
    running = asyncio.create_task(bus.run())
    server = Server(app, table, bus)
    yield server
    tasks = [running, *(connection.task for connection in server.connections)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert bus.followers == 0


async def chunk(connection: Connection) -> dict[str, str]:
    """The fields of the next server-sent event."""
    text = (await connection.next())["body"].decode()
    assert text.endswith("\n\n")
    return dict(line.split(": ", 1) for line in text.splitlines() if line)


async def test_the_stream_begins_with_the_status_and_gives_every_event_its_id(server: Server) -> None:
    connection = await server.stream()
    status = await chunk(connection)
    assert "id" not in status
    assert (status["event"], json.loads(status["data"])["state"]) == ("status", "ok")
    server.table.add(name="Ada\nLovelace")
    event = await chunk(connection)
    assert (event["id"], event["event"]) == ("1", "test.made")
    assert json.loads(event["data"]) == {
        "id": 1,
        "type": "test.made",
        "at": "2026-03-02T12:00:00Z",
        "data": {"name": "Ada\nLovelace"},
    }


async def test_readers_are_counted_by_credential_but_for_the_owners_token(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    follow = server.bus.follow

    def noted(visible: Visible, after: int | None = None, *, who: str | None = None) -> Any:
        asked.append(who)
        return follow(visible, after, who=who)

    monkeypatch.setattr(server.bus, "follow", noted)
    await (await server.stream()).leave()
    token = Principal(Kind.API_TOKEN, UUID(int=7), "reader", frozenset({Right.READ}))

    async def of_token(*_: Any) -> Principal:
        return token

    monkeypatch.setattr(Guard, "_principal", of_token)
    await (await server.stream()).leave()
    socket = server.connect("websocket", "/ws/v1/events")
    socket.say("websocket.connect")
    await socket.next()
    await socket.leave()
    assert asked == [None, token.actor, token.actor]


async def test_a_reader_who_comes_back_goes_on_behind_the_last_event(server: Server) -> None:
    for number in range(4):
        server.table.add(number=number)
    connection = await server.stream(last_event_id="2")
    await chunk(connection)
    assert [(await chunk(connection))["id"] for _ in range(2)] == ["3", "4"]
    await connection.leave()
    assert server.bus.followers == 0


async def test_the_first_connection_may_ask_for_the_past_and_the_header_wins(server: Server) -> None:
    for number in range(3):
        server.table.add(number=number)
    everything = await server.stream("/api/v1/events?after=0")
    await chunk(everything)
    assert [(await chunk(everything))["id"] for _ in range(3)] == ["1", "2", "3"]
    again = await server.stream("/api/v1/events?after=0", last_event_id="2")
    await chunk(again)
    assert (await chunk(again))["id"] == "3"


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "9" * 30, "9" * 5000, "0x1"])
async def test_an_id_that_is_no_number_is_refused(server: Server, last: str) -> None:
    connection = server.connect("http", "/api/v1/events", last_event_id=last)
    assert (await connection.next())["status"] == 400
    assert json.loads((await connection.next())["body"])["code"] == "bad_event_id"
    socket = server.connect("websocket", f"/ws/v1/events?after={last}")
    start = await socket.next()
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)


async def test_one_reader_too_many_is_told_so_before_the_stream_begins(server: Server) -> None:
    first, second = await server.stream(), await server.stream()
    third = server.connect("http", "/api/v1/events")
    assert (await third.next())["status"] == 503
    assert json.loads((await third.next())["body"])["code"] == "too_many_subscribers"
    socket = server.connect("websocket", "/ws/v1/events")
    assert (await socket.next())["status"] == 503
    await first.leave()
    await server.stream()
    await second.leave()


async def test_a_reader_who_takes_nothing_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_api, "SEND_TIMEOUT_S", 0.01)
    connection = await server.stream()
    await chunk(connection)
    connection.reads.clear()
    server.table.add()
    async with asyncio.timeout(10):
        await connection.task
    assert server.bus.followers == 0


async def test_a_reader_who_leaves_before_the_first_word_leaves_nothing_behind(server: Server) -> None:
    connection = server.connect("http", "/api/v1/events")
    connection.reads.clear()
    await asyncio.sleep(0)
    connection.say("http.disconnect")
    connection.reads.set()
    async with asyncio.timeout(10):
        await connection.task
    assert server.bus.followers == 0


async def socket_of(server: Server, path: str = "/ws/v1/events") -> Connection:
    socket = server.connect("websocket", path)
    assert (await socket.next())["type"] == "websocket.accept"
    return socket


async def test_a_socket_gets_the_same_events_as_messages(server: Server) -> None:
    server.table.add(number=0)
    server.table.add(number=1)
    socket = await socket_of(server, "/ws/v1/events?after=1")
    assert json.loads((await socket.next())["text"]) == {"type": "status", "state": "ok", "reasons": []}
    assert json.loads((await socket.next())["text"])["id"] == 2
    server.table.add(number=2)
    assert json.loads((await socket.next())["text"])["data"] == {"number": 2}
    await socket.leave()
    assert server.bus.followers == 0


async def test_what_a_socket_says_is_ignored(server: Server) -> None:
    socket = await socket_of(server)
    await socket.next()
    socket.say("websocket.receive", text="hello", bytes=None)
    socket.say("websocket.receive", bytes=b"\xff\xd8")
    socket.say("websocket.receive", text="")
    for _ in range(5):
        await asyncio.sleep(0)
    server.table.add()
    assert json.loads((await socket.next())["text"])["id"] == 1


async def test_a_socket_that_is_not_read_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_api, "SEND_TIMEOUT_S", 0.01)
    socket = await socket_of(server)
    await socket.next()
    socket.reads.clear()
    server.table.add()
    async with asyncio.timeout(10):
        await socket.task
    assert server.bus.followers == 0
