"""Sealing everything anew: under another key, or for the first time. In batches, and safe beside a running server."""

from collections.abc import Callable
from dataclasses import dataclass

from storage import credential_keys, templates, unknown_faces, webhooks
from storage.cipher import Cipher, SecretUnreadable
from storage.database import Connection, Database, Record

BATCH = 500


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
    """How many rows were sealed anew, and how many are still not under the key in use."""

    sealed: int
    left: int


async def reseal_all(database: Database, cipher: Cipher, on_progress: Callable[[int, int], None]) -> Rotated:
    """Seal everything under the key in use. `on_progress` gets how many more are done, of how many.

    A connection for each batch, so that a server beside it gets its turn. Raises StorageUnavailable; what was done
    until then stays done.
    """
    async with database.acquire() as connection:
        total = await count_stale(connection, cipher)
    sealed = 0
    # A server that has not heard of the new key may have stored under the old one meanwhile, hence another round.
    round_sealed = -1
    while round_sealed != 0:
        round_sealed = 0
        while True:
            async with database.acquire() as connection:
                count = await templates.seal_plain(connection, cipher)
            if count == 0:
                break
            round_sealed += count
            on_progress(count, total)
        for column in SEALED:
            after: object | None = None
            while True:
                async with database.acquire() as connection:
                    batch = await reseal(connection, cipher, column, after, BATCH)
                if batch.last_id is None:
                    break
                after = batch.last_id
                round_sealed += batch.sealed
                on_progress(batch.sealed, total)
        sealed += round_sealed
    async with database.acquire() as connection:
        left = await count_stale(connection, cipher)
    return Rotated(sealed, left)


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
