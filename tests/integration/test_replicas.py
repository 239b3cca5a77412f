"""Two servers on one database: each IP camera is opened by one of them, and changed and removed through either."""

import asyncio
import base64
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo
from tests.partners import http_cameras as partners

WITHIN_S = 40.0


class Camera:
    """An MJPEG camera that counts who is reading it."""

    def __init__(self) -> None:
        self.readers = 0
        self.most = 0
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, handler: partners.Handler) -> None:
        with self._lock:
            self.readers += 1
            self.most = max(self.most, self.readers)
        try:
            partners.mjpeg(partners.picture())(handler)
        finally:
            with self._lock:
                self.readers -= 1


@pytest.fixture
def camera() -> Iterator[Camera]:
    camera = Camera()
    with partners.http_camera({"/video": camera.answer, "/other": camera.answer}) as url:
        camera.url = url
        yield camera


@pytest_asyncio.fixture
async def servers(own_server: Callable[..., ChildServer], database_dsn: str) -> AsyncIterator[list[ChildServer]]:
    settings = {
        "DATABASE_URL": database_dsn,
        "ROLLCALL_PULL__ALLOW_LOOPBACK": "true",
        "ROLLCALL_SECRETS__KEY": base64.b64encode(os.urandom(32)).decode(),
    }
    servers = [own_server(**settings) for _ in range(2)]
    for server in servers:
        await server.start()
    yield servers
    for server in servers:
        assert "Traceback" not in server.log_path.read_text()
        await server.stop()


async def pulled(client: ServerClient) -> dict[str, Any]:
    """How the server sees the camera."""
    camera: dict[str, Any] = await client.call("GET", "/api/v1/cameras/room")
    return camera


async def readers(*clients: ServerClient) -> list[int]:
    return [(await client.readiness())["pulled"]["readers"] for client in clients]


async def until(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            held = check()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.1)


async def prolonged_twice(dsn: str) -> None:
    """Wait until the lease of the camera was prolonged two times: the other server has looked as often."""
    connection = await asyncpg.connect(dsn)
    try:
        ends = set()
        async with asyncio.timeout(WITHIN_S):
            while len(ends) < 3:
                ends.add(await connection.fetchval("SELECT expires_at FROM camera_leases WHERE camera_id = 'room'"))
                await asyncio.sleep(0.1)
        assert None not in ends
    finally:
        await connection.close()


async def test_a_camera_is_opened_by_one_server_and_by_the_other_when_that_dies(
    servers: list[ChildServer], camera: Camera, database_dsn: str
) -> None:
    first, second = servers
    async with first.client() as one, second.client() as other:
        await one.call("PUT", "/api/v1/cameras/room", body={"address": f"{camera.url}/video"})
        await until(lambda: camera.readers == 1)

        async def both_say_live() -> bool:
            return [(await pulled(client))["pull"]["state"] for client in (one, other)] == ["live", "live"]

        await until(both_say_live)
        held = await readers(one, other)
        assert sorted(held) == [0, 1]
        await prolonged_twice(database_dsn)
        assert camera.most == 1

        # Whichever was told first has it.
        has_it, is_left = (first, other) if held == [1, 0] else (second, one)
        has_it.kill()
        await until(lambda: camera.readers == 0)
        await until(lambda: camera.readers == 1)
        assert camera.most == 1
        assert await readers(is_left) == [1]


async def test_a_camera_is_changed_and_removed_through_the_server_that_does_not_read_it(
    servers: list[ChildServer], camera: Camera
) -> None:
    async with servers[0].client() as one, servers[1].client() as other:
        await one.call("PUT", "/api/v1/cameras/room", body={"address": f"{camera.url}/video"})
        await until(lambda: camera.readers == 1)
        await other.call("PUT", "/api/v1/cameras/room", body={"enabled": False})
        await until(lambda: camera.readers == 0)
        assert (await pulled(one))["pull"]["state"] == "off"
        await other.call("PUT", "/api/v1/cameras/room", body={"enabled": True, "address": f"{camera.url}/other"})
        await until(lambda: camera.readers == 1)
        await other.call("DELETE", "/api/v1/cameras/room")
        await until(lambda: camera.readers == 0)
        with pytest.raises(ServerSaidNo):
            await pulled(one)


async def test_a_server_that_stops_gives_its_cameras_back_at_once(servers: list[ChildServer], camera: Camera) -> None:
    async with servers[0].client() as one, servers[1].client() as other:
        await one.call("PUT", "/api/v1/cameras/room", body={"address": f"{camera.url}/video"})
        await until(lambda: camera.readers == 1)
        assert await servers[0].stop() == 0
        await until(lambda: camera.readers == 1)
        assert await readers(other) == [1]
        assert camera.most == 1


async def test_a_phone_that_streams_as_a_camera_is_told_when_it_is_removed_on_another_server(
    servers: list[ChildServer],
) -> None:
    async with servers[0].client() as one, servers[1].client() as other:
        await one.add_camera("phone")
        async with one.socket("/ws/v1/camera/phone") as phone:
            await phone.recv()
            await other.call("DELETE", "/api/v1/cameras/phone")
            with pytest.raises(ConnectionClosed) as closed:
                await _all_of(phone)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4404, "the camera was removed")

        with pytest.raises(ServerSaidNo) as refused:
            await one.socket("/ws/v1/camera/phone").__aenter__()
        assert refused.value.code == "unknown_camera"


async def _all_of(socket: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            await socket.recv()
