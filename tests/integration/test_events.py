"""The event streams: server-sent events with Last-Event-ID, and the same over a WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo


@asynccontextmanager
async def sse(
    server: ChildServer, headers: dict[str, str] | None = None, path: str = "/api/v1/events"
) -> AsyncIterator[Any]:
    """Open the stream; gives an async iterator over its events as dicts."""
    all_headers = {"Authorization": f"Bearer {server.token}", **(headers or {})}
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=httpx.Timeout(10)) as http,
        http.stream("GET", path, headers=all_headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _parse(response)


async def _parse(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line:
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            field, _, value = line.partition(": ")
            event[field] = value


async def stored(events: AsyncIterator[dict[str, str]], count: int) -> list[dict[str, str]]:
    """The next stored events; those without an id are passed over."""
    found = []
    async with asyncio.timeout(10):
        async for event in events:
            if "id" in event:
                found.append(event)
            if len(found) == count:
                break
    return found


async def listen(connection: ClientConnection) -> None:
    async with asyncio.timeout(15):
        while True:
            await connection.recv()


async def mark(client: ServerClient, name: str) -> None:
    person_id = await client.add_person(name, consent=False)
    await client.call("POST", "/api/v1/attendance", body={"person_id": str(person_id)})


async def test_a_stored_event_arrives_live_with_its_id(client: ServerClient, running_server: ChildServer) -> None:
    async with sse(running_server) as events:
        async with asyncio.timeout(5):
            first = await anext(events)
        assert first["event"] == "status"
        assert "id" not in first
        await mark(client, "Live")
        while (event := (await stored(events, 1))[0])["event"] != "attendance.marked":
            assert event["event"] == "session.opened"
    content = json.loads(event["data"])
    assert content["data"]["person"]["name"] == "Live"
    assert content["id"] == int(event["id"])


async def test_a_reader_that_comes_back_goes_on_without_gap_or_repeat(
    client: ServerClient, running_server: ChildServer
) -> None:
    """Cut the line again and again while events are made; what was read in pieces is what is stored."""
    start = (await client.readiness())["storage"]["last_event_id"]
    total = 24

    async def make() -> None:
        for number in range(total):
            await mark(client, f"Series {number:02}")

    making = asyncio.create_task(make())
    seen: list[dict[str, str]] = []
    last_id = str(start)
    while len(seen) < total:
        async with sse(running_server, {"Last-Event-ID": last_id}) as events:
            for event in await stored(events, min(5, total - len(seen))):
                seen.append(event)
                last_id = event["id"]
    await making
    async with sse(running_server, path=f"/api/v1/events?after={start}") as events:
        at_once = await stored(events, total)
    assert [event["id"] for event in seen] == [event["id"] for event in at_once]
    names = [json.loads(event["data"])["data"]["person"]["name"] for event in seen]
    assert names == [f"Series {number:02}" for number in range(total)]


async def test_the_socket_gives_the_same_events(client: ServerClient, running_server: ChildServer) -> None:
    start = (await client.readiness())["storage"]["last_event_id"]
    await mark(client, "Before")
    async with client.socket(f"/ws/v1/events?after={start}") as connection:
        names = []
        await mark(client, "After")
        async with asyncio.timeout(10):
            while len(names) < 2:
                message = json.loads(await connection.recv())
                if message.get("type") == "attendance.marked":
                    names.append(message["data"]["person"]["name"])
    assert names == ["Before", "After"]


@pytest.mark.parametrize("last_id", ["x", "-1", "1.5", "9" * 30])
async def test_an_id_that_is_no_number_is_refused(running_server: ChildServer, last_id: str) -> None:
    async with httpx.AsyncClient(base_url=running_server.url) as http:
        headers = {"Authorization": f"Bearer {running_server.token}", "Last-Event-ID": last_id}
        response = await http.get("/api/v1/events", headers=headers)
    assert response.status_code == 400
    assert response.json()["code"] == "bad_event_id"


async def test_an_id_from_the_future_means_from_now_on(client: ServerClient, running_server: ChildServer) -> None:
    async with sse(running_server, {"Last-Event-ID": "999999999"}) as events:
        async with asyncio.timeout(5):
            assert (await anext(events))["event"] == "status"
        await mark(client, "Present")
        [event] = await stored(events, 1)
    assert json.loads(event["data"])["data"]["person"]["name"] == "Present"


async def test_there_is_a_limit_to_readers_and_the_next_one_is_told(own_server: Any) -> None:
    server = own_server(ROLLCALL_HTTP__MAX_SUBSCRIBERS="2")
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client, sse(server), client.socket("/ws/v1/events"):
        async with asyncio.timeout(5):
            while (await client.readiness())["sockets"]["event_followers"] < 2:
                await asyncio.sleep(0.02)
        async with httpx.AsyncClient(base_url=server.url) as http:
            response = await http.get("/api/v1/events", headers={"Authorization": f"Bearer {server.token}"})
        assert response.status_code == 503
        assert response.json()["code"] == "too_many_subscribers"
        assert response.headers["retry-after"]


async def test_when_the_server_stops_its_readers_are_let_go(own_server: Any) -> None:
    server = own_server()
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client, client.socket("/ws/v1/events") as connection:
        await connection.recv()
        stopping = asyncio.create_task(server.stop())
        with pytest.raises(ConnectionClosed):
            await listen(connection)
        assert await stopping == 0


async def test_names_of_erased_people_are_not_in_events_read_later(
    client: ServerClient, running_server: ChildServer
) -> None:
    start = (await client.readiness())["storage"]["last_event_id"]
    person_id = await client.add_person("Gone Tomorrow", consent=False)
    await client.call("POST", "/api/v1/attendance", body={"person_id": str(person_id)})
    await client.call("DELETE", f"/api/v1/people/{person_id}")
    records = [record for record in await client.attendance() if record["person"]["id"] == str(person_id)]
    assert [record["person"]["name"] for record in records] == ["erased"]  # that somebody attended stays
    with pytest.raises(ServerSaidNo):
        await client.enrol(person_id, b"\xff\xd8")
    async with sse(running_server, {"Last-Event-ID": str(start)}) as events:
        assert "Gone Tomorrow" not in json.dumps(await stored(events, 1))
