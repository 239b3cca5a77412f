"""Sessions that open and close by the clock. Any number of servers may do this at once: each session is done by one.

At its end everybody who was expected and has no record is absent. A session during which no server ran at all is missed
instead: nobody looked, so nobody can be called absent.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from storage import outbox, sessions
from storage.database import Connection
from storage.errors import Conflict
from storage.sessions import ClassSession, SessionState
from storage.visibility import EVERYTHING, Visible

BATCH = 50


@dataclass(frozen=True, slots=True)
class Closed:
    """A session that has ended, and how many records of each status it has."""

    session: ClassSession
    counts: dict[str, int]


async def open_due(connection: Connection, now: datetime, early_s: int) -> list[ClassSession]:
    """Open the planned sessions that start within `early_s`, at most 50; with `session.opened` for each."""
    async with connection.transaction():
        rows = await connection.fetch(
            """
            UPDATE class_sessions SET state = 'running', version = version + 1 WHERE id IN (
                SELECT id FROM class_sessions
                WHERE state = 'planned' AND starts_at <= $2 AND ends_at > $1
                ORDER BY starts_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
            ) RETURNING id
            """,
            now,
            now + timedelta(seconds=early_s),
            BATCH,
        )
        opened = [await sessions.get(connection, EVERYTHING, row["id"]) for row in rows]
        opened.sort(key=lambda session: (session.starts_at, session.session_id))
        await outbox.append_many(
            connection, [("session.opened", sessions.opened_payload(session)) for session in opened]
        )
    return opened


async def miss_due(connection: Connection, now: datetime) -> int:
    """Mark planned sessions that ended without ever having been opened, at most 50; return how many."""
    async with connection.transaction():
        rows = await connection.fetch(
            """
            UPDATE class_sessions SET state = 'missed', version = version + 1 WHERE id IN (
                SELECT id FROM class_sessions WHERE state = 'planned' AND ends_at <= $1
                ORDER BY starts_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
            ) RETURNING id, title
            """,
            now,
            BATCH,
        )
        await outbox.append_many(
            connection, [("session.ended", _ended_payload(row["id"], row["title"], "missed", {})) for row in rows]
        )
    return len(rows)


async def close_one_due(connection: Connection, now: datetime, zone: ZoneInfo) -> Closed | None:
    """Close one running session whose end has come; None when there is none left for us."""
    async with connection.transaction():
        session_id: UUID | None = await connection.fetchval(
            """
            SELECT id FROM class_sessions WHERE state = 'running' AND ends_at <= $1
            ORDER BY ends_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
            """,
            now,
        )
        return None if session_id is None else await _close(connection, session_id, zone, now)


async def close_by_hand(
    connection: Connection, visible: Visible, session_id: UUID, zone: ZoneInfo, now: datetime, *, version: int | None
) -> Closed:
    """Close a running session before its end, or write the absent of one that was missed.

    Raises NotFound, Stale, and Conflict `session_not_open`.
    """
    async with connection.transaction():
        await sessions.get(connection, visible, session_id)
        session = await sessions.locked(connection, session_id, version)
        if session.state not in (SessionState.RUNNING, SessionState.MISSED) or session.starts_at > now:
            raise Conflict(
                f"the session is {session.state} and starts at {session.starts_at.isoformat()}",
                hint="only one that runs or was missed can be closed",
                code="session_not_open",
            )
        return await _close(connection, session_id, zone, now)


async def _close(connection: Connection, session_id: UUID, zone: ZoneInfo, now: datetime) -> Closed:
    session = await sessions.get(connection, EVERYTHING, session_id)
    absent = await _write_absent(connection, session, zone)
    await connection.execute(
        "UPDATE class_sessions SET state = 'ended', version = version + 1 WHERE id = $1", session_id
    )
    rows = await connection.fetch(
        "SELECT status, count(*) AS count FROM attendance_now WHERE session_id = $1 GROUP BY status ORDER BY status",
        session_id,
    )
    counts = {row["status"]: row["count"] for row in rows}
    events: list[tuple[str, dict[str, object]]] = [("attendance.marked", payload) for payload in absent]
    events.append(("session.ended", _ended_payload(session_id, session.title, "ended", counts)))
    await outbox.append_many(connection, events)
    return Closed(await sessions.get(connection, EVERYTHING, session_id), counts)


async def _write_absent(connection: Connection, session: ClassSession, zone: ZoneInfo) -> list[dict[str, object]]:
    """Make the records of those who were expected and did not come; return their events."""
    if session.group_id is None:
        return []
    day = sessions.day_of(session.starts_at, zone)
    # Whoever is being erased meanwhile is waited for, and then is a member no longer.
    expected = await connection.fetch(
        """
        SELECT p.id, p.name FROM people p
        WHERE p.erased_at IS NULL AND EXISTS (
            SELECT FROM memberships m WHERE m.person_id = p.id AND m.group_id = $1 AND m.role = 'student'
                AND $2 BETWEEN coalesce(m.starts_on, '-infinity') AND coalesce(m.ends_on, 'infinity')
        ) ORDER BY p.id FOR SHARE OF p
        """,
        session.group_id,
        day,
    )
    names = {row["id"]: row["name"] for row in expected}
    made = await connection.fetch(
        """
        INSERT INTO attendance (id, session_id, person_id, status, method)
        SELECT id, $1, person_id, 'absent', 'clock' FROM unnest($2::uuid[], $3::uuid[]) AS e (id, person_id)
        ON CONFLICT (session_id, person_id) DO NOTHING RETURNING id, person_id
        """,
        session.session_id,
        [uuid4() for _ in names],
        list(names),
    )
    return [
        {
            "attendance_id": str(row["id"]),
            "session_id": str(session.session_id),
            "person": {"id": str(row["person_id"]), "name": names[row["person_id"]]},
            "status": "absent",
            "method": "clock",
            "first_seen": None,
            "camera": None,
        }
        for row in made
    ]


def _ended_payload(session_id: UUID, title: str, state: str, counts: dict[str, int]) -> dict[str, object]:
    return {"session_id": str(session_id), "title": title, "state": state, "counts": counts}


def next_look_s(now: datetime) -> float:
    """Seconds to the next moment at which sessions are looked at: every ten seconds, on the ten."""
    return 10.0 - (now.astimezone(UTC).timestamp() % 10.0)
