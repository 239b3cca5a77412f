"""The event that every change of somebody's access makes, so that each server forgets what it remembered."""

from uuid import UUID

from storage import outbox
from storage.database import Connection


async def changed(connection: Connection, kind: str, subject: UUID) -> None:
    """Tell that what this `device`, `user`, `session` or `token` may do has changed or ended; in a transaction."""
    await outbox.append(connection, "access.changed", {"kind": kind, "id": str(subject)})
