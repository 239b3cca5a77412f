"""Attendance as reports: rows of any length, read piece by piece and written out by the database.

A year of a large school has millions of rows. They come through a cursor, a few thousand at a time, and for CSV and
JSON each row is one text that PostgreSQL has put together: nothing is held here, and nothing is converted twice.

A column of a report is one entry in `COLUMNS`, a condition one line in `_conditions`.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from recognition.errors import InternalError, RequestError, UnavailableError
from storage import sessions
from storage.database import Connection, Record
from storage.visibility import Visible

BATCH_ROWS = 2000

# Cells that begin so are run as formulas by Excel, LibreOffice and Google Sheets, the wide forms in Japanese ones too:
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_BEGINS = r"E'=+-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20'"
_TIME = """'YYYY-MM-DD"T"HH24:MI:SSTZH:TZM'"""


class Layout(StrEnum):
    """What a row of a report is."""

    RECORDS = "records"  # one person in one session
    PEOPLE = "people"  # one person, with counts
    SESSIONS = "sessions"  # one session, with counts


class Kind(StrEnum):
    """What a cell holds, which decides how it is written."""

    ID = "id"
    WORD = "word"  # one of a fixed few, or an id for people: nothing to escape
    TEXT = "text"  # whatever somebody has typed
    DAY = "day"
    TIME = "time"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its stable name, its value in SQL, and what it says."""

    name: str
    sql: str
    kind: Kind
    meaning: str


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which records a report is about; conditions that are given must all hold. Both days are part of it."""

    first_day: date | None = None
    last_day: date | None = None
    session_id: UUID | None = None
    person_id: UUID | None = None
    status: str | None = None
    group_id: UUID | None = None


_PERSON = (
    Column("person_id", "p.id", Kind.ID, "the person"),
    Column("external_id", "p.external_id", Kind.TEXT, "the number in the school's own system"),
    Column("person_name", "p.name", Kind.TEXT, "the present name; `erased` for somebody who was erased"),
)
_SESSION = (
    Column("day", "(s.starts_at AT TIME ZONE current_setting('TimeZone'))::date", Kind.DAY, "the site's day"),
    Column("session_id", "s.id", Kind.ID, "the session"),
    Column("session_title", "s.title", Kind.TEXT, "its title"),
    Column("session_starts_at", "s.starts_at", Kind.TIME, "when it begins"),
    Column("session_ends_at", "s.ends_at", Kind.TIME, "when it ends"),
)
_GROUP = (
    Column("group_id", "g.id", Kind.ID, "the group that the session is for; empty for none"),
    Column("group_name", "g.name", Kind.TEXT, "its name"),
)
_COUNTS = (
    *(
        Column(status, f"count(*) FILTER (WHERE a.status = '{status}')", Kind.COUNT, f"how many records say {status}")
        for status in ("present", "late", "absent", "excused")
    ),
    Column("records", "count(*)", Kind.COUNT, "how many records there are"),
)

COLUMNS: dict[Layout, tuple[Column, ...]] = {
    Layout.RECORDS: (
        *_SESSION,
        *_PERSON,
        Column("status", "a.status", Kind.WORD, "`present`, `late`, `absent` or `excused`"),
        Column("method", "a.method", Kind.WORD, "`face`, `manual`, `pin`, `qr`, `review` or `clock`"),
        Column("first_seen_at", "a.first_seen_at", Kind.TIME, "empty for somebody who was not seen"),
        Column("last_seen_at", "a.last_seen_at", Kind.TIME, "the same"),
        Column("camera_id", "a.camera_id", Kind.WORD, "the camera that saw the person first"),
        Column("note", "a.note", Kind.TEXT, "the note"),
        *_GROUP,
    ),
    Layout.PEOPLE: (*_PERSON, *_COUNTS),
    Layout.SESSIONS: (*_SESSION, *_COUNTS, *_GROUP),
}
# As it is after all corrections.
_FROM = """
    FROM class_sessions s JOIN attendance_now a ON a.session_id = s.id JOIN people p ON p.id = a.person_id
    LEFT JOIN groups g ON g.id = s.group_id
"""
_GROUPED = {Layout.RECORDS: "", Layout.PEOPLE: "GROUP BY p.id", Layout.SESSIONS: "GROUP BY s.id, g.id"}
# The ids last: rows that are equal otherwise keep their order from one report to the next.
_ORDER = {
    Layout.RECORDS: "s.starts_at, s.id, p.name, p.id",
    Layout.PEOPLE: "p.name, p.id",
    Layout.SESSIONS: "s.starts_at, s.id",
}


def checked_filter(wanted: ReportFilter, today: date, zone: ZoneInfo) -> ReportFilter:
    """The filter, about today when it names nothing. Raises RequestError `period_invalid` or `day_invalid`."""
    for day in (wanted.first_day, wanted.last_day):
        if day is not None:
            sessions.day_bounds(day, zone)
    if wanted.first_day is not None and wanted.last_day is not None and wanted.first_day > wanted.last_day:
        raise RequestError(
            f"the period from {wanted.first_day} to {wanted.last_day} has no day",
            hint="both days are part of it; the first comes first",
            code="period_invalid",
        )
    if wanted == ReportFilter(status=wanted.status):
        return ReportFilter(today, today, status=wanted.status)
    return wanted


async def csv_lines(
    connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter, zone: ZoneInfo
) -> AsyncGenerator[str, None]:
    """The lines of a CSV file (RFC 4180), some thousands at a time, without the head. Times are the site's."""
    line = " || ',' || ".join(_csv_cell(column) for column in COLUMNS[layout])
    async with aclosing(_batches(connection, visible, layout, f"{line} || E'\\r\\n' AS line", wanted, zone)) as batches:
        async for batch in batches:
            yield "".join([row["line"] for row in batch])


