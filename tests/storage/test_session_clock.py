import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from storage import attendance, attendance_lists, groups, memberships, outbox, people, session_clock, sessions
from storage.database import Connection, Database
from storage.errors import Conflict, Stale
from storage.visibility import EVERYTHING

BERLIN = ZoneInfo("Europe/Berlin")


async def add_session(connection: Connection, starts_at: datetime, group_id: UUID | None = None) -> UUID:
    session_id = uuid4()
    await connection.execute(
        """
        INSERT INTO class_sessions (id, kind, title, starts_at, ends_at, group_id, state)
        VALUES ($1, 'scheduled', 'Maths', $2, $3, $4, 'planned')
        """,
        session_id,
        starts_at,
        starts_at + timedelta(minutes=45),
        group_id,
    )
    return session_id


@pytest.fixture
async def group_id(connection: Connection) -> UUID:
    return (await groups.create(connection, name="7a")).group_id


async def add_member(connection: Connection, group_id: UUID, name: str, noon: datetime, **more: Any) -> UUID:
    person = await people.create(connection, name=name, at=noon)
    await memberships.add(connection, group_id=group_id, person_id=person.person_id, **more)
    return person.person_id


async def statuses(connection: Connection, session_id: UUID) -> dict[str, str]:
    page = await attendance_lists.list_records(connection, EVERYTHING, session_id=session_id)
    return {record.person_name: record.status.value for record in page.items}


async def state(connection: Connection, session_id: UUID) -> str:
    return (await sessions.get(connection, EVERYTHING, session_id)).state.value


async def test_a_session_opens_a_little_before_its_start_and_says_so(connection: Connection, noon: datetime) -> None:
    session_id = await add_session(connection, noon)
    assert await session_clock.open_due(connection, noon - timedelta(seconds=601), 600) == []
    (opened,) = await session_clock.open_due(connection, noon - timedelta(seconds=600), 600)
    assert opened.session_id == session_id
    assert await session_clock.open_due(connection, noon, 600) == []
    (event,) = await outbox.read_after(connection, 0)
    assert (event.type, event.payload["session_id"]) == ("session.opened", str(session_id))


async def test_at_the_end_whoever_was_expected_and_did_not_come_is_absent(
    connection: Connection, noon: datetime, group_id: UUID
) -> None:
    session_id = await add_session(connection, noon, group_id)
    here = await add_member(connection, group_id, "Here", noon)
    await add_member(connection, group_id, "Away", noon)
    await add_member(connection, group_id, "Teacher", noon, role=memberships.Role.STAFF)
    await add_member(connection, group_id, "Left", noon, ends_on=date(2026, 3, 1))
    await add_member(connection, group_id, "Joins later", noon, starts_on=date(2026, 3, 3))
    erased = await add_member(connection, group_id, "Erased", noon)
    await people.erase(connection, erased, at=noon)
    await session_clock.open_due(connection, noon, 600)
    await attendance.mark_manually(connection, EVERYTHING, here, noon, BERLIN, session_id=session_id)
    before = await outbox.latest_id(connection)
    end = noon + timedelta(minutes=45)
    assert await session_clock.close_one_due(connection, end - timedelta(seconds=1), BERLIN) is None
    closed = await session_clock.close_one_due(connection, end, BERLIN)
    assert closed is not None
    assert closed.counts == {"absent": 1, "present": 1}
    assert await statuses(connection, session_id) == {"Here": "present", "Away": "absent"}
    events = await outbox.read_after(connection, before)
    assert [(event.type, event.payload.get("status")) for event in events] == [
        ("attendance.marked", "absent"),
        ("session.ended", None),
    ]
    assert events[1].payload["counts"] == closed.counts
    assert await session_clock.close_one_due(connection, end, BERLIN) is None


