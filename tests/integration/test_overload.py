"""More than the server was made for: bursts, readers that stop, memory that is taken away, an end in the midst."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from stream_server.child import ChildServer
from stream_server.client import ServerClient

MIB = 2**20
EXIT_WITHIN_S = 10.0


def is_well(readiness: dict[str, Any]) -> bool:
    """Whether nothing is wrong; that a stand-in finds the faces, where YuNet could not be fetched, is not."""
    return readiness["status"] in ("ok", "degraded") and all("BlazeFace" in reason for reason in readiness["reasons"])


async def started(server: ChildServer) -> ChildServer:
    await asyncio.to_thread(server.upgrade)
    await server.start()
    return server


async def test_a_burst_of_200_connections_is_answered_or_refused_in_words(
    own_server: Callable[..., ChildServer],
) -> None:
    server = await started(own_server(ROLLCALL_HTTP__MAX_CONNECTIONS="100"))
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    writers: list[asyncio.StreamWriter] = []

    async def ask() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writers.append(writer)
        writer.write(request)
        return int((await reader.readline()).split()[1])

    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(ask() for _ in range(200)), return_exceptions=True)
    statuses = [answer for answer in answers if isinstance(answer, int)]
    # Who is beyond the hundred is told so, and once enough are being told, cut; nobody is left hanging.
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 30
    assert statuses.count(503) >= 1
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    async with server.client() as client, asyncio.timeout(20):
        while True:
            with contextlib.suppress(Exception):
                if is_well(await client.readiness()):
                    break
            await asyncio.sleep(0.1)


async def test_1000_upgrades_without_a_token_are_refused_and_cost_no_memory(
    own_server: Callable[..., ChildServer],
) -> None:
    server = await started(own_server())
    url = f"ws://127.0.0.1:{server.port}/ws/v1/camera/door"
    at_once = asyncio.Semaphore(40)

    async def knock() -> int:
        async with at_once:
            try:
                async with connect(url):
                    return 101
            except InvalidStatus as refused:
                return refused.response.status_code

    async with server.client() as client:
        await asyncio.gather(*(knock() for _ in range(100)))
        before = await client.readiness()
        statuses = await asyncio.gather(*(knock() for _ in range(1000)))
        after = await client.readiness()
    assert set(statuses) == {401}
    assert after["memory"]["rss_mb"] < before["memory"]["rss_mb"] + 20
    assert after["process"]["tasks"] <= before["process"]["tasks"] + 3
    assert after["sockets"]["cameras"] == 0


async def test_a_reader_of_events_that_stops_reading_is_cut_off_and_holds_up_nobody(
    own_server: Callable[..., ChildServer],
) -> None:
    server = await started(own_server())
    async with server.client() as client, contextlib.AsyncExitStack() as closing:
        before = (await client.readiness())["memory"]["rss_mb"]
        deaf = socket.create_connection(("127.0.0.1", server.port))
        closing.callback(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            f"GET /ws/v1/events?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n".encode()
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        seen = 0
        hearing = client.events(after=0)
        for number in range(150):
            await client.add_camera(f"c{number}")
            await client.call("DELETE", f"/api/v1/cameras/c{number}")
        async with asyncio.timeout(30):
            async for event in hearing:
                seen += event.type == "camera.removed"
                if event.data.get("camera") == "c149":
                    break
        assert (await client.readiness())["memory"]["rss_mb"] < before + 25
    assert seen == 150


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A group of this machine's memory controller (v1) that takes along what a process has already."""
    mount, lines = Path("/sys/fs/cgroup/memory"), []
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    mine = next((line.split(":", 2)[2] for line in lines if line.split(":", 2)[1] == "memory"), None)
    if mine is None or not os.access(mount / mine.lstrip("/"), os.W_OK):
        pytest.skip("there is no memory group that could be written")
    parent = mount / mine.lstrip("/")
    group = parent / f"rollcall-overload-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made: {error.strerror}")
    yield group
    for _ in range(100):
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (parent / "cgroup.procs").write_text(pid)
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)