async def json_rows(
    connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter, zone: ZoneInfo
) -> AsyncGenerator[list[str], None]:
    """Rows as JSON objects, some thousands at a time. Times are the site's, with their offset."""
    members = ", ".join(f"'{column.name}', {column.sql}" for column in COLUMNS[layout])
    cells = f"json_build_object({members})::text AS line"
    async with aclosing(_batches(connection, visible, layout, cells, wanted, zone)) as batches:
        async for batch in batches:
            yield [row["line"] for row in batch]


async def rows(
    connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter, zone: ZoneInfo
) -> AsyncGenerator[Sequence[Record], None]:
    """Rows as they are, some thousands at a time. Times are the site's, without offset."""
    cells = ", ".join(f"{_local(column)} AS {column.name}" for column in COLUMNS[layout])
    async with aclosing(_batches(connection, visible, layout, cells, wanted, zone)) as batches:
        async for batch in batches:
            yield batch


async def count_up_to(
    connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter, zone: ZoneInfo, limit: int
) -> int:
    """How many rows a report has; `limit` when there are as many or more."""
    where, arguments = _conditions(visible, wanted, zone)
    counted: int = await connection.fetchval(
        f"SELECT count(*) FROM (SELECT 1 {_FROM} {where} {_GROUPED[layout]} LIMIT {limit:d}) AS counted", *arguments
    )
    return counted


async def _batches(
    connection: Connection, visible: Visible, layout: Layout, cells: str, wanted: ReportFilter, zone: ZoneInfo
) -> AsyncGenerator[list[Record], None]:
    where, arguments = _conditions(visible, wanted, zone)
    async with connection.transaction(readonly=True):
        try:
            await connection.execute("SELECT set_config('TimeZone', $1, true)", str(zone))
        except asyncpg.InvalidParameterValueError as error:
            raise UnavailableError(
                f"PostgreSQL does not know the time zone {zone}", hint="update its time zone data (tzdata)"
            ) from error
        query = f"SELECT {cells} {_FROM} {where} {_GROUPED[layout]} ORDER BY {_ORDER[layout]}"
        cursor = await connection.cursor(query, *arguments)
        while batch := await cursor.fetch(BATCH_ROWS):
            yield batch


def _conditions(visible: Visible, wanted: ReportFilter, zone: ZoneInfo) -> tuple[str, list[object]]:
    arguments: list[object] = []
    conditions = [visible.record("s.id", "a.person_id", arguments)]

    def condition(sql: str, value: object) -> None:
        if value is not None:
            arguments.append(value)
            conditions.append(sql.format(f"${len(arguments)}"))

    condition("s.starts_at >= {}", _first_moment(wanted.first_day, zone))
    condition("s.starts_at < {}", _end(wanted.last_day, zone))
    condition("s.id = {}", wanted.session_id)
    condition("a.person_id = {}", wanted.person_id)
    condition("a.status = {}", wanted.status)
    condition("s.group_id = {}", wanted.group_id)
    return f"WHERE {' AND '.join(conditions)}", arguments


def _first_moment(day: date | None, zone: ZoneInfo) -> datetime | None:
    return None if day is None else sessions.day_bounds(day, zone)[0]


def _end(day: date | None, zone: ZoneInfo) -> datetime | None:
    return None if day is None else sessions.day_bounds(day, zone)[1]


def _local(column: Column) -> str:
    return f"({column.sql} AT TIME ZONE current_setting('TimeZone'))" if column.kind is Kind.TIME else column.sql


def _csv_cell(column: Column) -> str:
    match column.kind:
        case Kind.TEXT:
            guarded = (
                f"CASE WHEN strpos({_FORMULA_BEGINS}, left(ltrim({column.sql}), 1)) > 0 THEN '''' ELSE '' END "
                f"|| {column.sql}"
            )
            return f"""coalesce('"' || replace({guarded}, '"', '""') || '"', '')"""
        case Kind.TIME:
            return f"coalesce(to_char({column.sql}, {_TIME}), '')"
        case Kind.DAY:
            return f"to_char({column.sql}, 'YYYY-MM-DD')"
        case Kind.ID | Kind.WORD | Kind.COUNT:
            return f"coalesce(({column.sql})::text, '')"
    raise InternalError(f"a cell of the kind {column.kind} cannot be written")
