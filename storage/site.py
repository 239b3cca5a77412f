"""What is set for the whole site on the pages: its name and its time zone. One row at most."""

from dataclasses import dataclass

from storage import outbox
from storage.database import Connection
from storage.names import checked


@dataclass(frozen=True, slots=True)
class StoredSite:
    """What was set on the pages; None: nothing."""

    name: str | None = None
    time_zone: str | None = None


async def get(connection: Connection) -> StoredSite:
    """What is set."""
    row = await connection.fetchrow("SELECT name, time_zone FROM site")
    return StoredSite() if row is None else StoredSite(row["name"], row["time_zone"])


async def change(connection: Connection, *, name: str | None = None, time_zone: str | None = None) -> StoredSite:
    """Set what is given, with `site.changed` if that is another value, in the caller's transaction.

    Raises RequestError `name_invalid`.
    """
    await _lock(connection)
    before = await get(connection)
    after = StoredSite(
        before.name if name is None else checked(name, "name"), before.time_zone if time_zone is None else time_zone
    )
    if after != before:
        await connection.execute("UPDATE site SET name = $1, time_zone = $2", after.name, after.time_zone)
        fields = [field for field in ("name", "time_zone") if getattr(after, field) != getattr(before, field)]
        await outbox.append(connection, "site.changed", {"fields": fields})
    return after


async def plan_in(connection: Connection, time_zone: str) -> bool:
    """Say that lessons are planned in this zone; whether they were planned in another, and are to be planned again."""
    async with connection.transaction():
        await _lock(connection)
        before: str | None = await connection.fetchval("SELECT planned_in FROM site")
        if before == time_zone:
            return False
        await connection.execute("UPDATE site SET planned_in = $1", time_zone)
        if before is None:  # the first time: nothing is known to have moved
            return False
        await connection.execute("UPDATE lessons SET expanded_until = 'epoch' WHERE removed_at IS NULL")
        return True


async def _lock(connection: Connection) -> None:
    """Have the row, and hold others back from it until the caller's transaction ends."""
    await connection.execute("INSERT INTO site DEFAULT VALUES ON CONFLICT DO NOTHING")
    await connection.execute("SELECT 1 FROM site FOR UPDATE")
