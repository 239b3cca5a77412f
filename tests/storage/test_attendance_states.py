"""Sessions in rooms: which one counts, who is late, what is corrected, who came and went."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from recognition.types import Sighting
from storage import (
    attendance,
    attendance_lists,
    cameras,
    corrections,
    groups,
    memberships,
    outbox,
    people,
    punches,
    rooms,
    session_clock,
    sessions,
)
from storage.attendance_policy import AttendancePolicy
from storage.database import Connection, Database
from storage.errors import Conflict, Stale
from storage.rooms import CameraPlace, Direction
from storage.statuses import Method, Status
from storage.visibility import EVERYTHING

BERLIN = ZoneInfo("Europe/Berlin")
POLICY = AttendancePolicy()
Make = Callable[..., Sighting]


async def add_session(
    connection: Connection, room_id: UUID, starts_at: datetime, minutes: int = 45, **more: Any
) -> UUID:
    session_id = uuid4()
    await connection.execute(
        """
        INSERT INTO class_sessions (id, kind, title, starts_at, ends_at, room_id, group_id, late_after_s, state)
        VALUES ($1, 'scheduled', 'Maths', $2, $3, $4, $5, $6, 'running')
        """,
        session_id,
        starts_at,
        starts_at + timedelta(minutes=minutes),
        room_id,
        more.get("group_id"),
        more.get("late_after_s"),
    )
    return session_id


@pytest.fixture
async def room_id(connection: Connection) -> UUID:
    room = await rooms.create(connection, name="Room 12")
    await cameras.ensure(connection, "door")
    async with connection.transaction():
        await rooms.place_camera(connection, CameraPlace("door", room.room_id))
    return room.room_id


async def record(connection: Connection, session_id: UUID) -> attendance_lists.AttendanceRecord:
    page = await attendance_lists.list_records(connection, EVERYTHING, session_id=session_id)
    assert len(page.items) == 1
    return page.items[0]


async def test_a_sighting_counts_for_the_session_in_the_cameras_room(
    connection: Connection, ada: people.Person, make_sighting: Make, room_id: UUID, noon: datetime
) -> None:
    session_id = await add_session(connection, room_id, noon)
    seen = await attendance.record_sighting(connection, make_sighting(ada.person_id), BERLIN)
    assert (seen.session_id, seen.status) == (session_id, Status.PRESENT)
    elsewhere = await attendance.record_sighting(connection, make_sighting(ada.person_id, camera_id="gate"), BERLIN)
    assert elsewhere.session_id is not None
    assert (await sessions.get(connection, EVERYTHING, elsewhere.session_id)).kind == "open"
    after = make_sighting(ada.person_id, captured_at=noon + timedelta(minutes=45))
    assert (await attendance.record_sighting(connection, after, BERLIN)).session_id == elsewhere.session_id


@pytest.mark.parametrize(
    ("seconds", "late_after_s", "status"),
    [(-599, None, "present"), (300, None, "present"), (301, None, "late"), (61, 60, "late"), (2000, 3000, "present")],
)
async def test_somebody_is_late_after_the_set_time(
    connection: Connection,
    ada: people.Person,
    make_sighting: Make,
    room_id: UUID,
    noon: datetime,
    seconds: int,
    late_after_s: int | None,
    status: str,
) -> None:
    session_id = await add_session(connection, room_id, noon, late_after_s=late_after_s)
    sighting = make_sighting(ada.person_id, captured_at=noon + timedelta(seconds=seconds))
    seen = await attendance.record_sighting(connection, sighting, BERLIN)
    assert (seen.session_id, seen.status) == (session_id, status)


async def test_between_two_lessons_somebody_counts_where_expected(
    connection: Connection, ada: people.Person, make_sighting: Make, room_id: UUID, noon: datetime
) -> None:
    group = await groups.create(connection, name="7a")
    await memberships.add(connection, group_id=group.group_id, person_id=ada.person_id)
    running = await add_session(connection, room_id, noon)
    following = await add_session(connection, room_id, noon + timedelta(minutes=45), group_id=group.group_id)
    stranger = await people.create(connection, name="Guest", at=noon, consent=people.Consent.GRANTED)
    at = noon + timedelta(minutes=40)
    mine = await attendance.record_sighting(connection, make_sighting(ada.person_id, captured_at=at), BERLIN)
    other = await attendance.record_sighting(connection, make_sighting(stranger.person_id, captured_at=at), BERLIN)
    assert (mine.session_id, other.session_id) == (following, running)


async def test_a_late_arrival_who_was_seen_earlier_after_all_is_corrected(
    connection: Connection, ada: people.Person, make_sighting: Make, room_id: UUID, noon: datetime
) -> None:
    session_id = await add_session(connection, room_id, noon)
    late = make_sighting(ada.person_id, captured_at=noon + timedelta(minutes=20))
    assert (await attendance.record_sighting(connection, late, BERLIN)).status is Status.LATE
    early = make_sighting(ada.person_id, captured_at=noon + timedelta(minutes=1))
    assert (await attendance.record_sighting(connection, early, BERLIN)).status is Status.PRESENT
    now = await record(connection, session_id)
    assert (now.status, now.version, now.first_seen_at) == (Status.PRESENT, 2, early.captured_at)
    (change,) = await corrections.list_corrections(connection, EVERYTHING, now.attendance_id)
    assert (change.status_before, change.by_clock, change.by_whom) == (Status.LATE, True, "clock")


async def test_somebody_called_absent_whose_sighting_was_spooled_is_corrected(
    connection: Connection, ada: people.Person, make_sighting: Make, room_id: UUID, noon: datetime
) -> None:
    group = await groups.create(connection, name="7a")
    await memberships.add(connection, group_id=group.group_id, person_id=ada.person_id, starts_on=date(2026, 1, 1))
    session_id = await add_session(connection, room_id, noon, group_id=group.group_id)
    await session_clock.close_one_due(connection, noon + timedelta(hours=1), BERLIN)
    assert (await record(connection, session_id)).status is Status.ABSENT
    spooled = make_sighting(ada.person_id, captured_at=noon + timedelta(minutes=10))
    await attendance.record_sighting(connection, spooled, BERLIN)
    now = await record(connection, session_id)
    assert (now.status, now.method, now.first_seen_at) == (Status.LATE, Method.CLOCK, spooled.captured_at)
    types = [event.type for event in await outbox.read_after(connection, 0)]
    assert types[-1] == "attendance.corrected"


@pytest.mark.parametrize("status", [Status.EXCUSED, Status.ABSENT])
async def test_what_a_person_has_said_stays_whatever_a_camera_sees(
    connection: Connection, ada: people.Person, make_sighting: Make, room_id: UUID, noon: datetime, status: Status
) -> None:
    session_id = await add_session(connection, room_id, noon)
    await attendance.mark_manually(
        connection, EVERYTHING, ada.person_id, noon, BERLIN, session_id=session_id, status=status
    )
    seen = await attendance.record_sighting(connection, make_sighting(ada.person_id), BERLIN)
    assert seen.status is status
    now = await record(connection, session_id)
    assert (now.status, now.version, now.last_seen_at) == (status, 1, noon)


async def test_corrections_are_appended_with_who_when_and_why(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    made = await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, BERLIN)
    assert made.attendance_id is not None
    for version, status in ((1, Status.LATE), (2, Status.EXCUSED)):
        await corrections.correct(
            connection,
            EVERYTHING,
            made.attendance_id,
            version=version,
            status=status,
            by_whom="teacher",
            reason=" because ",
            at=noon,
        )
    with pytest.raises(Stale):
        await corrections.correct(
            connection, EVERYTHING, made.attendance_id, version=2, status=Status.LATE, by_whom="x", reason="y", at=noon
        )
    listed = await corrections.list_corrections(connection, EVERYTHING, made.attendance_id)
    assert [(one.number, one.status_before, one.status, one.by_whom, one.reason) for one in listed] == [
        (2, "present", "late", "teacher", "because"),
        (3, "late", "excused", "teacher", "because"),
    ]
    now = await attendance_lists.get(connection, EVERYTHING, made.attendance_id)
    assert (now.status, now.version) == (Status.EXCUSED, 3)
    event = (await outbox.read_after(connection, 0))[-1]
    assert (event.type, event.payload["status_before"], event.payload["by"]) == (
        "attendance.corrected",
        "late",
        "teacher",
    )
    assert "because" not in str(event.payload)
    assert await connection.fetchval("SELECT status FROM attendance") == "present", "what was recorded stays"
    await people.erase(connection, ada.person_id, at=noon)
    assert {one.reason for one in await corrections.list_corrections(connection, EVERYTHING, made.attendance_id)} == {
        None
    }
    with pytest.raises(Conflict):
        await corrections.correct(
            connection,
            EVERYTHING,
            made.attendance_id,
            version=None,
            status=Status.LATE,
            by_whom="x",
            reason="y",
            at=noon,
        )


async def test_a_record_is_not_corrected_without_end(
    connection: Connection, ada: people.Person, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "CORRECTIONS_MAX", 2)
    made = await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, BERLIN)
    assert made.attendance_id is not None
    change = {"version": None, "status": Status.LATE, "by_whom": "teacher", "reason": "bus", "at": noon}
    for _ in range(2):
        await corrections.correct(connection, EVERYTHING, made.attendance_id, **change)  # type: ignore[arg-type]
    with pytest.raises(Conflict) as refused:
        await corrections.correct(connection, EVERYTHING, made.attendance_id, **change)  # type: ignore[arg-type]
    assert refused.value.code == "too_many_corrections"
    assert len(await corrections.list_corrections(connection, EVERYTHING, made.attendance_id)) == 2


async def test_of_many_corrections_of_one_version_one_is_made(
    database: Database, ada: people.Person, noon: datetime
) -> None:
    async with database.acquire() as connection:
        made = await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, BERLIN)
    assert made.attendance_id is not None
    attendance_id = made.attendance_id

    async def correct(number: int) -> bool:
        async with database.acquire() as connection:
            try:
                await corrections.correct(
                    connection,
                    EVERYTHING,
                    attendance_id,
                    version=1,
                    status=Status.LATE,
                    by_whom=f"teacher {number}",
                    reason="why",
                    at=noon,
                )
            except Stale:
                return False
            return True

    done = await asyncio.gather(*(correct(number) for number in range(8)))
    assert sum(done) == 1
    async with database.acquire() as connection:
        assert len(await corrections.list_corrections(connection, EVERYTHING, attendance_id)) == 1


async def test_many_ways_at_once_make_one_record(
    database: Database, ada: people.Person, make_sighting: Make, noon: datetime
) -> None:
    async with database.acquire() as connection:
        room = await rooms.create(connection, name="Room 12")
        group = await groups.create(connection, name="7a")
        await memberships.add(connection, group_id=group.group_id, person_id=ada.person_id)
        await cameras.ensure(connection, "door")
        async with connection.transaction():
            await rooms.place_camera(connection, CameraPlace("door", room.room_id, Direction.TOGGLE))
        session_id = await add_session(connection, room.room_id, noon, group_id=group.group_id)

    async def by_face(number: int) -> None:
        async with database.acquire() as connection:
            at = noon + timedelta(seconds=number)
            await attendance.record_sighting(connection, make_sighting(ada.person_id, captured_at=at), BERLIN)

    async def by_pin() -> None:
        async with database.acquire() as connection, connection.transaction():
            await attendance.record_punch(
                connection, EVERYTHING, ada.person_id, noon, BERLIN, POLICY, method=Method.PIN, camera_id="door"
            )

    async def by_clock() -> None:
        async with database.acquire() as connection:
            await session_clock.close_one_due(connection, noon + timedelta(hours=1), BERLIN)

    async def by_hand() -> None:
        async with database.acquire() as connection:
            await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, BERLIN, session_id=session_id)

    await asyncio.gather(*(by_face(n) for n in range(6)), *(by_pin() for _ in range(4)), by_clock(), by_hand())
    async with database.acquire() as connection:
        now = await record(connection, session_id)
        assert now.status is Status.PRESENT
        marked = [event for event in await outbox.read_after(connection, 0) if event.type == "attendance.marked"]
        assert len(marked) == 1


async def test_coming_and_going_is_counted_where_a_camera_counts_it(
    connection: Connection, ada: people.Person, make_sighting: Make, noon: datetime
) -> None:
    await cameras.ensure(connection, "gate")
    async with connection.transaction():
        await rooms.place_camera(connection, CameraPlace("gate", None, Direction.TOGGLE))

    async def seen(after_s: int) -> Direction | None:
        at = noon + timedelta(seconds=after_s)
        sighting = make_sighting(ada.person_id, camera_id="gate", captured_at=at)
        return (await attendance.record_sighting(connection, sighting, BERLIN)).direction

    # In view until second 180: no re-entry, although the first punch is long ago.
    assert [await seen(after_s) for after_s in (0, 60, 119, 180, 299)] == [Direction.IN, None, None, None, None]
    assert [await seen(after_s) for after_s in (500, 560, 900, 10)] == [Direction.OUT, None, Direction.IN, None]
    session_id = (await sessions.list_sessions(connection, EVERYTHING)).items[0].session_id
    listed = await punches.list_of_person(connection, EVERYTHING, session_id, ada.person_id)
    assert [(one.direction, (one.at - noon).seconds) for one in listed] == [("in", 0), ("out", 500), ("in", 900)]
    told = [event for event in await outbox.read_after(connection, 0) if event.type == "attendance.punched"]
    assert [event.payload["direction"] for event in told] == ["in", "out", "in"]


async def test_two_doors_say_themselves_who_comes_and_who_goes(
    connection: Connection, ada: people.Person, make_sighting: Make, noon: datetime
) -> None:
    for camera_id, direction in (("in", Direction.IN), ("out", Direction.OUT)):
        await cameras.ensure(connection, camera_id)
        async with connection.transaction():
            await rooms.place_camera(connection, CameraPlace(camera_id, None, direction))
    went = []
    for camera_id, after_s in (("in", 0), ("in", 30), ("out", 40), ("out", 50), ("in", 70)):
        sighting = make_sighting(ada.person_id, camera_id=camera_id, captured_at=noon + timedelta(seconds=after_s))
        went.append((await attendance.record_sighting(connection, sighting, BERLIN)).direction)
    assert went == ["in", None, "out", None, "in"]


async def test_a_punch_outside_of_its_session_is_refused(
    connection: Connection, ada: people.Person, room_id: UUID, noon: datetime
) -> None:
    session_id = await add_session(connection, room_id, noon)
    for at in (noon - timedelta(seconds=601), noon + timedelta(minutes=45)):
        with pytest.raises(Conflict) as refused:
            async with connection.transaction():
                await attendance.record_punch(
                    connection, EVERYTHING, ada.person_id, at, BERLIN, POLICY, method=Method.PIN, session_id=session_id
                )
        assert refused.value.code == "session_not_open"


async def test_a_session_over_the_change_of_clocks_belongs_to_its_day(
    connection: Connection, ada: people.Person, room_id: UUID, make_sighting: Make
) -> None:
    night = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # half past eleven in the evening, Berlin
    session_id = await add_session(connection, room_id, night, minutes=240)
    sighting = make_sighting(ada.person_id, captured_at=datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert (await attendance.record_sighting(connection, sighting, BERLIN)).session_id == session_id
    page = await attendance_lists.list_records(connection, EVERYTHING, day=date(2026, 3, 28), zone=BERLIN)
    assert [one.session_id for one in page.items] == [session_id]
