"""What is pulled away while cameras stream: PostgreSQL for 20 seconds, and the server with SIGKILL."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.embedded import EmbeddedPostgres
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerAway, ServerClient
from stream_server.demo.feed import open_feed

OUTAGE_S = 20.0


def kill(postgres: EmbeddedPostgres) -> None:
    """SIGKILL to all of PostgreSQL at once."""
    assert postgres.pid is not None
    os.killpg(postgres.pid, signal.SIGKILL)


async def stream_until(client: ServerClient, camera: str, pictures: list[bytes], done: Callable[[], bool]) -> None:
    async with open_feed(client, camera) as feed, asyncio.timeout(60):
        number = 0
        while not done():
            await feed.send(pictures[number % len(pictures)])
            number += 1
            await asyncio.sleep(0.1)


async def readiness_where(client: ServerClient, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            readiness = await client.readiness()
            if true(readiness):
                return readiness
            await asyncio.sleep(0.1)


async def add(client: ServerClient, name: str, photo: bytes) -> str:
    person_id = await client.add_person(name, consent=True)
    await client.enrol(person_id, photo)
    return str(person_id)


async def marked(client: ServerClient) -> list[str]:
    return sorted(record["person"]["name"] for record in await client.attendance())


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the server reaches by DATABASE_URL and does not look after."""
    with temporary_folder() as folder:
        server = EmbeddedPostgres(Path(folder))
        server.start()
        yield server
        server.stop()


async def test_postgresql_killed_for_20_s_in_mid_stream_loses_no_attendance(
    own_server: Callable[..., ChildServer], postgres: EmbeddedPostgres, pictures: Any
) -> None:
    server = own_server(DATABASE_URL=postgres.dsn)
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        await add(client, "Early", pictures.crop("sample1.jpg", 0))
        await add(client, "Late", pictures.crop("sample2.jpg", 1))
        await readiness_where(client, lambda body: body["gallery"]["people"] == 2)
        await client.add_camera("late")  # a camera cannot be added while the database is away
        early = asyncio.create_task(_first_event(client))
        streaming = asyncio.create_task(stream_until(client, "early", pictures.view("sample1.jpg"), early.done))
        assert (await early)["person"]["name"] == "Early"
        await streaming

        killed_at = asyncio.get_running_loop().time()
        kill(postgres)
        away = await readiness_where(client, lambda body: body["storage"]["state"] == "away")
        assert away["status"] == "degraded"
        assert any("database" in reason for reason in away["reasons"])
        spooled = asyncio.create_task(readiness_where(client, lambda body: body["storage"]["pending"] > 0))
        async with client.socket("/ws/v1/camera/late") as camera:
            for number in range(200):
                await camera.send(pictures.view("sample2.jpg", frames=5)[number % 5])
                await asyncio.sleep(0.1)
                if spooled.done():
                    break
        assert (await spooled)["storage"]["lost"] == 0
        assert (await client.call("GET", "/healthz")) == {"status": "ok"}
        await asyncio.sleep(max(0.0, killed_at + OUTAGE_S - asyncio.get_running_loop().time()))

        postgres.stop()
        await asyncio.to_thread(postgres.start)
        late = asyncio.create_task(_first_event(client, name="Late"))
        back = await readiness_where(
            client, lambda body: body["storage"]["state"] == "ok" and body["storage"]["pending"] == 0
        )
        assert back["storage"]["lost"] == back["storage"]["refused"] == 0
        assert (await late)["person"]["name"] == "Late"
        assert await marked(client) == ["Early", "Late"]


async def test_the_server_killed_right_after_an_event_was_shown_has_stored_it(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    server = own_server()
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        await add(client, "Shown", pictures.crop("sample1.jpg", 0))
        await readiness_where(client, lambda body: body["gallery"]["people"] == 1)
        shown = asyncio.create_task(_first_event(client))
        streaming = asyncio.create_task(stream_until(client, "door", pictures.view("sample1.jpg"), shown.done))
        assert (await shown)["person"]["name"] == "Shown"
        server.kill()
        await asyncio.gather(streaming, return_exceptions=True)
    await server.start()
    async with server.client() as client:
        assert await marked(client) == ["Shown"]


async def test_what_was_spooled_when_the_server_was_killed_is_stored_at_the_next_start(
    own_server: Callable[..., ChildServer], postgres: EmbeddedPostgres, pictures: Any
) -> None:
    server = own_server(DATABASE_URL=postgres.dsn)
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        await add(client, "Spooled", pictures.crop("sample1.jpg", 0))
        await readiness_where(client, lambda body: body["gallery"]["people"] == 1)
        await client.add_camera("door")
        kill(postgres)
        spooled = asyncio.create_task(readiness_where(client, lambda body: body["storage"]["pending"] > 0))
        async with client.socket("/ws/v1/camera/door") as camera:
            for number in range(200):
                await camera.send(pictures.view("sample1.jpg", frames=5)[number % 5])
                await asyncio.sleep(0.1)
                if spooled.done():
                    break
        await spooled
        await asyncio.sleep(0.2)  # pending counts a sighting that is still on its way to the disk
        server.kill()
    postgres.stop()
    await asyncio.to_thread(postgres.start)
    await server.start()
    async with server.client() as client:
        await readiness_where(client, lambda body: body["storage"]["pending"] == 0)
        assert await marked(client) == ["Spooled"]


async def _first_event(client: ServerClient, name: str | None = None) -> dict[str, Any]:
    async with asyncio.timeout(60):
        async for event in client.events(after=0):
            if event.type == "attendance.marked" and name in (None, event.data["person"]["name"]):
                return event.data
    raise AssertionError("the events ended")


async def test_the_embedded_postgresql_is_started_again_when_it_dies(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    server = own_server()
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        await add(client, "Early", pictures.crop("sample1.jpg", 0))
        postgres = EmbeddedPostgres(server.data_dir / "postgres")
        died = postgres.pid
        kill(postgres)
        # Whether anybody sees it away depends on how quickly it is back.
        async with asyncio.timeout(60):
            while postgres.pid in (None, died):
                await asyncio.sleep(0.1)
        await readiness_where(client, lambda body: body["storage"]["state"] == "ok")
        people: list[str] = []
        async with asyncio.timeout(30):
            while not people:
                with contextlib.suppress(ServerAway):  # it may have to notice first
                    people = [person["name"] async for person in client.pages("/api/v1/people", "people")]
        assert people == ["Early"]
