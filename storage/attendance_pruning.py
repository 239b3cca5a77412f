"""Attendance that has grown old, where the site does not keep it for ever."""

from datetime import datetime

from storage.database import Connection

PRUNE_MAX = 2000
"""Records that are deleted at once."""


async def prune(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """Delete records of sessions that ended before `older_than`, with their corrections, at most `limit`; return how
    many.

    As many as that: ask again. The sessions stay; they name nobody.
    """
    count: int = await connection.fetchval(
        """
        WITH old AS (
            SELECT record.id FROM class_sessions AS session
            JOIN attendance AS record ON record.session_id = session.id
            WHERE session.ends_at < $1
            LIMIT $2 FOR UPDATE OF record SKIP LOCKED
        ), corrections AS (
            DELETE FROM attendance_corrections WHERE attendance_id IN (SELECT id FROM old)
        ), gone AS (
            DELETE FROM attendance WHERE id IN (SELECT id FROM old) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count


async def prune_punches(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """The same for when people came and went in these sessions."""
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM punches WHERE id IN (
                SELECT punch.id FROM class_sessions AS session
                JOIN punches AS punch ON punch.session_id = session.id
                WHERE session.ends_at < $1
                LIMIT $2 FOR UPDATE OF punch SKIP LOCKED
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count
