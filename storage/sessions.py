"""Class sessions. Without a timetable there is one open check-in session per day of the site."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from recognition.errors import InternalError, RequestError
from storage import outbox
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound, Stale
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor
from storage.visibility import EVERYTHING, Visible

_COLUMNS = """id, kind, title, site_day, starts_at, ends_at, created_at, state, group_id, room_id, lesson_id,
    late_after_s, version"""


class SessionKind(StrEnum):
    """How a session came about."""

    OPEN = "open"  # one a day, made by the first record of that day
    SCHEDULED = "scheduled"


class SessionState(StrEnum):
    """Where a session is in its life."""

    PLANNED = "planned"
    RUNNING = "running"
    ENDED = "ended"  # the absent are written
    MISSED = "missed"  # no server ran all the while: nobody knows who was there
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ClassSession:
    """A span of time that attendance is kept for: from `starts_at` up to, not including, `ends_at` (both
    UTC). `late_after_s` None: as the settings say. `version` grows with every change.
    """

    session_id: UUID
    kind: SessionKind
    title: str
    site_day: date | None
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    state: SessionState
    group_id: UUID | None
    room_id: UUID | None
    lesson_id: UUID | None
    late_after_s: int | None
    version: int


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
            await outbox.append(connection, "session.opened", opened_payload(session))
            return session
    # Somebody else was first and has committed; the next statement sees it.
    found = await _open_session_of(connection, day)
    if found is None:
        raise InternalError(f"the open session of {day} is neither there nor can it be made")
    return found


async def get(connection: Connection, visible: Visible, session_id: UUID) -> ClassSession:
    """One session. Raises NotFound."""
    arguments: list[object] = [session_id]
    condition = visible.session("class_sessions", arguments)
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM class_sessions WHERE id = $1 AND {condition}", *arguments)
    if row is None:
        raise NotFound(f"there is no session {session_id}", code="session_not_found")
    return _session(row)


async def list_sessions(
    connection: Connection,
    visible: Visible,
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
    group_id: UUID | None = None,
    room_id: UUID | None = None,
    state: SessionState | None = None,
    first_at: datetime | None = None,
    before_at: datetime | None = None,
) -> Page[ClassSession]:
    """Sessions, the latest first; all conditions given must hold. They start at `first_at` or later and before
    `before_at`.

    Raises RequestError for a bad limit or cursor.
    """
    arguments: list[object] = [checked_limit(limit) + 1]
    conditions = [visible.session("class_sessions", arguments)]
    for column, value in (("group_id", group_id), ("room_id", room_id), ("state", state)):
        if value is not None:
            arguments.append(value)
            conditions.append(f"{column} = ${len(arguments)}")
    for sign, moment in ((">=", first_at), ("<", before_at)):
        if moment is not None:
            arguments.append(moment)
            conditions.append(f"starts_at {sign} ${len(arguments)}")
    if (before := time_cursor(cursor)) is not None:
        arguments += before
        conditions.append(f"(starts_at, id) < (${len(arguments) - 1}, ${len(arguments)})")
    where = " AND ".join(conditions)
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM class_sessions WHERE {where} ORDER BY starts_at DESC, id DESC LIMIT $1", *arguments
    )
    return page_of([_session(row) for row in rows], limit, lambda session: (session.starts_at, session.session_id))


async def cancel(connection: Connection, session_id: UUID, *, version: int | None) -> ClassSession:
    """Say by hand that a planned session is not held; an import does not bring it back. A cancelled one stays so.

    Raises NotFound, Stale, and Conflict `session_begun`.
    """
    async with connection.transaction():
        session = await locked(connection, session_id, version)
        if session.state is SessionState.CANCELLED:
            return session
        if session.state is not SessionState.PLANNED:
            raise Conflict(
                f"the session is {session.state}", hint="only a planned one can be cancelled", code="session_begun"
            )
        await connection.execute(
            """
            UPDATE class_sessions SET state = 'cancelled', cancelled_by_hand = true, version = version + 1 WHERE id = $1
            """,
            session_id,
        )
        return await get(connection, EVERYTHING, session_id)


async def locked(connection: Connection, session_id: UUID, version: int | None) -> ClassSession:
    """A session that nobody else changes until the caller's transaction ends. Raises NotFound and Stale."""
    # Not FOR UPDATE: sightings that refer to it need not wait.
    await connection.execute("SELECT 1 FROM class_sessions WHERE id = $1 FOR NO KEY UPDATE", session_id)
    session = await get(connection, EVERYTHING, session_id)
    if version is not None and version != session.version:
        raise Stale
    return session


def opened_payload(session: ClassSession) -> dict[str, str | None]:
    """What the event `session.opened` tells."""
    return {
        "session_id": str(session.session_id),
        "kind": session.kind,
        "title": session.title,
        "site_day": None if session.site_day is None else session.site_day.isoformat(),
        "starts_at": session.starts_at.astimezone(UTC).isoformat(),
        "ends_at": session.ends_at.astimezone(UTC).isoformat(),
        "group_id": None if session.group_id is None else str(session.group_id),
        "room_id": None if session.room_id is None else str(session.room_id),
    }


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
        state=SessionState(row["state"]),
        group_id=row["group_id"],
        room_id=row["room_id"],
        lesson_id=row["lesson_id"],
        late_after_s=row["late_after_s"],
        version=row["version"],
    )
