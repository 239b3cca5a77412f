import csv
import io
import json
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from recognition.errors import RequestError, UnavailableError
from storage import attendance, corrections, groups, people, reports
from storage.attendance import Status
from storage.database import Connection
from storage.reports import COLUMNS, Layout, ReportFilter
from storage.visibility import EVERYTHING

BERLIN = ZoneInfo("Europe/Berlin")
ALL = ReportFilter(first_day=date(2026, 1, 1))


async def gathered(parts: AsyncGenerator[Any, None]) -> list[Any]:
    return [part async for part in parts]


async def as_csv(
    connection: Connection, wanted: ReportFilter = ALL, layout: Layout = Layout.RECORDS
) -> list[dict[str, str]]:
    text = "".join(await gathered(reports.csv_lines(connection, EVERYTHING, layout, wanted, BERLIN)))
    assert text == "" or text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text), [column.name for column in COLUMNS[layout]], strict=True))


async def as_json(
    connection: Connection, wanted: ReportFilter = ALL, layout: Layout = Layout.RECORDS
) -> list[dict[str, Any]]:
    batches = await gathered(reports.json_rows(connection, EVERYTHING, layout, wanted, BERLIN))
    return [json.loads(row) for batch in batches for row in batch]


Mark = Callable[..., Any]


@pytest.fixture
def mark(connection: Connection, noon: datetime) -> Mark:
    async def mark(name: str, at: datetime = noon, status: Status = Status.PRESENT, **more: Any) -> UUID:
        note, person_id = more.pop("note", None), more.pop("person_id", None)
        if person_id is None:
            person_id = (await people.create(connection, name=name, at=at, **more)).person_id
        await attendance.mark_manually(connection, EVERYTHING, person_id, at, BERLIN, status=status, note=note)
        return person_id

    return mark


async def test_a_row_holds_what_the_columns_promise(connection: Connection, mark: Mark, noon: datetime) -> None:
    person_id = await mark("Ada Lovelace", external_id="s-1", note="came by bus")
    (row,) = await as_csv(connection)
    assert row == {
        "day": "2026-03-02",
        "session_id": row["session_id"],
        "session_title": "Check-in 2026-03-02",
        "session_starts_at": "2026-03-02T00:00:00+01:00",
        "session_ends_at": "2026-03-03T00:00:00+01:00",
        "person_id": str(person_id),
        "external_id": "s-1",
        "person_name": "Ada Lovelace",
        "status": "present",
        "method": "manual",
        "first_seen_at": "2026-03-02T13:00:00+01:00",
        "last_seen_at": "2026-03-02T13:00:00+01:00",
        "camera_id": "",
        "note": "came by bus",
        "group_id": "",
        "group_name": "",
    }
    (same,) = await as_json(connection)
    assert {key: "" if value is None else value for key, value in same.items()} == row
    ((raw,),) = await gathered(reports.rows(connection, EVERYTHING, Layout.RECORDS, ALL, BERLIN))
    assert raw["first_seen_at"] == datetime(2026, 3, 2, 13, 0)
    assert raw["day"] == date(2026, 3, 2)


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+49", "-2", "@SUM(A1)", "\uff1dcmd", 'say "hi", then go', "Zoë", "O'Brien", "a,b", "'=1", '="x"&1'],
)
async def test_no_cell_is_run_as_a_formula_and_every_name_can_be_read_back(
    connection: Connection, mark: Mark, name: str
) -> None:
    await mark(name, external_id=f"{name}x")
    (row,) = await as_csv(connection)
    guarded = name[0] in "=+-@\uff1d"
    assert row["person_name"] == ("'" if guarded else "") + name
    assert row["external_id"] == ("'" if guarded else "") + f"{name}x"
    assert (await as_json(connection))[0]["person_name"] == name


async def test_a_note_of_several_lines_stays_one_cell(connection: Connection, mark: Mark) -> None:
    await mark("Ada", note='first\r\n=second "third"\n,')
    (row,) = await as_csv(connection)
    assert row["note"] == 'first\r\n=second "third"\n,'


async def test_a_day_is_the_site_s_and_both_ends_of_a_period_are_part_of_it(connection: Connection, mark: Mark) -> None:
    person_id = await mark("Ada", datetime(2026, 3, 1, 22, 59, tzinfo=UTC))  # 23:59 on the first in Berlin
    await mark("Ada", datetime(2026, 3, 1, 23, 1, tzinfo=UTC), person_id=person_id)
    await mark("Ada", datetime(2026, 3, 3, 9, 0, tzinfo=UTC), person_id=person_id)
    first, second, third = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
    days = [row["day"] for row in await as_csv(connection)]
    assert days == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert len(await as_csv(connection, ReportFilter(first, first))) == 1
    assert len(await as_csv(connection, ReportFilter(first, second))) == 2
    assert len(await as_csv(connection, ReportFilter(last_day=second))) == 2
    assert len(await as_csv(connection, ReportFilter(first_day=third))) == 1


