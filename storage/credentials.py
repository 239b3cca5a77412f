"""PINs and QR codes, as digests. What makes the digests, and the key for it, is not known here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

import asyncpg

from storage import people
from storage.database import Connection
from storage.errors import Conflict, NotFound
from storage.visibility import EVERYTHING

FAILURES_KEEP_MINUTES = 5
FAILURES_WITHIN = timedelta(minutes=FAILURES_KEEP_MINUTES)
FORGET_MAX = 2000
# Of the whole site: guessing from many places at once is guessing too.
SITE_FAILURES_MAX = 100


class CredentialKind(StrEnum):
    """How somebody says who they are, without a face."""

    PIN = "pin"
    QR = "qr"


async def set_digest(connection: Connection, person_id: UUID, kind: CredentialKind, digest: bytes) -> None:
    """Give somebody a PIN or code; the one before no longer works.

    Raises NotFound, Conflict `person_erased`, and `credential_taken` when somebody else has this very one.
    """
    try:
        async with connection.transaction():
            person = await connection.fetchrow("SELECT erased_at FROM people WHERE id = $1 FOR SHARE", person_id)
            if person is None:
                raise NotFound(f"there is no person {person_id}", code="person_not_found")
            if person["erased_at"] is not None:
                raise people.erased(person_id)
            await connection.execute(
                """
                INSERT INTO credentials (id, person_id, kind, digest) VALUES ($1, $2, $3, $4)
                ON CONFLICT (person_id, kind) DO UPDATE SET digest = excluded.digest, created_at = now()
                """,
                uuid4(),
                person_id,
                kind,
                digest,
            )
    except asyncpg.UniqueViolationError as error:
        raise Conflict("this one is taken", hint="try again", code="credential_taken") from error


async def revoke(connection: Connection, person_id: UUID, kind: CredentialKind) -> bool:
    """Take a PIN or code away; False when there was none. Raises NotFound for an unknown person."""
    await people.get(connection, EVERYTHING, person_id)
    gone = await connection.fetchval(
        "DELETE FROM credentials WHERE person_id = $1 AND kind = $2 RETURNING 1", person_id, kind
    )
    return gone is not None


async def find(connection: Connection, kind: CredentialKind, digests: Sequence[bytes]) -> UUID | None:
    """Whose PIN or code has one of these digests; the first of them counts first."""
    person_id: UUID | None = await connection.fetchval(
        """
        SELECT person_id FROM credentials WHERE kind = $1 AND digest = ANY ($2::bytea[])
        ORDER BY array_position($2::bytea[], digest) LIMIT 1
        """,
        kind,
        list(digests),
    )
    return person_id


async def count(connection: Connection, kind: CredentialKind) -> int:
    """How many people have one."""
    number: int = await connection.fetchval("SELECT count(*) FROM credentials WHERE kind = $1", kind)
    return number


async def may_try(connection: Connection, place: str, now: datetime, failures_max: int) -> bool:
    """Whether one more attempt may be made from a place; those of one place are let through one by one.

    In the transaction in which the attempt is made, so that many at once are counted too.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", place)
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE place = $1) AS here, count(*) AS site FROM punch_failures WHERE at > $2",
        place,
        now - FAILURES_WITHIN,
    )
    assert row is not None
    return bool(row["here"] < failures_max and row["site"] < SITE_FAILURES_MAX)


async def note_failure(connection: Connection, place: str, now: datetime) -> None:
    """Remember a wrong attempt, and forget those that no longer count."""
    await connection.execute("DELETE FROM punch_failures WHERE at <= $1", now - FAILURES_WITHIN)
    await connection.execute("INSERT INTO punch_failures (place, at) VALUES ($1, $2)", place, now)


async def forget_failures(connection: Connection, older_than: datetime, limit: int = FORGET_MAX) -> int:
    """Forget wrong attempts from before `older_than`, at most `limit`; return how many."""
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM punch_failures WHERE ctid = ANY (
                ARRAY(SELECT ctid FROM punch_failures WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count
