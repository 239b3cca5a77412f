"""How long each kind of data is kept, in one table: what it is called, how many days, and who deletes what is older."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from storage import attendance, audit, consents, outbox, sightings, unknown_faces
from storage.database import Connection, Database
from stream_server.settings import Settings

log = logging.getLogger("rollcall.retention")

BATCH = 500

Delete = Callable[[Connection, datetime, int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data. `keep_days` is its setting, such as `storage.audit_keep_days`; 0 days mean that nothing is
    kept, or, with `zero_keeps`, that all of it is.

    `delete` takes away at most so many that are older than a moment and says how many they were; as many as that means
    that there may be more.
    """

    name: str
    keep_days: str
    delete: Delete
    zero_keeps: bool = False


KINDS = (
    Kind("events", "storage.outbox_keep_days", outbox.prune),
    Kind("sightings", "storage.sightings_keep_days", sightings.prune),
    Kind("attendance records", "storage.attendance_keep_days", attendance.prune, zero_keeps=True),
    Kind("unknown faces", "unknown_faces.keep_days", unknown_faces.forget_members),
    Kind("pictures of unknown faces", "unknown_faces.crops_keep_days", unknown_faces.forget_crops),
    Kind("faces to be ignored", "unknown_faces.ignored_keep_days", unknown_faces.forget_ignored),
    Kind("answers of erased people", "storage.audit_keep_days", consents.forget),
    Kind("audit entries", "storage.audit_keep_days", audit.forget),
)


async def forget_the_old(database: Database, settings: Settings, now: datetime) -> dict[str, int]:
    """Delete what is older than the settings let it be, and return how many of each kind. Raises UnavailableError."""
    counts: dict[str, int] = {}
    for kind in KINDS:
        days: int = attrgetter(kind.keep_days)(settings)
        if days == 0 and kind.zero_keeps:
            continue
        counts[kind.name] = 0
        while True:
            # A connection for each batch, so that others get their turn.
            async with database.acquire() as connection:
                deleted = await kind.delete(connection, now - timedelta(days=days), BATCH)
            counts[kind.name] += deleted
            if deleted < BATCH:
                break
        if counts[kind.name]:
            log.info("%d %s are older than %d days and were forgotten", counts[kind.name], kind.name, days)
    return counts
