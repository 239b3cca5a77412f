import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.errors import InternalError, RequestError
from storage import outbox, sessions
from storage.database import Connection, Database
from storage.errors import NotFound
from storage.visibility import EVERYTHING

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "day", "starts_at", "hours"),
    [
        ("UTC", date(2026, 3, 2), "2026-03-02T00:00", 24),
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00", 23),
        ("Europe/Berlin", date(2026, 10, 25), "2026-10-24T22:00", 25),
        ("Asia/Kathmandu", date(2026, 3, 2), "2026-03-01T18:15", 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00", 24.5),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", 23),  # midnight does not exist
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", 25),  # midnight comes twice
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00", 24),  # the day after was left out
    ],
)
def test_a_local_day_has_the_right_bounds(zone: str, day: date, starts_at: str, hours: float) -> None:
    first, end = sessions.day_bounds(day, ZoneInfo(zone))
    assert first == datetime.fromisoformat(starts_at).replace(tzinfo=UTC)
    assert end - first == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("day", [date.min, date.max])
def test_a_day_at_the_end_of_the_calendar_is_refused(day: date, zone: str) -> None:
    with pytest.raises(RequestError) as refused:
        sessions.day_bounds(day, ZoneInfo(zone))
    assert refused.value.code == "day_invalid"


@settings(deadline=None)
@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Pacific/Apia", "Asia/Tehran"]),
)
def test_every_moment_lies_in_the_day_it_belongs_to(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    starts_at, ends_at = sessions.day_bounds(sessions.day_of(at, zone), zone)
    assert starts_at <= at < ends_at


def test_a_time_without_zone_is_a_defect_of_ours() -> None:
    with pytest.raises(InternalError):
        sessions.day_of(datetime(2026, 3, 2), BERLIN)


async def test_the_first_record_of_a_day_opens_the_session_and_says_so(connection: Connection) -> None:
    late = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # half past midnight in Berlin
    made = await sessions.ensure_open_session(connection, late, BERLIN)
    again = await sessions.ensure_open_session(connection, late + timedelta(hours=5), BERLIN)
    before = await sessions.ensure_open_session(connection, late - timedelta(hours=1), BERLIN)

    assert made == again
    assert made.site_day == date(2026, 3, 3)
    assert made.starts_at == datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    assert before.session_id != made.session_id
    assert await sessions.get(connection, EVERYTHING, made.session_id) == made
    opened, _ = await outbox.read_after(connection, 0)
    assert opened.payload == {
        "session_id": str(made.session_id),
        "kind": "open",
        "title": "Check-in 2026-03-03",
        "site_day": "2026-03-03",
        "starts_at": "2026-03-02T23:00:00+00:00",
        "ends_at": "2026-03-03T23:00:00+00:00",
        "group_id": None,
        "room_id": None,
    }


async def test_many_at_once_open_one_session(database: Database, noon: datetime) -> None:
    async def ensure() -> sessions.ClassSession:
        async with database.acquire() as connection:
            return await sessions.ensure_open_session(connection, noon, BERLIN)

    found = await asyncio.gather(*(ensure() for _ in range(12)))
    assert len({session.session_id for session in found}) == 1
    async with database.acquire() as connection:
        assert len(await outbox.read_after(connection, 0)) == 1


async def test_sessions_are_listed_latest_first_in_pieces(connection: Connection, noon: datetime) -> None:
    for day in range(5):
        await sessions.ensure_open_session(connection, noon + timedelta(days=day), BERLIN)
    first = await sessions.list_sessions(connection, EVERYTHING, limit=3)
    second = await sessions.list_sessions(connection, EVERYTHING, limit=3, cursor=first.next_cursor)
    days = [session.site_day for session in first.items + second.items]
    assert days == [noon.date() + timedelta(days=day) for day in (4, 3, 2, 1, 0)]
    assert second.next_cursor is None


async def test_an_unknown_session_and_a_bad_limit_are_refused(connection: Connection) -> None:
    with pytest.raises(NotFound):
        await sessions.get(connection, EVERYTHING, uuid4())
    with pytest.raises(RequestError) as refused:
        await sessions.list_sessions(connection, EVERYTHING, limit=201)
    assert refused.value.code == "limit_invalid"
