"""Delivering events: which replica tells which receiver, how far each has been told, and the log of attempts.

A receiver is claimed by one replica at a time, under a lease that ends by itself when the replica dies. Only who holds
the lease moves the cursor, so that events go out in order; one that was sent but not yet noted when its replica died is
sent again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from storage import outbox
from storage.database import Connection, Record
from storage.errors import NotFound
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor
from storage.webhooks import Webhook, webhook_of

KEPT_MAX = 1000
"""Attempts kept of one webhook, whatever their age."""
RESPONSE_MAX = 500

_COLUMNS = """id, webhook_id, event_id, event_type, message_id, cause, attempt, delivered, status, latency_ms, problem,
    response, created_at"""

# Somebody may be erased while a receiver thinks about its answer.
_TOLD_OF_ERASED = """
    SELECT FROM outbox o JOIN people p
    ON p.id = coalesce(o.payload -> 'person' ->> 'id', o.payload ->> 'person_id')::uuid
    WHERE o.id = $3 AND p.erased_at IS NOT NULL
"""


class Cause(StrEnum):
    """Why something was sent."""

    EVENT = "event"
    TEST = "test"
    REDELIVERY = "redelivery"  # somebody asked for it
    GAP = "gap"  # nothing was sent: events were forgotten before the receiver took them


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. `status` and `latency_ms` are None when no answer came; `response` is how the answer began."""

    event_id: int | None
    event_type: str
    message_id: str
    cause: Cause
    attempt: int
    delivered: bool
    at: datetime
    status: int | None = None
    latency_ms: int | None = None
    problem: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Attempt):
    """An attempt as it is kept."""

    delivery_id: UUID
    webhook_id: UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """A receiver that this replica delivers to until the lease ends."""

    webhook: Webhook
    lease: UUID


async def claim_due(connection: Connection, *, at: datetime, lease_s: float, limit: int) -> list[Claim]:
    """Claim receivers for whom an event waits and whose next attempt is due; whose turn was longest ago first."""
    rows = await connection.fetch(
        """
        UPDATE webhooks SET lease = gen_random_uuid(), leased_until = $1::timestamptz + $2, served_at = $1
        WHERE id IN (
            SELECT id FROM webhooks
            WHERE enabled AND coalesce(next_attempt_at, $1) <= $1 AND coalesce(leased_until, $1) <= $1
              AND cursor < (SELECT coalesce(max(id), 0) FROM outbox)
            ORDER BY served_at NULLS FIRST, id
            LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        RETURNING *
        """,
        at,
        timedelta(seconds=lease_s),
        limit,
    )
    return [Claim(webhook_of(row), row["lease"]) for row in rows]


async def next_due(connection: Connection) -> datetime | None:
    """When the next attempt is due of a receiver that failed before, or whose replica may have died."""
    due: datetime | None = await connection.fetchval(
        """
        SELECT min(greatest(next_attempt_at, leased_until)) FROM webhooks
        WHERE enabled AND cursor < (SELECT coalesce(max(id), 0) FROM outbox)
        """
    )
    return due


async def note_delivered(
    connection: Connection, claim: Claim, attempts: Sequence[Attempt], *, cursor: int, until: datetime
) -> bool:
    """Note what was taken and move the cursor; the lease then holds until `until`. False when it was lost."""
    async with connection.transaction():
        await _hold_told_of(connection, attempts)
        held = await connection.fetchval(
            """
            UPDATE webhooks SET cursor = greatest(cursor, $3), leased_until = $4, failures = 0, failing_since = NULL,
                next_attempt_at = NULL
            WHERE id = $1 AND lease = $2 RETURNING 1
            """,
            claim.webhook.webhook_id,
            claim.lease,
            cursor,
            until,
        )
        for attempt in attempts:
            await _insert(connection, claim.webhook.webhook_id, attempt)
    return held is not None


async def note_failed(
    connection: Connection, claim: Claim, attempt: Attempt, *, next_attempt_at: datetime, disable: str = ""
) -> bool:
    """Note a failure and give the lease back; with `disable`, a reason, switch the webhook off, with
    `webhook.disabled`. False when the lease was lost.
    """
    webhook_id = claim.webhook.webhook_id
    async with connection.transaction():
        await _hold_told_of(connection, [attempt])
        held = await connection.fetchval(
            """
            UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, $3),
                next_attempt_at = $4, enabled = enabled AND $5 = '', disabled_reason = $5, lease = NULL,
                leased_until = NULL
            WHERE id = $1 AND lease = $2 RETURNING 1
            """,
            webhook_id,
            claim.lease,
            attempt.at,
            next_attempt_at,
            disable,
        )
        await _insert(connection, webhook_id, attempt)
        if held is not None and disable:
            await outbox.append(connection, "webhook.disabled", {"webhook_id": str(webhook_id), "reason": disable})
    return held is not None