async def readiness_where(client: ServerClient, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            readiness = await client.readiness()
            if true(readiness):
                return readiness
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def camera(server: ChildServer, camera_id: str) -> AsyncIterator[Any]:
    url = f"ws://127.0.0.1:{server.port}/ws/v1/camera/{camera_id}"
    async with connect(url, additional_headers={"Authorization": f"Bearer {server.token}"}) as connection:
        yield connection


async def told_as_a_page(server: ChildServer, camera_id: str) -> tuple[str, int]:
    """What a page of the server is told that finds no room: the code of the message, and of the close."""
    protocols = [Subprotocol("rollcall.v1"), Subprotocol(f"rollcall.bearer.{server.token}")]
    url = f"ws://127.0.0.1:{server.port}/ws/v1/camera/{camera_id}"
    async with connect(url, subprotocols=protocols, origin=Origin(server.url)) as page, asyncio.timeout(10):
        message = json.loads(await page.recv())
        assert message["type"] == "error"
        assert message["detail"]
        await page.wait_closed()
    assert page.close_code is not None
    return message["code"], page.close_code


async def test_one_camera_too_many_is_refused_in_a_way_that_its_program_or_page_can_read(
    own_server: Callable[..., ChildServer],
) -> None:
    settings = {"ROLLCALL_CAMERAS__MAX_CAMERAS": "1", "ROLLCALL_CAMERAS__AUTO_REGISTER": "true"}
    server = await started(own_server(**settings))
    async with camera(server, "first"):
        with pytest.raises(InvalidStatus) as refused:
            async with camera(server, "second"):
                pass
        assert refused.value.response.status_code == 503
        assert int(refused.value.response.headers["Retry-After"]) >= 1
        assert json.loads(refused.value.response.body or b"{}")["code"] == "too_many_cameras"
        assert await told_as_a_page(server, "second") == ("too_many_cameras", 1013)
    async with server.client() as client:
        assert (await client.readiness())["sockets"]["cameras"] == 0


def used_bytes(group: Path) -> int:
    """What the server counts as used: without file cache."""
    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    usage = int((group / "memory.usage_in_bytes").read_text())
    return usage - int(stat["total_inactive_file"]) - int(stat["total_active_file"])


async def test_a_memory_limit_that_is_lowered_closes_the_door_and_ends_nothing(
    own_server: Callable[..., ChildServer], memory_group: Path, blank_jpeg: bytes
) -> None:
    server = own_server(ROLLCALL_GOVERNOR__EASE_FOR_S="1", ROLLCALL_CAMERAS__AUTO_REGISTER="true")
    await asyncio.to_thread(server.upgrade)
    server.launch()
    (memory_group / "cgroup.procs").write_text(str(server.pid))  # before it has taken much
    async with server.client() as client:
        await _until_it_answers(client)
        async with camera(server, "first") as first:
            for _ in range(20):
                await first.send(blank_jpeg)
                await asyncio.sleep(0.05)
            # As much as is used and a little: the kernel has room, the server knows that it has next to none.
            limit = int(used_bytes(memory_group) / 0.95)
            (memory_group / "memory.limit_in_bytes").write_text(str(limit))
            short = await readiness_where(client, lambda body: body["governor"]["pressure"] == "hard")
            assert short["status"] == "degraded"
            assert any("no further camera is taken" in reason for reason in short["reasons"])
            assert abs(short["memory"]["limit_mb"] * 1e6 - limit) < 1e6
            with pytest.raises(InvalidStatus) as refused:
                async with camera(server, "second"):
                    pass
            assert refused.value.response.status_code == 503
            assert json.loads(refused.value.response.body or b"{}")["code"] == "memory_full"
            assert await told_as_a_page(server, "second") == ("memory_full", 1013)
            await first.send(blank_jpeg)
            await first.ping()
            (memory_group / "memory.limit_in_bytes").write_text(str(1024 * MIB))
            await readiness_where(client, lambda body: body["governor"]["pressure"] == "none")
            async with camera(server, "second") as second:
                await second.send(blank_jpeg)
            assert (await client.readiness())["sockets"]["cameras"] >= 1
        told = [event.type for event in await _stored(client, 2)]
    assert told == ["alert.raised", "alert.cleared"]
    assert await server.stop() == 0


async def _until_it_answers(client: ServerClient) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Exception):
                if is_well(await client.readiness()):
                    return
            await asyncio.sleep(0.1)


