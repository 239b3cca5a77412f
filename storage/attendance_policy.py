"""The rules of a site by which a moment becomes a status, and which session somebody is marked in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from storage import sessions
from storage.database import Connection
from storage.sessions import ClassSession, SessionKind
from storage.visibility import EVERYTHING


@dataclass(frozen=True, slots=True)
class AttendancePolicy:
    """`early_s`: how long before its start a session takes attendance. `late_after_s`: from when on somebody is late,
    unless the session says otherwise. `re_entry_s`: how long somebody must have been out of sight to come in again.
    """

    early_s: int = 600
    late_after_s: int = 300
    re_entry_s: int = 120


DEFAULT_POLICY = AttendancePolicy()


def is_late(session: ClassSession, seen_at: datetime, policy: AttendancePolicy) -> bool:
    """Whether somebody who is first seen at this moment is late. Nobody is late for the open check-in of a day."""
    if session.kind is SessionKind.OPEN:
        return False
    late_after_s = policy.late_after_s if session.late_after_s is None else session.late_after_s
    return seen_at > session.starts_at + timedelta(seconds=late_after_s)


def takes(session: ClassSession, at: datetime, policy: AttendancePolicy) -> bool:
    """Whether a session takes attendance at this moment."""
    early = timedelta(seconds=policy.early_s) if session.kind is SessionKind.SCHEDULED else timedelta(0)
    return session.state is not sessions.SessionState.CANCELLED and session.starts_at - early <= at < session.ends_at


async def session_for(
    connection: Connection,
    *,
    camera_id: str | None,
    person_id: UUID,
    at: datetime,
    zone: ZoneInfo,
    policy: AttendancePolicy,
) -> ClassSession:
    """The session that somebody seen by this camera is marked in: that of its room, else the open one of the day.

    Where one lesson ends as the next is about to start, it is the one that the person is expected at.
    """
    session_id: UUID | None = await connection.fetchval(
        """
        SELECT s.id FROM cameras c JOIN class_sessions s ON s.room_id = c.room_id
        WHERE c.id = $1 AND s.kind = 'scheduled' AND s.state <> 'cancelled' AND s.starts_at <= $3 AND s.ends_at > $2
        ORDER BY EXISTS (
                     SELECT FROM memberships m WHERE m.group_id = s.group_id AND m.person_id = $4
                         AND $5 BETWEEN coalesce(m.starts_on, '-infinity') AND coalesce(m.ends_on, 'infinity')
                 ) DESC,
                 s.starts_at <= $2 DESC, abs(extract(epoch FROM s.starts_at - $2)), s.id
        LIMIT 1
        """,
        camera_id,
        at,
        at + timedelta(seconds=policy.early_s),
        person_id,
        sessions.day_of(at, zone),
    )
    if session_id is None:
        return await sessions.ensure_open_session(connection, at, zone)
    return await sessions.get(connection, EVERYTHING, session_id)