async def release(connection: Connection, claim: Claim) -> None:
    """Give a lease back."""
    await connection.execute(
        "UPDATE webhooks SET lease = NULL, leased_until = NULL WHERE id = $1 AND lease = $2",
        claim.webhook.webhook_id,
        claim.lease,
    )


async def log(connection: Connection, webhook_id: UUID, attempt: Attempt) -> Delivery | None:
    """Keep an attempt, without the answer when it was about somebody who was erased meanwhile; None when the webhook
    was removed.
    """
    async with connection.transaction():
        await _hold_told_of(connection, [attempt])
        return await _insert(connection, webhook_id, attempt)


async def _hold_told_of(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Let nobody whom these tell of be erased until the answers are stored, and wait for whoever is erased just now.

    Before a webhook is locked, and by id, as everywhere.
    """
    await connection.execute(
        """
        SELECT 1 FROM people WHERE id IN (
            SELECT coalesce(payload -> 'person' ->> 'id', payload ->> 'person_id')::uuid FROM outbox
            WHERE id = ANY ($1::bigint[])
        )
        ORDER BY id FOR KEY SHARE
        """,
        [attempt.event_id for attempt in attempts if attempt.event_id is not None],
    )


async def _insert(connection: Connection, webhook_id: UUID, attempt: Attempt) -> Delivery | None:
    row = await connection.fetchrow(
        f"""
        INSERT INTO webhook_deliveries ({_COLUMNS})
        SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10, $11,
               CASE WHEN EXISTS ({_TOLD_OF_ERASED}) THEN '' ELSE $12 END, $13
        FROM webhooks WHERE id = $2 FOR KEY SHARE
        RETURNING {_COLUMNS}
        """,
        uuid4(),
        webhook_id,
        attempt.event_id,
        attempt.event_type,
        attempt.message_id,
        attempt.cause,
        attempt.attempt,
        attempt.delivered,
        attempt.status,
        attempt.latency_ms,
        attempt.problem,
        attempt.response.replace("\0", "\N{REPLACEMENT CHARACTER}")[:RESPONSE_MAX],
        attempt.at,
    )
    return None if row is None else _delivery(row)


async def forget_person(connection: Connection, person_id: UUID, name: str) -> None:
    """Empty the answers of receivers that may have said back whom they were told of; part of erasing somebody."""
    await connection.execute(
        """
        UPDATE webhook_deliveries SET response = ''
        WHERE response <> '' AND (
            strpos(response, $2) > 0 OR strpos(response, $3) > 0 OR strpos(response, $1::text) > 0 OR event_id IN (
                SELECT id FROM outbox WHERE payload -> 'person' ->> 'id' = $1::text
                UNION ALL SELECT id FROM outbox WHERE payload ->> 'person_id' = $1::text
            )
        )
        """,
        str(person_id),
        name,
        json.dumps(name)[1:-1],  # as many a receiver writes it
    )


async def get(connection: Connection, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """One attempt. Raises NotFound."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE webhook_id = $1 AND id = $2", webhook_id, delivery_id
    )
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id} of this webhook", code="delivery_not_found")
    return _delivery(row)


async def list_deliveries(
    connection: Connection,
    webhook_id: UUID,
    *,
    delivered: bool | None = None,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[Delivery]:
    """The attempts of a webhook, the latest first. Raises RequestError for a bad limit or cursor."""
    before = time_cursor(cursor)
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM webhook_deliveries
        WHERE webhook_id = $1 AND delivered = coalesce($2, delivered)
          AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
        ORDER BY created_at DESC, id DESC LIMIT $5
        """,
        webhook_id,
        delivered,
        None if before is None else before[0],
        None if before is None else before[1],
        checked_limit(limit) + 1,
    )
    return page_of([_delivery(row) for row in rows], limit, lambda row: (row.at, row.delivery_id))


async def prune(connection: Connection, older_than: datetime, limit: int) -> int:
    """Delete attempts from before `older_than`, and of each webhook all but the newest, at most `limit`; return how
    many. As many as that: ask again.
    """
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM webhook_deliveries WHERE id IN (
                SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id LEFT JOIN LATERAL (
                    SELECT o.created_at, o.id FROM webhook_deliveries o WHERE o.webhook_id = w.id
                    ORDER BY o.created_at DESC, o.id DESC OFFSET $2 LIMIT 1
                ) last ON true
                WHERE d.created_at < $1 OR (d.created_at, d.id) <= (last.created_at, last.id)
                LIMIT $3
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        KEPT_MAX,
        limit,
    )
    return count


def _delivery(row: Record) -> Delivery:
    return Delivery(
        delivery_id=row["id"],
        webhook_id=row["webhook_id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        message_id=row["message_id"],
        cause=Cause(row["cause"]),
        attempt=row["attempt"],
        delivered=row["delivered"],
        status=row["status"],
        latency_ms=row["latency_ms"],
        problem=row["problem"],
        response=row["response"],
        at=row["created_at"],
    )
