"""Sealing everything anew: under another key, or for the first time. In batches, and safe beside a running server."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from storage import credential_keys, templates, unknown_faces, webhooks
from storage.cipher import Cipher, SecretUnreadable
from storage.database import Connection, Database, Record
from storage.errors import Conflict, StorageUnavailable

log = logging.getLogger("rollcall.sealing")

BATCH = 500
_POLL_S = 0.1
# It spells "reseal" in ASCII.
_ROTATION_LOCK = 0x72657365616C
REWRITE_LOCK_TIMEOUT = "5s"
REWRITE_BY_HAND = (
    "the plain vectors stay in the table's file until then: it is tried again with the next start, "
    "or run `VACUUM FULL templates` by hand"
)


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column that holds something sealed. `context` says what it is bound to, from the row's id and `columns`."""

    table: str
    column: str
    columns: tuple[str, ...]
    context: Callable[[Record], str]


SEALED = (
    SealedColumn("templates", "sealed", ("person_id", "model_id"), templates.context_of_row),
    SealedColumn(
        "unknown_face_members",
        "sealed",
        ("face_id", "model_id"),
        lambda row: unknown_faces.member_context(row["face_id"], row["id"], row["model_id"]),
    ),
    SealedColumn("unknown_face_members", "crop", (), lambda row: unknown_faces.crop_context(row["id"])),
    SealedColumn("credential_keys", "sealed", (), lambda row: credential_keys.context(row["id"])),
    SealedColumn("webhooks", "sealed", (), lambda row: webhooks.context(row["id"])),
    SealedColumn("cameras", "sealed", (), lambda row: f"camera {row['id']}"),
)
"""Every such column; a test compares them with the tables."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of some rows: how many are sealed anew, how many nobody can open, and where the next ones begin."""

    sealed: int
    unreadable: int
    last_id: object | None


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many rows were sealed anew, and how many are still not under the key in use; of these, how many nobody can
    open. The others were held by somebody.
    """

    sealed: int
    left: int
    unreadable: int = 0


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[None]:
    """Keep others from changing keys meanwhile. Raises Conflict `rotation_under_way`."""
    async with database.apart() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _ROTATION_LOCK):
            raise Conflict(
                "somebody else is changing the keys of this database",
                hint="wait until that is done",
                code="rotation_under_way",
            )
        yield


async def seal_all_plain(database: Database, cipher: Cipher) -> int:
    """Encrypt templates from before templates were encrypted, and take the plain ones off the disk; returns how many.

    What an earlier call could not take off, or a server that died, is seen to as well. Raises StorageUnavailable.
    """
    sealed = 0
    while True:
        async with database.acquire() as connection:
            count = await templates.seal_plain(connection, cipher)
        sealed += count
        if count == 0:
            break
    async with database.acquire() as connection:
        due = await templates.file_was_plain(connection)
    if due:
        await rewrite_templates(database)
    return sealed


async def rewrite_templates(database: Database) -> None:
    """Write the file of the templates anew: what was updated or deleted stays in the old one until it is overwritten.

    Says so in the log where that is not possible now, and goes on.
    """
    try:
        async with database.apart() as connection:
            # A server that matches waits for a lock behind this one: better not at all than long.
            await connection.execute(f"SET lock_timeout = '{REWRITE_LOCK_TIMEOUT}'")
            before = await connection.fetchval("SELECT pg_relation_filenode('templates')")
            await connection.execute("VACUUM (FULL) templates")
            # Whoever may not is warned by PostgreSQL, and not refused.
            if await connection.fetchval("SELECT pg_relation_filenode('templates')") == before:
                log.warning("the table of templates could not be written anew; %s", REWRITE_BY_HAND)
            await templates.forget_plain_files(connection)
    except StorageUnavailable as error:
        log.warning("the table of templates could not be written anew (%s); %s", error.detail, REWRITE_BY_HAND)
        return
    try:
        async with database.apart() as connection:
            await connection.execute("CHECKPOINT")
    except StorageUnavailable:
        log.debug("this user of the database may not ask for a checkpoint; it comes by itself")


async def earlier_transactions_ended(
    database: Database, timeout_s: float, on_waiting: Callable[[int], None] = lambda _: None
) -> int:
    """Wait until every transaction that is open now has ended; returns how many had not when the time was over.

    One that has written nothing yet counts too: it may hold what was sealed under a key from before. `on_waiting` is
    told once how many there are.
    """
    deadline = time.monotonic() + timeout_s
    async with database.acquire() as connection:
        open_at_first = await _transactions(connection)
    still = open_at_first
    if still:
        on_waiting(len(still))
    while still and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
        async with database.acquire() as connection:
            still = open_at_first & await _transactions(connection)
    return len(still)


async def _transactions(connection: Connection) -> set[str]:
    # Of all users: what pg_stat_activity hides of others, pg_locks shows.
    rows = await connection.fetch(
        """
        SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid()
          AND a.datname = current_database() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
        """
    )
    return {row["virtualtransaction"] for row in rows}


async def reseal_all(database: Database, cipher: Cipher, on_progress: Callable[[int, int], None]) -> Rotated:
    """Seal everything under the key in use. `on_progress` gets how many more are done, of how many.

    A connection for each batch, so that a server beside it gets its turn. Raises StorageUnavailable; what was done
    until then stays done.
    """
    async with database.acquire() as connection:
        total = await count_stale(connection, cipher)
    sealed = unreadable = 0
    # A server that has not heard of the new key may have stored under the old one meanwhile, hence another round.
    round_sealed = -1
    while round_sealed != 0:
        unreadable = 0
        round_sealed = await seal_all_plain(database, cipher)
        if round_sealed:
            on_progress(round_sealed, total)
        for column in SEALED:
            after: object | None = None
            while True:
                async with database.acquire() as connection:
                    batch = await reseal(connection, cipher, column, after, BATCH)
                if batch.last_id is None:
                    break
                after = batch.last_id
                round_sealed += batch.sealed
                unreadable += batch.unreadable
                on_progress(batch.sealed, total)
        sealed += round_sealed
    async with database.acquire() as connection:
        left = await count_stale(connection, cipher)
    return Rotated(sealed, left, min(left, unreadable))


async def count_stale(connection: Connection, cipher: Cipher) -> int:
    """How many rows are not sealed under the key in use, those included that are not sealed at all."""
    stale: int = await connection.fetchval("SELECT count(*) FROM templates WHERE embedding IS NOT NULL")
    for column in SEALED:
        stale += await connection.fetchval(
            f"SELECT count(*) FROM {column.table} WHERE {_is_stale(column, '$1')}", cipher.current_prefix
        )
    return stale


async def reseal(
    connection: Connection, cipher: Cipher, column: SealedColumn, after: object | None, limit: int
) -> Batch:
    """Seal the next rows behind `after` (None: from the start) under the key in use, in one transaction.

    Rows that somebody else changes are passed over; a later round finds them. So this waits for nobody, and nobody
    who erases a person ends in a deadlock with it.
    """
    wanted = ", ".join(("id", column.column, *column.columns))
    behind = "" if after is None else "AND id > $3"
    async with connection.transaction():
        rows = await connection.fetch(
            f"""
            SELECT {wanted} FROM {column.table} WHERE {_is_stale(column, "$1")} {behind}
            ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
            """,
            cipher.current_prefix,
            limit,
            *(() if after is None else (after,)),
        )
        anew = []
        for row in rows:
            context = column.context(row)
            try:
                anew.append((row["id"], cipher.seal_bytes(cipher.open_bytes(row[column.column], context), context)))
            except SecretUnreadable:
                continue
        await connection.executemany(f"UPDATE {column.table} SET {column.column} = $2 WHERE id = $1", anew)
    return Batch(len(anew), len(rows) - len(anew), rows[-1]["id"] if rows else None)


def _is_stale(column: SealedColumn, prefix: str) -> str:
    # Version and key id; the length is that of the prefix, which only the keys know.
    own = f"substring({column.column} FROM 1 FOR octet_length({prefix}::bytea))"
    return f"{column.column} IS NOT NULL AND {own} <> {prefix}::bytea"
