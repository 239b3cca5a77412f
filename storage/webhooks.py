"""Webhooks: receivers of events outside. What is secret about them (address, secrets) is kept sealed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from storage import outbox
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.event_types import checked_filters

# An arbitrary number for the advisory lock under which webhooks are counted; it spells "whook" in ASCII.
_LOCK = 0x77686F6F6B

_COLUMNS = """id, address, sealed, description, event_types, include_names, enabled, disabled_reason, cursor, failures,
    failing_since, next_attempt_at, old_secret_until, created_at"""


class Skip(StrEnum):
    """Which of the events that wait for a receiver are left out."""

    NONE = "none"
    ONE = "one"  # the event that it does not take
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver. `address` is for people; `sealed` holds the whole address and the secrets.

    `cursor` is the id of the last event it has taken. `failures` counts the attempts that failed in a row, since
    `failing_since`; `next_attempt_at` is set while they do.
    """

    webhook_id: UUID
    address: str
    sealed: bytes = field(repr=False)
    description: str
    event_types: tuple[str, ...]
    include_names: bool
    enabled: bool
    disabled_reason: str
    cursor: int
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    old_secret_until: datetime | None
    created_at: datetime


def context(webhook_id: UUID) -> str:
    """What the sealed part of a webhook is bound to."""
    return f"webhook:{webhook_id}"


async def create(
    connection: Connection,
    *,
    webhook_id: UUID,
    address: str,
    sealed: bytes,
    description: str,
    event_types: Iterable[str],
    include_names: bool,
    webhooks_max: int,
) -> Webhook:
    """Add a receiver of what happens from now on. Raises RequestError `event_type_unknown`, Conflict
    `too_many_webhooks`.
    """
    filters = checked_filters(event_types)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        if await connection.fetchval("SELECT count(*) FROM webhooks") >= webhooks_max:
            raise Conflict(
                f"there are {webhooks_max} webhooks already",
                hint="remove one, or raise ROLLCALL_WEBHOOKS__MAX_WEBHOOKS",
                code="too_many_webhooks",
            )
        row = await connection.fetchrow(
            f"""
            INSERT INTO webhooks (id, address, sealed, description, event_types, include_names, cursor)
            VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_COLUMNS}
            """,
            webhook_id,
            address,
            sealed,
            description,
            filters,
            include_names,
            await outbox.latest_id(connection),
        )
    assert row is not None
    return webhook_of(row)


async def get(connection: Connection, webhook_id: UUID) -> Webhook:
    """One webhook. Raises NotFound."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM webhooks WHERE id = $1", webhook_id)
    if row is None:
        raise _missing(webhook_id)
    return webhook_of(row)


async def list_webhooks(connection: Connection) -> list[Webhook]:
    """All of them, oldest first; their number is bounded when they are made."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM webhooks ORDER BY created_at, id")
    return [webhook_of(row) for row in rows]


async def update(
    connection: Connection,
    webhook_id: UUID,
    *,
    description: str | None = None,
    event_types: Iterable[str] | None = None,
    include_names: bool | None = None,
    enabled: bool | None = None,
    skip: Skip = Skip.NONE,
) -> Webhook:
    """Change what is given. Switching on begins anew: the next attempt is now. Whoever delivers to it at the moment
    loses the lease, so that the change holds from the next event on.

    Raises NotFound and RequestError `event_type_unknown`.
    """
    filters = None if event_types is None else checked_filters(event_types)
    async with connection.transaction():
        if await connection.fetchval("SELECT 1 FROM webhooks WHERE id = $1 FOR UPDATE", webhook_id) is None:
            raise _missing(webhook_id)
        await connection.execute(
            """
            UPDATE webhooks SET description = coalesce($2, description), event_types = coalesce($3, event_types),
                include_names = coalesce($4, include_names), enabled = coalesce($5, enabled),
                lease = NULL, leased_until = NULL
            WHERE id = $1
            """,
            webhook_id,
            description,
            filters,
            include_names,
            enabled,
        )
        if enabled:
            await connection.execute(
                """
                UPDATE webhooks SET failures = 0, failing_since = NULL, next_attempt_at = NULL, disabled_reason = ''
                WHERE id = $1
                """,
                webhook_id,
            )
        if skip is not Skip.NONE:
            await _skip(connection, await get(connection, webhook_id), skip)
        return await get(connection, webhook_id)


async def replace_secrets(
    connection: Connection, webhook_id: UUID, *, sealed: bytes, was: bytes, old_secret_until: datetime | None
) -> Webhook:
    """Store newly sealed secrets in place of `was`. Raises NotFound, and Conflict when somebody else was faster."""
    row = await connection.fetchrow(
        f"""
        UPDATE webhooks SET sealed = $2, old_secret_until = $4, lease = NULL, leased_until = NULL
        WHERE id = $1 AND sealed = $3 RETURNING {_COLUMNS}
        """,
        webhook_id,
        sealed,
        was,
        old_secret_until,
    )
    if row is None:
        await get(connection, webhook_id)
        raise Conflict("somebody else has just changed the secret of this webhook", hint="look, and try again")
    return webhook_of(row)


async def remove(connection: Connection, webhook_id: UUID) -> None:
    """Forget a receiver with its address, secrets and deliveries. Raises NotFound."""
    if await connection.fetchval("DELETE FROM webhooks WHERE id = $1 RETURNING 1", webhook_id) is None:
        raise _missing(webhook_id)


def webhook_of(row: Record) -> Webhook:
    """A row as a value."""
    return Webhook(
        webhook_id=row["id"],
        address=row["address"],
        sealed=row["sealed"],
        description=row["description"],
        event_types=tuple(row["event_types"]),
        include_names=row["include_names"],
        enabled=row["enabled"],
        disabled_reason=row["disabled_reason"],
        cursor=row["cursor"],
        failures=row["failures"],
        failing_since=row["failing_since"],
        next_attempt_at=row["next_attempt_at"],
        old_secret_until=row["old_secret_until"],
        created_at=row["created_at"],
    )


async def _skip(connection: Connection, webhook: Webhook, skip: Skip) -> None:
    if skip is Skip.ALL:
        target = await outbox.latest_id(connection)
    else:
        waiting = await outbox.read_matching(connection, webhook.cursor, webhook.event_types, limit=1)
        target = waiting.events[0].event_id if waiting.events else waiting.looked_to
    await connection.execute(
        """
        UPDATE webhooks SET cursor = greatest(cursor, $2), failures = 0, failing_since = NULL, next_attempt_at = NULL
        WHERE id = $1
        """,
        webhook.webhook_id,
        target,
    )


def _missing(webhook_id: UUID) -> NotFound:
    return NotFound(f"there is no webhook {webhook_id}", code="webhook_not_found")
