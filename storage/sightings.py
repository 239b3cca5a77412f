"""Forgetting sightings: one is stored a minute for everybody in view, and attendance does not need it for long."""

from datetime import datetime

from storage.database import Connection

PRUNE_MAX = 2000
"""Sightings that are deleted at once: 15 ms of half a million, measured on two shared cores."""


async def prune(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """Delete sightings from before `older_than`, at most `limit`; return how many. As many as that: ask again.

    Attendance stays. Never waits for a sighting that somebody else is deleting, so that erasing a person meanwhile
    cannot end in a deadlock.
    """
    # By way of the sessions: there is an index on the sightings of a session by time, and none on time alone.
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM sightings WHERE id IN (
                SELECT old.id FROM class_sessions AS session
                JOIN sightings AS old ON old.session_id = session.id AND old.captured_at < $1
                WHERE session.starts_at < $1
                LIMIT $2 FOR UPDATE OF old SKIP LOCKED
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count
