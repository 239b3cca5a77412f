from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from recognition.errors import InternalError, RequestError
from storage import audit
from storage.audit import Entry
from storage.database import Connection

ADA = UUID(int=1)


async def note(connection: Connection, at: datetime, **changes: object) -> Entry:
    values = {"actor": "Miss Lee", "action": "person.read", "subject": audit.of_person(ADA), "request_id": "r1"}
    entry = Entry(at=at, **(values | changes))  # type: ignore[arg-type]
    await audit.append(connection, entry)
    return entry


async def test_an_entry_comes_back_as_it_was_noted(connection: Connection, noon: datetime) -> None:
    entry = await note(connection, noon, details={"fields": ["name"], "count": 3})
    assert (await audit.list_entries(connection)).items == (entry,)


async def test_entries_are_listed_in_pages_the_newest_first(connection: Connection, noon: datetime) -> None:
    made = [await note(connection, noon + timedelta(minutes=number // 2)) for number in range(7)]  # pairs at one moment
    found: list[Entry] = []
    cursor: str | None = None
    for _ in range(4):
        page = await audit.list_entries(connection, limit=2, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
    assert cursor is None
    assert [entry.at for entry in found] == sorted((entry.at for entry in made), reverse=True)
    assert {entry.entry_id for entry in found} == {entry.entry_id for entry in made}


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ({"actor": "Mr Oz"}, {1}),
        ({"action": "person.read"}, {0, 1}),
        ({"action": "person."}, {0, 1, 2}),
        ({"action": "person.%"}, set()),
        ({"subject": "camera:door"}, {3}),
        ({"since": datetime(2026, 3, 2, 13, tzinfo=UTC)}, {1, 2, 3}),
        ({"until": datetime(2026, 3, 2, 13, tzinfo=UTC)}, {0}),
        ({"action": "person.read", "actor": "Miss Lee"}, {0}),
    ],
)
async def test_entries_are_chosen_by_all_conditions_together(
    connection: Connection, noon: datetime, condition: dict[str, str], numbers: set[int]
) -> None:
    made = [
        await note(connection, noon),
        await note(connection, noon + timedelta(hours=1), actor="Mr Oz"),
        await note(connection, noon + timedelta(hours=2), action="person.erased"),
        await note(connection, noon + timedelta(hours=3), action="camera.changed", subject="camera:door"),
    ]
    found = (await audit.list_entries(connection, **condition)).items  # type: ignore[arg-type]
    assert {entry.entry_id for entry in found} == {made[number].entry_id for number in numbers}


async def test_a_bad_limit_or_cursor_is_refused(connection: Connection) -> None:
    for options in ({"limit": 0}, {"cursor": "rubbish"}):
        with pytest.raises(RequestError):
            await audit.list_entries(connection, **options)  # type: ignore[arg-type]


async def test_details_are_bounded(connection: Connection, noon: datetime) -> None:
    with pytest.raises(InternalError):
        await note(connection, noon, details={"all": "x" * 3000})


async def test_what_is_old_is_forgotten_in_batches_and_the_rest_cannot_be(
    connection: Connection, noon: datetime
) -> None:
    for days in range(5):
        await note(connection, noon - timedelta(days=days))
    assert await audit.forget(connection, noon - timedelta(days=1), 2) == 2
    assert await audit.forget(connection, noon - timedelta(days=1), 2) == 1
    assert len((await audit.list_entries(connection)).items) == 2
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await connection.execute("DELETE FROM audit_log")


async def test_the_last_day_cannot_be_deleted_by_anybody(connection: Connection) -> None:
    await note(connection, datetime.now(UTC) - timedelta(hours=3), entry_id=uuid4())
    with pytest.raises(asyncpg.CheckViolationError):
        await audit.forget(connection, datetime.now(UTC) + timedelta(days=1))
