"""Groups of people who have lessons together: classes, courses, clubs."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from storage.database import Connection, Record
from storage.errors import Conflict, NotFound, Stale
from storage.names import KEEP, Keep, insert_named, page_by_name, update_named
from storage.paging import LIMIT_DEFAULT, Page
from storage.visibility import EVERYTHING, Visible

_COLUMNS = "id, name, external_id, source, version, created_at"


@dataclass(frozen=True, slots=True)
class Group:
    """A group. `version` grows with every change; `source` is what made it: manual, table or oneroster."""

    group_id: UUID
    name: str
    external_id: str | None
    source: str
    version: int
    created_at: datetime


async def create(connection: Connection, *, name: str, external_id: str | None = None) -> Group:
    """Add a group. Raises RequestError `name_invalid` or `external_id_invalid`, Conflict `external_id_taken`."""
    try:
        return _group(await insert_named(connection, "groups", _COLUMNS, name=name, external_id=external_id))
    except asyncpg.UniqueViolationError as error:
        raise _taken(external_id) from error


async def get(connection: Connection, visible: Visible, group_id: UUID) -> Group:
    """One group. Raises NotFound."""
    arguments: list[object] = [group_id]
    condition = visible.group("id", arguments)
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM groups WHERE id = $1 AND removed_at IS NULL AND {condition}", *arguments
    )
    if row is None:
        raise NotFound(f"there is no group {group_id}", code="group_not_found")
    return _group(row)


async def list_groups(
    connection: Connection,
    visible: Visible,
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
    external_id: str | None = None,
    person_id: UUID | None = None,
) -> Page[Group]:
    """Groups by name; those with this external id, or that this person has ever been a member of."""
    arguments: list[object] = []
    conditions = ["removed_at IS NULL", visible.group("id", arguments)]
    if external_id is not None:
        arguments.append(external_id)
        conditions.append(f"external_id = ${len(arguments)}")
    if person_id is not None:
        arguments.append(str(person_id))
        conditions.append(
            f"EXISTS (SELECT FROM memberships m WHERE m.group_id = groups.id AND m.person_id = ${len(arguments)}::uuid)"
        )
    page = await page_by_name(
        connection, "groups", _COLUMNS, limit=limit, cursor=cursor, conditions=conditions, arguments=arguments
    )
    return Page(tuple(map(_group, page.items)), page.next_cursor)


async def update(
    connection: Connection,
    group_id: UUID,
    *,
    version: int | None,
    name: str | None = None,
    external_id: str | Keep | None = KEEP,
) -> Group:
    """Change what is given, if the group is still at `version` (None: whatever it is at).

    Raises NotFound, Stale, and as `create` does.
    """
    try:
        async with connection.transaction():
            await _lock(connection, group_id, version)
            row = await update_named(connection, "groups", _COLUMNS, group_id, name=name, external_id=external_id)
    except asyncpg.UniqueViolationError as error:
        raise _taken(None if isinstance(external_id, Keep) else external_id) from error
    return _group(row)


async def remove(connection: Connection, group_id: UUID, *, version: int | None, at: datetime) -> None:
    """Take a group off the lists; its attendance stays, its lessons that are still to come are cancelled.

    Raises NotFound and Stale.
    """
    async with connection.transaction():
        await _lock(connection, group_id, version)
        await connection.execute(
            "UPDATE groups SET removed_at = $2, external_id = NULL, version = version + 1 WHERE id = $1", group_id, at
        )
        await connection.execute(
            """
            UPDATE class_sessions SET state = 'cancelled', version = version + 1
            WHERE group_id = $1 AND state = 'planned'
            """,
            group_id,
        )
        await connection.execute(
            "UPDATE lessons SET removed_at = $2, version = version + 1 WHERE group_id = $1 AND removed_at IS NULL",
            group_id,
            at,
        )


async def _lock(connection: Connection, group_id: UUID, version: int | None) -> None:
    await connection.execute("SELECT 1 FROM groups WHERE id = $1 FOR UPDATE", group_id)
    group = await get(connection, EVERYTHING, group_id)
    if version is not None and version != group.version:
        raise Stale


def _taken(external_id: str | None) -> Conflict:
    return Conflict(f"another group has the external id {external_id!r}", code="external_id_taken")


def _group(row: Record) -> Group:
    return Group(row["id"], row["name"], row["external_id"], row["source"], row["version"], row["created_at"])
