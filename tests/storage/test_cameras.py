import asyncio
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from recognition.errors import RequestError
from recognition.types import Sighting
from storage import attendance, cameras, outbox, people, reviews
from storage.attendance_policy import DEFAULT_POLICY
from storage.database import Connection, Database
from storage.errors import Conflict, NotFound
from storage.visibility import EVERYTHING


async def test_a_camera_is_made_once_and_can_be_renamed(connection: Connection) -> None:
    await cameras.ensure(connection, "door")
    await cameras.ensure(connection, "door")
    assert (await cameras.get(connection, "door")).name == "door"
    await cameras.ensure(connection, "door", "Main door")
    await cameras.ensure(connection, "door")
    assert [(camera.camera_id, camera.name) for camera in await cameras.list_cameras(connection)] == [
        ("door", "Main door")
    ]


@pytest.mark.parametrize("camera_id", ["", "-a", "A", "a b", "a" * 65, "a\n", "é"])
async def test_a_camera_id_that_is_none_is_refused(connection: Connection, camera_id: str) -> None:
    with pytest.raises(RequestError) as refused:
        await cameras.ensure(connection, camera_id)
    assert refused.value.code == "camera_id_invalid"


async def test_an_unknown_camera_is_not_found(connection: Connection) -> None:
    with pytest.raises(NotFound):
        await cameras.get(connection, "nowhere")


async def test_a_camera_that_must_be_new_is_refused_when_the_id_is_taken(connection: Connection) -> None:
    await cameras.add(connection, "door", "Door", must_be_new=True)
    await cameras.add(connection, "door", None)
    with pytest.raises(Conflict) as refused:
        await cameras.add(connection, "door", "Other", must_be_new=True)
    assert refused.value.code == "camera_exists"
    assert (await cameras.get(connection, "door")).name == "Door"


async def test_where_a_camera_is_opened_is_kept_and_its_secret_is_not_shown(connection: Connection) -> None:
    await cameras.add(connection, "door")
    await cameras.set_source(
        connection, "door", address="rtsp://door/", sealed=b"geheim", transport="udp", enabled=False
    )
    camera = await cameras.get(connection, "door")
    assert (camera.address, camera.sealed, camera.transport, camera.enabled) == (
        "rtsp://door/",
        b"geheim",
        "udp",
        False,
    )
    assert "geheim" not in repr(camera)
    assert [(event.type, event.payload) for event in await outbox.read_after(connection, 0)] == [
        ("camera.changed", {"camera": "door"})
    ]
    with pytest.raises(NotFound):
        await cameras.set_source(connection, "nowhere", address=None, sealed=None, transport="auto", enabled=True)


async def test_a_change_of_state_is_stored_with_its_event(connection: Connection, noon: datetime) -> None:
    await cameras.add(connection, "door")
    await cameras.set_state(connection, "door", "refused", "401", noon)
    await cameras.set_state(connection, "nowhere", "live", "", noon)
    camera = await cameras.get(connection, "door")
    assert (camera.state, camera.state_reason, camera.state_at) == ("refused", "401", noon)
    assert [(event.type, event.payload) for event in await outbox.read_after(connection, 0)] == [
        ("camera.state", {"camera": "door", "state": "refused", "reason": "401"})
    ]


async def test_a_camera_that_nothing_points_to_is_deleted(connection: Connection) -> None:
    await cameras.add(connection, "door")
    await cameras.remove(connection, "door")
    assert await connection.fetchval("SELECT count(*) FROM cameras") == 0
    assert [(event.type, event.payload) for event in await outbox.read_after(connection, 0)] == [
        ("camera.removed", {"camera": "door"})
    ]
    with pytest.raises(NotFound):
        await cameras.remove(connection, "door")


async def test_a_camera_that_records_name_loses_all_but_its_name_and_may_come_back(
    connection: Connection, ada: people.Person, make_sighting: Callable[..., Sighting]
) -> None:
    await cameras.add(connection, "door")
    await attendance.record_sighting(connection, make_sighting(ada.person_id), ZoneInfo("UTC"))
    await cameras.set_source(connection, "door", address="rtsp://door/", sealed=b"x", transport="udp", enabled=False)
    await cameras.remove(connection, "door")
    assert await cameras.list_cameras(connection) == []
    assert await connection.fetchval("SELECT sealed IS NULL FROM cameras WHERE id = 'door'")
    await attendance.record_sighting(connection, make_sighting(ada.person_id), ZoneInfo("UTC"))  # one that was late
    assert await cameras.list_cameras(connection) == []
    assert not await cameras.ensure(connection, "door")
    await cameras.add(connection, "door", must_be_new=True)
    back = await cameras.get(connection, "door")
    assert (back.address, back.transport, back.enabled) == (None, "auto", True)


