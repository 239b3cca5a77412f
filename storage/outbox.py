"""Events, written in the same transaction as what they tell of, and read in the order of their ids.

A reader that remembers the last id it saw must never miss an event. Numbers are drawn before their
transaction commits, so without care number 8 could become visible before number 7, and a reader that has
moved on to 8 would never look back. Therefore `append` takes a lock before it draws a number and keeps it
until the transaction has ended: numbers become visible in order. Transactions that make events wait for each
other; those that make none (most sightings) do not. Call `append` late in a transaction, and let nothing
slow follow it.

Payloads never carry anything biometric: no embedding, no distance, no quality.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from storage.database import Connection, Record, describe, open_connection, storage_errors
from storage.errors import StorageUnavailable
from storage.event_types import like_patterns

CHANNEL = "rollcall_events"
READ_MAX = 1000
PRUNE_MAX = 2000
"""Events that are deleted at once."""

# An arbitrary number for the advisory lock; it spells "outbx" in ASCII.
_LOCK = 0x6F75746278


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `event_id` grows; numbers may be skipped, never reused."""

    event_id: int
    type: str
    payload: dict[str, Any]
    created_at: datetime


async def append(connection: Connection, type_: str, payload: Mapping[str, Any]) -> int:
    """Add an event to the running transaction and return its id; listeners hear of it at commit.

    Raises RuntimeError outside a transaction: the lock would end before the number is used.
    """
    if not connection.is_in_transaction():
        raise RuntimeError("an event is appended inside the transaction that makes it true")
    # A statement of its own: within one statement the number might be drawn before the lock is held.
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    event_id: int = await connection.fetchval(
        """
        WITH event AS (INSERT INTO outbox (type, payload) VALUES ($1, $2::jsonb) RETURNING id)
        SELECT id, pg_notify($3, id::text) FROM event
        """,
        type_,
        json.dumps(payload, ensure_ascii=False, allow_nan=False),
        CHANNEL,
    )
    return event_id


async def append_many(connection: Connection, events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """Add several events to the running transaction, as `append` does, and return their ids in order."""
    if not connection.is_in_transaction():
        raise RuntimeError("an event is appended inside the transaction that makes it true")
    if not events:
        return []
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    rows = await connection.fetch(
        """
        WITH event AS (
            INSERT INTO outbox (type, payload)
            SELECT type, payload::jsonb FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS e (type, payload, n)
            ORDER BY n RETURNING id
        )
        SELECT id, pg_notify($3, id::text) FROM event ORDER BY id
        """,
        [type_ for type_, _ in events],
        [json.dumps(payload, ensure_ascii=False, allow_nan=False) for _, payload in events],
        CHANNEL,
    )
    return [row["id"] for row in rows]


async def read_after(connection: Connection, last_id: int, limit: int = 100) -> list[Event]:
    """The events that follow `last_id`, in order, at most `limit` (up to 1,000)."""
    rows = await connection.fetch(
        "SELECT id, type, payload, created_at FROM outbox WHERE id > $1 ORDER BY id LIMIT $2",
        last_id,
        min(limit, READ_MAX),
    )
    return [_event(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Matching:
    """Events that pass a filter. No other one does among the ids up to `looked_to`."""

    events: tuple[Event, ...]
    looked_to: int


async def read_matching(connection: Connection, last_id: int, filters: Iterable[str], limit: int = 100) -> Matching:
    """The events that follow `last_id` and pass the filters (see `event_types`), in order, at most `limit`."""
    newest = await latest_id(connection)  # before they are read: what comes in between is for the next look
    rows = await connection.fetch(
        """
        SELECT id, type, payload, created_at FROM outbox
        WHERE id > $1 AND id <= $2 AND type LIKE ANY ($3::text[]) ORDER BY id LIMIT $4
        """,
        last_id,
        newest,
        like_patterns(filters),
        limit,
    )
    events = tuple(map(_event, rows))
    return Matching(events, events[-1].event_id if len(events) == limit else max(newest, last_id))


async def get(connection: Connection, event_id: int) -> Event | None:
    """One event; None when it was forgotten, or never was."""
    row = await connection.fetchrow("SELECT id, type, payload, created_at FROM outbox WHERE id = $1", event_id)
    return None if row is None else _event(row)


def _event(row: Record) -> Event:
    return Event(row["id"], row["type"], json.loads(row["payload"]), row["created_at"])


async def latest_id(connection: Connection) -> int:
    """The id of the newest event, 0 when there is none.

    It never goes back in the life of a database. One that is lower than what a reader has seen means that the
    database was restored from a backup or is another one.
    """
    newest: int = await connection.fetchval("SELECT coalesce(max(id), 0) FROM outbox")
    return newest


async def oldest_id(connection: Connection) -> int:
    """The id of the oldest event still kept, 0 when there is none.

    Who asks for what follows an id below `oldest_id - 1` may have missed events that were pruned.
    """
    oldest: int = await connection.fetchval("SELECT coalesce(min(id), 0) FROM outbox")
    return oldest


async def prune(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """Delete the events from before `older_than` and whatever lies before them, at most `limit`; return how many.

    As many as that: ask again. Only the newest event stays whatever its age, so that `latest_id` never goes back.
    """
    # Up to the last old one by id: where a clock was set back, the young among the old go with them, since no hole
    # may be left in the middle and nothing old may stay. The lowest numbers first, for the same reason.
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM outbox WHERE id IN (
                SELECT id FROM outbox
                WHERE id <= (SELECT max(id) FROM outbox WHERE created_at < $1) AND id < (SELECT max(id) FROM outbox)
                ORDER BY id LIMIT $2
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count


async def forget_name(connection: Connection, person_id: UUID, name: str) -> None:
    """Replace the person's name in events that are kept; part of erasing somebody."""
    await connection.execute(
        """
        UPDATE outbox SET payload = jsonb_set(payload, '{person,name}', to_jsonb($2::text))
        WHERE payload -> 'person' ->> 'id' = $1
        """,
        str(person_id),
        name,
    )


class Listener:
    """A connection of its own that hears of new events. Made by `listen`."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", where: str) -> None:
        self._connection = connection
        self._where = where

    async def check(self) -> None:
        """Ask the server something. Raises StorageUnavailable when the line is dead: a silent one looks
        quiet.
        """
        with storage_errors(self._where):
            await self._connection.fetchval("SELECT 1")


@asynccontextmanager
async def listen(
    dsn: str, on_event: Callable[[int], None], on_lost: Callable[[], None] | None = None
) -> AsyncIterator[Listener]:
    """Call `on_event` with each new event's id while the block runs, and `on_lost` when the connection ends.

    The ids are a call to look (`read_after`), not the truth: read once right after entering, and after every
    reconnect. Both callbacks run on the event loop and must not block. Raises StorageUnavailable on entering.
    """

    def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        with suppress(ValueError):  # anybody with access to the database may notify with anything
            on_event(int(str(payload)))

    def ended(_connection: object) -> None:
        if on_lost is not None:
            on_lost()

    connection = await open_connection(dsn)
    where = describe(dsn)
    try:
        with storage_errors(where):
            await connection.add_listener(CHANNEL, heard)
        connection.add_termination_listener(ended)
        yield Listener(connection, where)
    finally:
        connection.remove_termination_listener(ended)
        try:
            with storage_errors(where):
                await connection.remove_listener(CHANNEL, heard)
                await connection.close(timeout=2.0)
        except StorageUnavailable:
            connection.terminate()