async def test_conditions_choose_and_all_must_hold(connection: Connection, mark: Mark, noon: datetime) -> None:
    ada = await mark("Ada")
    await mark("Bob", status=Status.ABSENT)
    await mark("Ada", noon + timedelta(days=1), person_id=ada)
    (session_id, *_) = {row["session_id"] for row in await as_csv(connection, ReportFilter(date(2026, 3, 3)))}
    assert len(await as_csv(connection, ReportFilter(person_id=ada))) == 2
    assert len(await as_csv(connection, ReportFilter(session_id=UUID(session_id)))) == 1
    assert [row["person_name"] for row in await as_csv(connection, ReportFilter(status="absent"))] == ["Bob"]
    assert await as_csv(connection, ReportFilter(person_id=ada, status="absent")) == []
    assert await as_csv(connection, ReportFilter(person_id=uuid4())) == []


async def test_counts_of_people_and_sessions(connection: Connection, mark: Mark, noon: datetime) -> None:
    ada = await mark("Ada")
    await mark("Bob", status=Status.ABSENT)
    await mark("Ada", noon + timedelta(days=1), Status.LATE, person_id=ada)
    by_person = await as_json(connection, layout=Layout.PEOPLE)
    counts = [(row["person_name"], row["present"], row["late"], row["absent"], row["records"]) for row in by_person]
    assert counts == [("Ada", 1, 1, 0, 2), ("Bob", 0, 0, 1, 1)]
    by_session = await as_csv(connection, layout=Layout.SESSIONS)
    assert [(row["day"], row["records"]) for row in by_session] == [("2026-03-02", "2"), ("2026-03-03", "1")]


async def test_rows_come_in_order_over_many_batches(
    connection: Connection, mark: Mark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BATCH_ROWS", 3)
    for name in "hgfedcba":
        await mark(name)
    parts = await gathered(reports.csv_lines(connection, EVERYTHING, Layout.RECORDS, ALL, BERLIN))
    assert [part.count("\r\n") for part in parts] == [3, 3, 2]
    assert [row["person_name"] for row in await as_csv(connection)] == list("abcdefgh")


async def test_counting_goes_no_further_than_asked(connection: Connection, mark: Mark) -> None:
    for name in "abc":
        await mark(name)
    assert await reports.count_up_to(connection, EVERYTHING, Layout.RECORDS, ALL, BERLIN, 2) == 2
    assert await reports.count_up_to(connection, EVERYTHING, Layout.RECORDS, ALL, BERLIN, 9) == 3
    assert await reports.count_up_to(connection, EVERYTHING, Layout.SESSIONS, ALL, BERLIN, 9) == 1


def test_a_report_of_nothing_in_particular_is_about_today() -> None:
    today = date(2026, 3, 2)
    assert reports.checked_filter(ReportFilter(), today, BERLIN) == ReportFilter(today, today)
    assert reports.checked_filter(ReportFilter(status="late"), today, BERLIN) == ReportFilter(
        today, today, status="late"
    )
    person = ReportFilter(person_id=uuid4())
    assert reports.checked_filter(person, today, BERLIN) == person
    with pytest.raises(RequestError) as error:
        reports.checked_filter(ReportFilter(today, today - timedelta(days=1)), today, BERLIN)
    assert error.value.code == "period_invalid"


async def test_a_time_zone_that_postgresql_does_not_know_is_told(connection: Connection) -> None:
    class Unknown(ZoneInfo):
        def __str__(self) -> str:
            return "Mars/Olympus"

    with pytest.raises(UnavailableError, match="time zone data"):
        await gathered(reports.csv_lines(connection, EVERYTHING, Layout.RECORDS, ReportFilter(), Unknown("UTC")))


async def test_a_report_tells_what_records_are_after_their_corrections(
    connection: Connection, mark: Mark, noon: datetime
) -> None:
    await mark("Ada", status=Status.ABSENT)
    attendance_id = await connection.fetchval("SELECT id FROM attendance")
    await corrections.correct(
        connection,
        EVERYTHING,
        attendance_id,
        version=None,
        status=Status.EXCUSED,
        by_whom="user:1",
        reason="doctor",
        at=noon,
    )
    (row,) = await as_csv(connection)
    assert row["status"] == "excused"
    assert await as_csv(connection, ReportFilter(first_day=date(2026, 1, 1), status="absent")) == []
    (counts,) = await as_json(connection, ALL, Layout.SESSIONS)
    assert (counts["absent"], counts["excused"]) == (0, 1)


async def test_a_report_may_be_about_one_group(connection: Connection, mark: Mark, noon: datetime) -> None:
    await mark("Ada")
    await mark("Bob", noon + timedelta(days=1))
    group = await groups.create(connection, name="=7b")
    await connection.execute("UPDATE class_sessions SET group_id = $1 WHERE starts_at > $2", group.group_id, noon)
    wanted = ReportFilter(first_day=date(2026, 1, 1), group_id=group.group_id)
    (row,) = await as_csv(connection, wanted)
    assert (row["person_name"], row["group_id"], row["group_name"]) == ("Bob", str(group.group_id), "'=7b")
    (counts,) = await as_json(connection, wanted, Layout.SESSIONS)
    assert (counts["group_name"], counts["records"]) == ("=7b", 1)
    assert [row["person_name"] for row in await as_json(connection, wanted, Layout.PEOPLE)] == ["Bob"]