async def waiting(connection: Connection) -> None:
    """Wait until somebody waits for a lock in this database."""
    async with asyncio.timeout(30):
        while not await connection.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            )
            """
        ):
            await connection.execute("SELECT pg_sleep(0.01)")


@pytest.mark.parametrize("removed_before", [False, True])
async def test_of_two_who_want_the_same_new_camera_one_wins(database: Database, removed_before: bool) -> None:
    async with database.acquire() as one, database.acquire() as other, database.acquire() as onlooker:
        if removed_before:
            await cameras.add(one, "door", "Old")
            await cameras.remove(one, "door", keep_id=True)
        # The other's transaction is the older one, yet comes second.
        older, transaction = other.transaction(), one.transaction()
        await older.start()
        await other.fetchval("SELECT now()")
        await transaction.start()
        async with asyncio.TaskGroup() as group:
            async with asyncio.timeout(30):
                await cameras.add(one, "door", "Mine", must_be_new=True)

            async def second() -> None:
                with pytest.raises(Conflict) as refused:
                    await cameras.add(other, "door", "Yours", must_be_new=True)
                assert refused.value.code == "camera_exists"

            group.create_task(second())
            await waiting(onlooker)
            await transaction.commit()
        await older.rollback()
        assert (await cameras.get(one, "door")).name == "Mine"


async def test_a_record_that_is_being_made_and_the_removal_of_its_camera_wait_for_each_other(
    database: Database, ada: people.Person, make_sighting: Callable[..., Sighting]
) -> None:
    async with database.acquire() as one, database.acquire() as other, database.acquire() as onlooker:
        await cameras.add(one, "door", "Door")
        transaction = one.transaction()
        await transaction.start()
        recorded = await attendance.record_sighting(one, make_sighting(ada.person_id), ZoneInfo("UTC"))
        assert recorded.first
        async with asyncio.TaskGroup() as group:
            group.create_task(cameras.remove(other, "door"))
            await waiting(onlooker)
            await transaction.commit()
        assert await cameras.list_cameras(one) == []
        assert await one.fetchval("SELECT name FROM cameras") == "Door"


async def test_a_record_that_meets_the_removal_of_its_camera_is_stored(
    database: Database, ada: people.Person, make_sighting: Callable[..., Sighting]
) -> None:
    async with database.acquire() as one, database.acquire() as other, database.acquire() as onlooker:
        await cameras.add(one, "door")
        transaction = one.transaction()
        await transaction.start()
        await cameras.remove(one, "door")
        async with asyncio.TaskGroup() as group:
            storing = group.create_task(
                attendance.record_sighting(other, make_sighting(ada.person_id), ZoneInfo("UTC"))
            )
            await waiting(onlooker)
            await transaction.commit()
        assert storing.result().first
        assert await cameras.list_cameras(one) == []


@pytest.mark.parametrize("consent", [people.Consent.GRANTED, people.Consent.NONE])
async def test_a_late_sighting_does_not_bring_a_camera_back(
    connection: Connection, consent: people.Consent, noon: datetime, make_sighting: Callable[..., Sighting]
) -> None:
    person = await people.create(connection, name="Ada", at=noon, consent=consent)
    await cameras.add(connection, "door")
    await cameras.remove(connection, "door")
    await attendance.record_sighting(connection, make_sighting(person.person_id), ZoneInfo("UTC"))
    assert await cameras.list_cameras(connection) == []
    assert not await cameras.ensure(connection, "door")


@pytest.mark.parametrize("table", ["punches", "reviews"])
async def test_a_camera_that_a_punch_or_a_review_names_can_be_removed(
    connection: Connection, ada: people.Person, noon: datetime, table: str
) -> None:
    await cameras.add(connection, "door")
    if table == "punches":
        async with connection.transaction():
            await connection.execute("UPDATE cameras SET direction = 'in'")
            await attendance.record_punch(
                connection,
                EVERYTHING,
                ada.person_id,
                noon,
                ZoneInfo("UTC"),
                DEFAULT_POLICY,
                method=attendance.Method.PIN,
                camera_id="door",
            )
        await connection.execute("UPDATE attendance SET camera_id = NULL")
    else:
        await reviews.record(
            connection,
            camera_id="door",
            candidates=[(ada.person_id, 0.5)],
            at=noon,
            zone=ZoneInfo("UTC"),
            policy=DEFAULT_POLICY,
        )
    assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE camera_id = 'door'") == 1
    await cameras.remove(connection, "door")
    assert await cameras.list_cameras(connection) == []


async def test_a_camera_that_may_add_itself_is_known_to_have_been_removed(connection: Connection) -> None:
    assert await cameras.ensure(connection, "door")
    await cameras.remove(connection, "door", keep_id=True)
    assert not await cameras.ensure(connection, "door")
    await cameras.add(connection, "door", "Again")
    assert await cameras.ensure(connection, "door")
    assert (await cameras.get(connection, "door")).name == "Again"