async def _stored(client: ServerClient, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(20):
        async for event in client.events(after=0):
            if event.type.startswith("alert."):
                found.append(event)
            if len(found) == count:
                break
    return found


async def test_told_to_stop_with_frames_in_flight_it_ends_in_time_and_keeps_what_is_decided(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    server = await started(own_server())
    views = pictures.view("sample1.jpg")
    async with server.client() as client:
        person_id = await client.add_person("Decided", consent=True)
        await client.enrol(person_id, pictures.crop("sample1.jpg", 0))
        await readiness_where(client, lambda body: body["gallery"]["people"] == 1)
        for number in range(4):
            await client.add_camera(f"c{number}")
        known = asyncio.Event()

        async def stream(camera_id: str) -> None:
            async with camera(server, camera_id) as connection:
                reading = asyncio.create_task(_read(connection, known))
                try:
                    number = 0
                    while True:
                        await connection.send(views[number % len(views)])
                        number += 1
                        await asyncio.sleep(0.03)
                finally:
                    reading.cancel()

        streams = [asyncio.create_task(stream(f"c{number}")) for number in range(4)]
        async with asyncio.timeout(60):
            await known.wait()
        began = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)  # the moment that somebody was shown as known
        await asyncio.wait_for(server.wait(), EXIT_WITHIN_S + 5)
        took_s = time.monotonic() - began
        await asyncio.gather(*streams, return_exceptions=True)
    assert await server.stop() == 0
    assert took_s < EXIT_WITHIN_S
    log = server.log_path.read_text()
    assert "Traceback" not in log, log
    await server.start()
    async with server.client() as client:
        await readiness_where(client, lambda body: body["storage"]["pending"] == 0)
        assert [record["person"]["name"] for record in await client.attendance()] == ["Decided"]


async def _read(connection: Any, known: asyncio.Event) -> None:
    async for text in connection:
        message = json.loads(text)
        if message["type"] == "faces" and any(face["state"] == "known" for face in message["faces"]):
            known.set()


async def test_figures_are_read_with_the_scrapers_token_while_cameras_stream(
    own_server: Callable[..., ChildServer], blank_jpeg: bytes
) -> None:
    settings = {"ROLLCALL_METRICS__TOKEN": "scrape-scrape-scrape", "ROLLCALL_CAMERAS__AUTO_REGISTER": "true"}
    server = await started(own_server(**settings))
    headers = {"Authorization": "Bearer scrape-scrape-scrape"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as http, camera(server, "door") as door:
        async with asyncio.timeout(30):
            while True:
                await door.send(blank_jpeg)
                text = (await http.get("/metrics")).text
                if 'rollcall_stage_seconds_count{stage="detect"} 0.0' not in text:
                    break
                await asyncio.sleep(0.1)
        assert 'rollcall_camera_frames_received_total{camera="door"}' in text
        assert "rollcall_cameras_connected 1.0" in text
        assert (await http.get("/readyz")).status_code == 401


async def test_models_that_are_not_preloaded_come_with_the_first_picture_and_go_when_nobody_needs_them(
    own_server: Callable[..., ChildServer], blank_jpeg: bytes
) -> None:
    settings = {"ROLLCALL_MODELS__PRELOAD": "false", "ROLLCALL_MODELS__IDLE_S": "1"}
    server = await started(own_server(**settings, ROLLCALL_CAMERAS__AUTO_REGISTER="true"))
    async with server.client() as client:
        assert not (await client.readiness())["governor"]["models_loaded"]
        async with camera(server, "door") as door:
            await door.send(blank_jpeg)
            await readiness_where(client, lambda body: body["frames"]["processed"] == 1)
        gone = await readiness_where(client, lambda body: body["governor"]["models_released"] == 1)
        assert not gone["governor"]["models_loaded"]
        assert is_well(gone)
        async with camera(server, "door") as door:
            await door.send(blank_jpeg)
            await readiness_where(client, lambda body: body["frames"]["processed"] == 2)
