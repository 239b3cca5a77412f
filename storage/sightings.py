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
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM sightings WHERE id IN (
                SELECT id FROM sightings WHERE captured_at < $1 ORDER BY captured_at LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count
