"""How long each kind of data is kept, in one table: what it is called, how long, and who deletes what is older."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Literal

from storage import (
    attempts,
    attendance_pruning,
    audit,
    consents,
    credentials,
    idempotency,
    outbox,
    reviews,
    sightings,
    unknown_faces,
    user_sessions,
    webhook_deliveries,
)
from storage.database import Connection, Database
from stream_server.settings import Settings

log = logging.getLogger("rollcall.retention")

BATCH = 500

Delete = Callable[[Connection, datetime, int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data. `keep` is its setting, such as `storage.audit_keep_days`, or a number that no setting changes,
    in `unit`; 0 means that nothing is kept, or, with `zero_keeps`, that all of it is.

    `delete` takes away at most so many that are older than a moment and says how many they were; as many as that means
    that there may be more.
    """

    name: str
    keep: str | int
    delete: Delete
    unit: Literal["days", "hours", "minutes", "seconds"] = "days"
    zero_keeps: bool = False

    def count(self, settings: Settings) -> int:
        """How many of `unit` it is kept."""
        return self.keep if isinstance(self.keep, int) else int(attrgetter(self.keep)(settings))


KINDS = (
    Kind("events", "storage.outbox_keep_days", outbox.prune),
    Kind("deliveries of webhooks", "webhooks.keep_days", webhook_deliveries.prune),
    Kind("sightings", "storage.sightings_keep_days", sightings.prune),
    Kind("attendance records", "storage.attendance_keep_days", attendance_pruning.prune, zero_keeps=True),
    Kind("comings and goings", "storage.attendance_keep_days", attendance_pruning.prune_punches, zero_keeps=True),
    Kind("faces up for review", "attendance.review_keep_hours", reviews.prune, "hours"),
    Kind("unknown faces", "unknown_faces.keep_days", unknown_faces.forget_members),
    Kind("pictures of unknown faces", "unknown_faces.crops_keep_days", unknown_faces.forget_crops),
    Kind("faces to be ignored", "unknown_faces.ignored_keep_days", unknown_faces.forget_ignored),
    Kind("answers of erased people", "storage.audit_keep_days", consents.forget),
    Kind("audit entries", "storage.audit_keep_days", audit.forget),
    Kind("sessions of users", "auth.session_idle_s", user_sessions.prune, "seconds"),
    Kind("idempotency keys", idempotency.KEEP_HOURS, idempotency.prune, "hours"),
    Kind("counts of attempts", attempts.KEEP_MINUTES, attempts.prune, "minutes"),
    Kind("wrong PINs", credentials.FAILURES_KEEP_MINUTES, credentials.forget_failures, "minutes"),
)


async def forget_the_old(database: Database, settings: Settings, now: datetime) -> dict[str, int]:
    """Delete what is older than the settings let it be, and return how many of each kind. Raises UnavailableError."""
    counts: dict[str, int] = {}
    for kind in KINDS:
        count = kind.count(settings)
        if count == 0 and kind.zero_keeps:
            continue
        older_than = now - timedelta(**{kind.unit: count})
        counts[kind.name] = 0
        while True:
            # A connection for each batch, so that others get their turn.
            async with database.acquire() as connection:
                deleted = await kind.delete(connection, older_than, BATCH)
            counts[kind.name] += deleted
            if deleted < BATCH:
                break
        if counts[kind.name]:
            log.info("%d %s are older than %d %s and were forgotten", counts[kind.name], kind.name, count, kind.unit)
    return counts
