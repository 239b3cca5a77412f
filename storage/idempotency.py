"""Requests that may be sent again: what was answered the first time is answered again, and nothing is done twice."""

import json
from datetime import datetime
from typing import Any

from recognition.errors import RequestError
from storage.database import Connection

KEEP_HOURS = 24
KEYS_MAX = 100_000
PRUNE_MAX = 2000


class KeyReused(RequestError):
    """An idempotency key came again with another request."""

    code = "idempotency_key_reused"


async def answered(connection: Connection, key: str, request_digest: bytes) -> dict[str, Any] | None:
    """What was answered to this request before, or None when it is new. Raises KeyReused.

    In the transaction that does the work: a request of the same key waits until that has ended.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", key)
    row = await connection.fetchrow("SELECT request_digest, response FROM idempotency_keys WHERE key = $1", key)
    if row is None:
        return None
    if row["request_digest"] != request_digest:
        raise KeyReused("this Idempotency-Key came with another request", hint="use a new key for each request")
    found: dict[str, Any] = json.loads(row["response"])
    return found


async def remember(
    connection: Connection, key: str, request_digest: bytes, response: dict[str, Any], now: datetime
) -> None:
    """Keep what is answered, for a day."""
    await connection.execute(
        "INSERT INTO idempotency_keys (key, request_digest, response, created_at) VALUES ($1, $2, $3::jsonb, $4)",
        key,
        request_digest,
        json.dumps(response),
        now,
    )


async def prune(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """Forget keys from before `older_than`, and the oldest beyond 100,000, at most `limit`; return how many."""
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM idempotency_keys WHERE key IN (
                SELECT key FROM idempotency_keys WHERE created_at < $1 OR created_at < (
                    SELECT created_at FROM idempotency_keys ORDER BY created_at DESC OFFSET $2 LIMIT 1
                )
                ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED
            ) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        KEYS_MAX,
        limit,
    )
    return count
