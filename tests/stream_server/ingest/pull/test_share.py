"""Two servers' shares of the cameras of one database, with supervisors that only note what they are told."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from recognition.errors import RequestError
from storage import camera_leases, cameras
from storage.database import Database
from storage.errors import StorageUnavailable
from stream_server.api.cameras import delete_camera
from stream_server.cameras import CameraRegistry
from stream_server.ingest.pull import share as share_module
from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.share import PullShare
from stream_server.messages.wire import Event
from stream_server.privacy.auditing import Auditor

ONE, OTHER = UUID(int=1), UUID(int=2)


class Supervisor:
    def __init__(self) -> None:
        self.pulled: dict[str, str] = {}
        self.ended: list[tuple[str, str]] = []
        self.orders = 0

    def set(self, camera_id: str, order: Order | None, *, refused: str = "") -> None:
        self.orders += 1
        self.pulled[camera_id] = refused if order is None else order.url

    def remove(self, camera_id: str) -> None:
        self._end(camera_id, "removed")

    def forget(self, camera_id: str) -> None:
        self._end(camera_id, "forgotten")

    def _end(self, camera_id: str, how: str) -> None:
        del self.pulled[camera_id]
        self.ended.append((camera_id, how))


def order(camera: cameras.Camera) -> Order:
    if camera.sealed == b"broken":
        raise RequestError("it cannot be read")
    assert camera.sealed is not None
    return Order(camera.camera_id, 0, camera.sealed.decode())


def make_share(database: Any, holder: UUID = ONE) -> tuple[PullShare, Supervisor]:
    supervisor = Supervisor()
    share = PullShare(database=database, supervisor=supervisor, order=order, holder=holder)  # type: ignore[arg-type]
    return share, supervisor


async def put(database: Database, camera_id: str, sealed: bytes | None = b"rtsp://a", *, enabled: bool = True) -> None:
    async with database.acquire() as connection:
        await cameras.add(connection, camera_id)
        address = None if sealed is None else "rtsp://a"
        await cameras.set_source(
            connection, camera_id, address=address, sealed=sealed, transport="auto", enabled=enabled
        )


async def test_only_cameras_with_an_address_that_are_switched_on_are_opened(database: Database) -> None:
    await put(database, "door")
    await put(database, "phone", None)
    await put(database, "off", enabled=False)
    await put(database, "broken", b"broken")
    share, supervisor = make_share(database)
    await share.look()
    assert supervisor.pulled == {"door": "rtsp://a", "broken": "it cannot be read"}
    await share.look()
    assert supervisor.orders == 2  # what has not changed is not opened anew
    await put(database, "door", b"rtsp://b")
    await put(database, "broken", b"rtsp://c", enabled=False)
    await share.look()
    assert (supervisor.pulled, supervisor.ended) == ({"door": "rtsp://b"}, [("broken", "removed")])


async def test_two_servers_never_open_the_same_camera(database: Database) -> None:
    for number in range(4):
        await put(database, f"room-{number}")
    one, first = make_share(database, ONE)
    other, second = make_share(database, OTHER)
    await asyncio.gather(one.look(), other.look(), one.look(), other.look())
    assert len(first.pulled) + len(second.pulled) == 4
    assert first.pulled.keys().isdisjoint(second.pulled)
    await one.close()
    await other.look()
    assert len(second.pulled) == 4
    await one.look()  # a server that was away for longer than its leases
    assert first.pulled == {}
    assert {how for _, how in first.ended} <= {"forgotten"}


async def test_the_cameras_of_a_server_that_died_are_taken_when_its_leases_have_expired(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(database, "door")
    other, second = make_share(database, OTHER)
    async with database.acquire() as connection:
        await camera_leases.claim(connection, ONE, ["door"], 60.0)
        await other.look()
        assert second.pulled == {}
        await camera_leases.claim(connection, ONE, ["door"], -1.0)
    monkeypatch.setattr(share_module, "PROLONG_EVERY_S", 0.01)
    running = asyncio.create_task(other.run())
    async with asyncio.timeout(20):
        while not second.pulled:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_what_another_server_changes_is_acted_on_when_its_event_comes(database: Database) -> None:
    share, supervisor = make_share(database)
    running = asyncio.create_task(share.run())
    await put(database, "door")
    for type_ in ("attendance.marked", "camera.changed"):
        share.on_event(Event(id=1, type=type_, at=datetime.now(UTC), data={}))
    async with asyncio.timeout(20):
        while not supervisor.pulled:
            await asyncio.sleep(0.01)
    async with database.acquire() as connection:
        await cameras.remove(connection, "door")
    share.look_again()
    async with asyncio.timeout(20):
        while supervisor.pulled:
            await asyncio.sleep(0.01)
    running.cancel()
    assert supervisor.ended == [("door", "removed")]


async def test_while_the_database_is_away_a_server_keeps_its_cameras(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(database, "door")
    share, supervisor = make_share(database)
    await share.look()

    def away() -> Any:
        raise StorageUnavailable("away")

    monkeypatch.setattr(database, "acquire", away)
    with pytest.raises(StorageUnavailable):
        await share.look()
    await share.close()
    assert supervisor.pulled == {"door": "rtsp://a"}


class Line:
    """A database that can go away."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.away = False

    def acquire(self) -> Any:
        if self.away:
            raise StorageUnavailable("away")
        return self.database.acquire()


async def test_a_change_that_is_stored_stands_although_the_database_goes_away_before_it_is_acted_on(
    database: Database, auditor: Auditor
) -> None:
    line = Line(database)
    share, supervisor = make_share(line)
    await put(database, "door")
    await share.look()
    cameras_known = CameraRegistry(database, auto_register=False)
    cameras_known.on_removed(lambda _: setattr(line, "away", True))
    services = SimpleNamespace(cameras=cameras_known, pulls=SimpleNamespace(share=share))
    assert (await delete_camera("door", services, auditor)).status_code == 204  # type: ignore[arg-type]
    assert supervisor.ended == []
    line.away = False
    running = asyncio.create_task(share.run())
    async with asyncio.timeout(10):
        while not supervisor.ended:
            await asyncio.sleep(0.01)
    running.cancel()
    assert supervisor.ended == [("door", "removed")]
