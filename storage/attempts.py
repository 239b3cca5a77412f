"""Counters of attempts that all servers on a database share: how often a secret was tried in the time that runs.

The database's clock rules. A counter is there for as long as its time runs, and a little longer.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.database import Connection

KEEP_MINUTES = 60
PRUNE_MAX = 2000


@dataclass(frozen=True, slots=True)
class Counter:
    """`counter`: 32 bytes that say what is counted to nobody but whoever made them. At most `most` in `window_s`."""

    counter: bytes
    most: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Counted:
    """An attempt that one counter has counted, in the time that ends then."""

    counter: bytes
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Full:
    """Nothing was counted: that was tried too often, for so long yet."""

    left_s: float


class _Refused(Exception):
    """Ends the transaction without a trace."""

    def __init__(self, full: Full) -> None:
        self.full = full


async def take(connection: Connection, counters: Collection[Counter]) -> Sequence[Counted] | Full:
    """Count one attempt with each of these counters, no two alike, or with none where one of them is full."""
    most = {counter.counter: counter.most for counter in counters}
    try:
        async with connection.transaction():
            rows = await connection.fetch(
                """
                INSERT INTO attempts AS a (counter, count, ends_at)
                SELECT counter, 1, now() + make_interval(secs => window_s)
                FROM unnest($1::bytea[], $2::integer[]) AS t (counter, window_s)
                ORDER BY counter  -- as everybody does, so that nobody waits in a circle
                ON CONFLICT (counter) DO UPDATE
                SET count = CASE WHEN a.ends_at > now() THEN a.count + 1 ELSE 1 END,
                    ends_at = CASE WHEN a.ends_at > now() THEN a.ends_at ELSE excluded.ends_at END
                RETURNING counter, count, ends_at, extract(epoch FROM ends_at - now())::float8 AS left_s
                """,
                [counter.counter for counter in counters],
                [counter.window_s for counter in counters],
            )
            full = [row["left_s"] for row in rows if row["count"] > most[row["counter"]]]
            if full:
                raise _Refused(Full(max(full)))
    except _Refused as refused:
        return refused.full
    return [Counted(row["counter"], row["ends_at"]) for row in rows]


async def give_back(connection: Connection, counted: Collection[Counted]) -> None:
    """Take one attempt back: it was no guess. One of a time that is over changes nothing."""
    await connection.execute(
        """
        WITH mine AS (
            SELECT a.counter FROM attempts a
            JOIN unnest($1::bytea[], $2::timestamptz[]) AS t (counter, ends_at) USING (counter, ends_at)
            ORDER BY a.counter FOR UPDATE OF a
        )
        UPDATE attempts a SET count = a.count - 1 FROM mine WHERE a.counter = mine.counter AND a.count > 0
        """,
        [one.counter for one in counted],
        [one.ends_at for one in counted],
    )


async def prune(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """Forget counters whose time was over before `older_than`, at most `limit`; return how many."""
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM attempts WHERE counter IN (
                SELECT counter FROM attempts WHERE ends_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            ) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count
