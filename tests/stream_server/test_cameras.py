import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from storage import cameras as camera_table
from storage import devices
from storage.database import Database
from storage.errors import NotFound, StorageUnavailable
from stream_server.cameras import CameraRegistry
from stream_server.messages.wire import Event


class Table:
    """The table of cameras, in place of `storage.cameras`; and the pool, in place of `Database`."""

    def __init__(self, *ids: str) -> None:
        self.rows = set(ids)
        self.removed: set[str] = set()
        self.reads = 0
        self.refusals = 0
        self.away = False

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Table"]:
        if self.away:
            self.refusals += 1
            raise StorageUnavailable("away")
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    async def revoke_of_camera(self, connection: "Table", camera_id: str) -> list[UUID]:
        """No device is paired here."""
        return []

    async def list_cameras(self, connection: "Table") -> list[camera_table.Camera]:
        self.reads += 1
        return [camera_table.Camera(row, row, datetime(2026, 1, 1, tzinfo=UTC)) for row in sorted(self.rows)]

    async def add(
        self, connection: "Table", camera_id: str, name: str | None = None, *, must_be_new: bool = False
    ) -> None:
        self.rows.add(camera_id)

    async def ensure(self, connection: "Table", camera_id: str, name: str | None = None) -> bool:
        if camera_id not in self.removed:
            self.rows.add(camera_id)
        return camera_id in self.rows

    async def remove(self, connection: "Table", camera_id: str, *, keep_id: bool = False) -> None:
        self.rows.remove(camera_id)
        if keep_id:
            self.removed.add(camera_id)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    table = Table("door")
    monkeypatch.setattr(camera_table, "list_cameras", table.list_cameras)
    monkeypatch.setattr(camera_table, "add", table.add)
    monkeypatch.setattr(camera_table, "ensure", table.ensure)
    monkeypatch.setattr(camera_table, "remove", table.remove)
    monkeypatch.setattr(devices, "revoke_of_camera", table.revoke_of_camera)
    return table


def registry(table: Any, *, auto_register: bool = False) -> CameraRegistry:
    return CameraRegistry(table, auto_register=auto_register)


async def test_a_known_camera_may_stream_while_the_database_is_away(table: Table) -> None:
    cameras = registry(table)
    await cameras.load()
    table.away = True
    await cameras.require("door")
    with pytest.raises(StorageUnavailable):
        await cameras.require("yard")


async def test_an_unknown_camera_is_refused_with_the_way_to_add_it(table: Table) -> None:
    cameras = registry(table)
    await cameras.load()
    with pytest.raises(NotFound) as refused:
        await cameras.require("yard")
    assert refused.value.code == "unknown_camera"
    assert "PUT /api/v1/cameras/yard" in refused.value.hint


async def test_a_camera_that_was_added_elsewhere_is_found(table: Table) -> None:
    cameras = registry(table)
    await cameras.load()
    table.rows.add("yard")
    await cameras.require("yard")
    reads = table.reads
    await cameras.require("yard")
    assert table.reads == reads


async def test_a_camera_is_added_by_itself_where_the_site_allows_it(table: Table) -> None:
    await registry(table, auto_register=True).require("yard")
    assert "yard" in table.rows


async def test_a_camera_that_adds_itself_stays_away_once_it_was_removed(table: Table) -> None:
    cameras = registry(table, auto_register=True)
    await cameras.require("yard")
    await cameras.remove("yard")
    with pytest.raises(NotFound) as refused:
        await cameras.require("yard")
    assert refused.value.code == "unknown_camera"
    assert "yard" not in table.rows


async def test_a_camera_that_adds_itself_stays_away_once_it_was_removed_from_the_database(database: Database) -> None:
    cameras = CameraRegistry(database, auto_register=True)
    await cameras.require("yard")
    await cameras.remove("yard")
    with pytest.raises(NotFound):
        await cameras.require("yard")
    await cameras.add("yard", "Yard")
    await cameras.require("yard")


@pytest.mark.parametrize("camera_id", ["", "Door", "-door", "door\n", "a b", "../door", "dóor", "a" * 65, "door\0"])
async def test_what_is_no_camera_id_is_refused_without_asking_the_database(table: Table, camera_id: str) -> None:
    for auto_register in (False, True):
        with pytest.raises(NotFound) as refused:
            await registry(table, auto_register=auto_register).require(camera_id)
        assert refused.value.code == "camera_id_invalid"
    assert table.reads == 0
    assert table.rows == {"door"}


async def test_everybody_who_asked_is_told_of_a_camera_that_was_removed(table: Table) -> None:
    cameras = registry(table)
    await cameras.load()
    told: list[str] = []
    cameras.on_removed(told.append)
    await cameras.add("yard", None)
    await cameras.remove("yard")
    assert told == ["yard"]
    with pytest.raises(NotFound):
        await cameras.require("yard")


async def test_a_camera_that_was_removed_elsewhere_is_known_no_more_though_the_database_was_away(table: Table) -> None:
    cameras = registry(table)
    await cameras.load()
    told: list[str] = []
    cameras.on_removed(told.append)
    running = asyncio.create_task(cameras.run())
    table.rows.add("yard")
    cameras.look_again()
    async with asyncio.timeout(10):
        while table.reads < 2:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    table.rows.remove("door")
    table.away = True
    cameras.on_event(Event(id=1, type="camera.removed", at=datetime(2026, 1, 1, tzinfo=UTC), data={"camera": "door"}))
    async with asyncio.timeout(10):
        while not table.refusals:
            await asyncio.sleep(0.01)
    assert told == []
    table.away = False
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.01)
    running.cancel()
    assert told == ["door"]
    with pytest.raises(NotFound):
        await cameras.require("door")
