"""Class sessions. Without a timetable there is one open check-in session per day of the site."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from recognition.errors import InternalError, RequestError
from storage import outbox
from storage.database import Connection, Record
from storage.errors import NotFound
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor

_COLUMNS = "id, kind, title, site_day, starts_at, ends_at, created_at"


class SessionKind(StrEnum):
    """How a session came about."""

    OPEN = "open"  # one a day, made by the first record of that day
    SCHEDULED = "scheduled"


@dataclass(frozen=True, slots=True)
class ClassSession:
    """A span of time that attendance is kept for: from `starts_at` up to, not including, `ends_at` (both
    UTC).
    """

    session_id: UUID
    kind: SessionKind
    title: str
    site_day: date | None
    starts_at: datetime
    ends_at: datetime
    created_at: datetime


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The site's calendar day at a moment. Raises InternalError for a time without zone."""
    if at.tzinfo is None:
        raise InternalError(f"{at.isoformat()} has no time zone", hint="pass UTC")
    return at.astimezone(zone).date()


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First moment of a local day and of the next one, in UTC; 23 to 25 hours apart, or more.

    A midnight that the clock skips (Cairo in spring) is the moment of the change, as PEP 495 has it for fold
    0; of one that comes twice (Havana in autumn) the first is meant. Raises RequestError `day_invalid` for the
    first and the last day of the calendar, which in some zones begin or end outside of it.
    """
    if not date.min < day < date.max:
        raise RequestError(f"attendance is not kept for {day}", hint="use a day such as 2026-03-02", code="day_invalid")
    starts_at = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    ends_at = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    return starts_at, ends_at


async def ensure_open_session(connection: Connection, at: datetime, zone: ZoneInfo) -> ClassSession:
    """The open session of the site's day at that moment, made when it is the first time, with
    `session.opened`.

    Runs in the caller's transaction, or in its own.
    """
    day = day_of(at, zone)
    found = await _open_session_of(connection, day)
    if found is not None:
        return found
    starts_at, ends_at = day_bounds(day, zone)
    async with connection.transaction():
        row = await connection.fetchrow(
            f"""
            INSERT INTO class_sessions (id, kind, title, site_day, starts_at, ends_at)
            VALUES ($1, 'open', $2, $3, $4, $5)
            ON CONFLICT (site_day) WHERE kind = 'open' DO NOTHING
            RETURNING {_COLUMNS}
            """,
            uuid4(),
            f"Check-in {day.isoformat()}",
            day,
            starts_at,
            ends_at,
        )
        if row is not None:
            session = _session(row)
            payload = {
                "session_id": str(session.session_id),
                "kind": session.kind,
                "title": session.title,
                "site_day": day.isoformat(),
                "starts_at": starts_at.isoformat(),
                "ends_at": ends_at.isoformat(),
            }
            await outbox.append(connection, "session.opened", payload)
            return session
    # Somebody else was first and has committed; the next statement sees it.
    found = await _open_session_of(connection, day)
    if found is None:
        raise InternalError(f"the open session of {day} is neither there nor can it be made")
    return found


async def get(connection: Connection, session_id: UUID) -> ClassSession:
    """One session. Raises NotFound."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM class_sessions WHERE id = $1", session_id)
    if row is None:
        raise NotFound(f"there is no session {session_id}", code="session_not_found")
    return _session(row)


async def list_sessions(
    connection: Connection, *, limit: int = LIMIT_DEFAULT, cursor: str | None = None
) -> Page[ClassSession]:
    """Sessions, the latest first. Raises RequestError for a bad limit or cursor."""
    checked_limit(limit)
    before = time_cursor(cursor)
    where, arguments = ("", []) if before is None else ("WHERE (starts_at, id) < ($2, $3)", list(before))
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM class_sessions {where} ORDER BY starts_at DESC, id DESC LIMIT $1",
        limit + 1,
        *arguments,
    )
    return page_of([_session(row) for row in rows], limit, lambda session: (session.starts_at, session.session_id))


async def _open_session_of(connection: Connection, day: date) -> ClassSession | None:
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM class_sessions WHERE site_day = $1 AND kind = 'open'", day)
    return None if row is None else _session(row)


def _session(row: Record) -> ClassSession:
    return ClassSession(
        session_id=row["id"],
        kind=SessionKind(row["kind"]),
        title=row["title"],
        site_day=row["site_day"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        created_at=row["created_at"],
    )
