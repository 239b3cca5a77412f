import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from recognition.types import Sighting
from storage import attendance, people, sightings
from storage.database import Connection, Database

UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
async def ten_days(
    connection: Connection, ada: people.Person, make_sighting: Callable[..., Sighting], noon: datetime
) -> None:
    """A sighting of Ada on each of ten days, the last one at noon of the fixed moment."""
    for days in range(10):
        sighting = make_sighting(ada.person_id, captured_at=noon - timedelta(days=days))
        await attendance.record_sighting(connection, sighting, UTC_ZONE)


async def captured(connection: Connection) -> list[datetime]:
    rows = await connection.fetch("SELECT captured_at FROM sightings ORDER BY captured_at DESC")
    return [row["captured_at"] for row in rows]


@pytest.mark.usefixtures("ten_days")
async def test_old_sightings_are_deleted_and_attendance_stays(connection: Connection, noon: datetime) -> None:
    assert await sightings.prune(connection, noon - timedelta(days=3)) == 6
    assert await captured(connection) == [noon - timedelta(days=days) for days in range(4)]
    assert await connection.fetchval("SELECT count(*) FROM attendance") == 10
    assert await sightings.prune(connection, noon - timedelta(days=3)) == 0


@pytest.mark.usefixtures("ten_days")
async def test_a_batch_is_no_larger_than_asked_for(connection: Connection, noon: datetime) -> None:
    counts = [await sightings.prune(connection, noon, limit=4) for _ in range(3)]
    assert counts == [4, 4, 1]
    assert await captured(connection) == [noon]


@pytest.mark.usefixtures("ten_days")
async def test_what_is_being_deleted_by_somebody_else_is_not_waited_for(
    database: Database, ada: people.Person, noon: datetime
) -> None:
    async with database.acquire() as erasing, database.acquire() as pruning:
        async with erasing.transaction():
            await people.erase(erasing, ada.person_id, at=noon)
            async with asyncio.timeout(20):
                assert await sightings.prune(pruning, noon) == 0
        assert await captured(pruning) == []