@pytest.mark.parametrize(
    ("zone", "hour_utc", "expected"),
    [("Europe/Berlin", 23, {}), ("UTC", 23, {"Ada": "absent"}), ("Pacific/Auckland", 11, {})],
)
async def test_who_is_expected_is_asked_for_the_day_of_the_site(
    connection: Connection, group_id: UUID, zone: str, hour_utc: int, expected: dict[str, str], noon: datetime
) -> None:
    await add_member(connection, group_id, "Ada", noon, ends_on=date(2026, 3, 28))
    session_id = await add_session(connection, datetime(2026, 3, 28, hour_utc, 30, tzinfo=UTC), group_id)
    now = datetime(2026, 3, 28, hour_utc, 30, tzinfo=UTC)
    await session_clock.open_due(connection, now, 0)
    await session_clock.close_one_due(connection, now + timedelta(hours=1), ZoneInfo(zone))
    assert await statuses(connection, session_id) == expected


async def test_a_session_that_ended_while_no_server_ran_is_closed_afterwards(
    connection: Connection, noon: datetime, group_id: UUID
) -> None:
    session_id = await add_session(connection, noon, group_id)
    await add_member(connection, group_id, "Ada", noon)
    await session_clock.open_due(connection, noon, 600)
    assert await session_clock.close_one_due(connection, noon + timedelta(days=3), BERLIN) is not None
    assert await statuses(connection, session_id) == {"Ada": "absent"}


async def test_a_session_that_nobody_watched_is_missed_and_calls_nobody_absent(
    connection: Connection, noon: datetime, group_id: UUID
) -> None:
    session_id = await add_session(connection, noon, group_id)
    await add_member(connection, group_id, "Ada", noon)
    later = noon + timedelta(hours=2)
    assert await session_clock.open_due(connection, later, 600) == []
    assert await session_clock.miss_due(connection, later) == 1
    assert await session_clock.close_one_due(connection, later, BERLIN) is None
    assert (await state(connection, session_id), await statuses(connection, session_id)) == ("missed", {})
    # Somebody has the list on paper: the rest are absent.
    with pytest.raises(Stale):
        await session_clock.close_by_hand(connection, EVERYTHING, session_id, BERLIN, later, version=1)
    closed = await session_clock.close_by_hand(connection, EVERYTHING, session_id, BERLIN, later, version=2)
    assert closed.counts == {"absent": 1}


async def test_only_a_session_that_has_begun_can_be_closed_by_hand(connection: Connection, noon: datetime) -> None:
    session_id = await add_session(connection, noon)
    with pytest.raises(Conflict) as refused:
        await session_clock.close_by_hand(connection, EVERYTHING, session_id, BERLIN, noon, version=None)
    assert refused.value.code == "session_not_open"
    await session_clock.open_due(connection, noon, 0)
    with pytest.raises(Conflict) as refused:
        await sessions.cancel(connection, session_id, version=None)
    assert refused.value.code == "session_begun"


async def test_many_servers_close_each_session_once(database: Database, noon: datetime) -> None:
    async with database.acquire() as connection:
        group = await groups.create(connection, name="7a")
        for number in range(5):
            await add_member(connection, group.group_id, f"P{number}", noon)
        made = [await add_session(connection, noon + timedelta(seconds=n), group.group_id) for n in range(8)]

    async def server() -> tuple[int, int]:
        opened = closed = 0
        async with database.acquire() as connection:
            opened = len(await session_clock.open_due(connection, noon + timedelta(minutes=1), 600))
        while True:
            async with database.acquire() as connection:
                if await session_clock.close_one_due(connection, noon + timedelta(hours=1), BERLIN) is None:
                    return opened, closed
            closed += 1

    done = await asyncio.gather(*(server() for _ in range(4)))
    async with database.acquire() as connection:
        # A server may pass over what another holds; a last look finds nothing, or closes it.
        while await session_clock.close_one_due(connection, noon + timedelta(hours=1), BERLIN) is not None:
            pass
        assert sum(opened for opened, _ in done) == len(made)
        assert {await state(connection, session_id) for session_id in made} == {"ended"}
        types = [event.type for event in await outbox.read_after(connection, 0, 1000)]
        assert types.count("session.opened") == types.count("session.ended") == len(made)
        assert types.count("attendance.marked") == 5 * len(made)


def test_sessions_are_looked_at_on_the_ten_seconds(noon: datetime) -> None:
    assert session_clock.next_look_s(noon) == 10.0
    assert session_clock.next_look_s(noon + timedelta(seconds=7.5)) == pytest.approx(2.5)
