"""Who belongs to which group, and from which day to which. Days are those of the site, both included."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from recognition.errors import RequestError
from storage import groups, people
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound, Stale
from storage.names import KEEP, Keep
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor
from storage.visibility import EVERYTHING, Visible

_SELECT = """
    SELECT m.id, m.group_id, g.name AS group_name, m.person_id, p.name AS person_name, m.role, m.starts_on, m.ends_on,
           m.external_id, m.version, m.created_at
    FROM memberships m JOIN people p ON p.id = m.person_id JOIN groups g ON g.id = m.group_id
"""


class Role(StrEnum):
    """What somebody is in a group. Only students are expected, and absent when they do not come."""

    STUDENT = "student"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Membership:
    """One person in one group for a time. No first day: since always; no last day: until further notice."""

    membership_id: UUID
    group_id: UUID
    group_name: str
    person_id: UUID
    person_name: str
    role: Role
    starts_on: date | None
    ends_on: date | None
    external_id: str | None
    version: int
    created_at: datetime


async def add(
    connection: Connection,
    *,
    group_id: UUID,
    person_id: UUID,
    role: Role = Role.STUDENT,
    starts_on: date | None = None,
    ends_on: date | None = None,
) -> Membership:
    """Add somebody to a group.

    Raises NotFound, Conflict `person_erased` or `membership_overlaps`, RequestError `dates_invalid`.
    """
    _check_days(starts_on, ends_on)
    async with connection.transaction():
        # One after the other, so that two cannot add the same person at once.
        await connection.execute("SELECT 1 FROM groups WHERE id = $1 FOR UPDATE", group_id)
        await groups.get(connection, EVERYTHING, group_id)
        person = await connection.fetchrow("SELECT erased_at FROM people WHERE id = $1 FOR SHARE", person_id)
        if person is None:
            raise NotFound(f"there is no person {person_id}", code="person_not_found")
        if person["erased_at"] is not None:
            raise people.erased(person_id)
        await _check_alone(connection, group_id, person_id, role, starts_on, ends_on, None)
        membership_id = uuid4()
        await connection.execute(
            """
            INSERT INTO memberships (id, group_id, person_id, role, starts_on, ends_on) VALUES ($1, $2, $3, $4, $5, $6)
            """,
            membership_id,
            group_id,
            person_id,
            role,
            starts_on,
            ends_on,
        )
        return await get(connection, EVERYTHING, membership_id)


async def get(connection: Connection, visible: Visible, membership_id: UUID) -> Membership:
    """One membership. Raises NotFound."""
    arguments: list[object] = [membership_id]
    condition = visible.group("m.group_id", arguments)
    row = await connection.fetchrow(f"{_SELECT} WHERE m.id = $1 AND {condition}", *arguments)
    if row is None:
        raise NotFound(f"there is no membership {membership_id}", code="membership_not_found")
    return _membership(row)


async def list_memberships(
    connection: Connection,
    visible: Visible,
    *,
    group_id: UUID | None = None,
    person_id: UUID | None = None,
    day: date | None = None,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[Membership]:
    """Memberships in the order they were made; those that hold on `day`, when it is given."""
    arguments: list[object] = [checked_limit(limit) + 1]
    conditions = ["g.removed_at IS NULL", visible.group("m.group_id", arguments)]
    if group_id is not None:
        arguments.append(group_id)
        conditions.append(f"m.group_id = ${len(arguments)}")
    if person_id is not None:
        arguments.append(person_id)
        conditions.append(f"m.person_id = ${len(arguments)}")
    if day is not None:
        arguments.append(day)
        number = len(arguments)
        conditions.append(
            f"coalesce(m.starts_on, '-infinity') <= ${number} AND ${number} <= coalesce(m.ends_on, 'infinity')"
        )
    if (after := time_cursor(cursor)) is not None:
        arguments += after
        conditions.append(f"(m.created_at, m.id) > (${len(arguments) - 1}, ${len(arguments)})")
    rows = await connection.fetch(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY m.created_at, m.id LIMIT $1", *arguments
    )
    return page_of([_membership(row) for row in rows], limit, lambda one: (one.created_at, one.membership_id))


async def update(
    connection: Connection,
    membership_id: UUID,
    *,
    version: int | None,
    role: Role | None = None,
    starts_on: date | Keep | None = KEEP,
    ends_on: date | Keep | None = KEEP,
) -> Membership:
    """Change what is given, if the membership is still at `version`. Raises NotFound, Stale, and as `add` does."""
    async with connection.transaction():
        before = await _locked(connection, membership_id, version)
        first = before.starts_on if isinstance(starts_on, Keep) else starts_on
        last = before.ends_on if isinstance(ends_on, Keep) else ends_on
        _check_days(first, last)
        new_role = role or before.role
        await _check_alone(connection, before.group_id, before.person_id, new_role, first, last, membership_id)
        await connection.execute(
            "UPDATE memberships SET role = $2, starts_on = $3, ends_on = $4, version = version + 1 WHERE id = $1",
            membership_id,
            new_role,
            first,
            last,
        )
        return await get(connection, EVERYTHING, membership_id)


async def remove(connection: Connection, membership_id: UUID, *, version: int | None) -> None:
    """Delete a membership, as if it had never been; to end one, set its last day. Raises NotFound and Stale."""
    async with connection.transaction():
        await _locked(connection, membership_id, version)
        await connection.execute("DELETE FROM memberships WHERE id = $1", membership_id)


async def _locked(connection: Connection, membership_id: UUID, version: int | None) -> Membership:
    # The group first, as `add` has it, so that changes of one group wait for each other and never in a circle.
    await connection.execute(
        "SELECT 1 FROM groups WHERE id = (SELECT group_id FROM memberships WHERE id = $1) FOR UPDATE", membership_id
    )
    await connection.execute("SELECT 1 FROM memberships WHERE id = $1 FOR UPDATE", membership_id)
    membership = await get(connection, EVERYTHING, membership_id)
    if version is not None and version != membership.version:
        raise Stale
    return membership


async def _check_alone(
    connection: Connection,
    group_id: UUID,
    person_id: UUID,
    role: Role,
    starts_on: date | None,
    ends_on: date | None,
    membership_id: UUID | None,
) -> None:
    rival = await connection.fetchval(
        """
        SELECT id FROM memberships
        WHERE group_id = $1 AND person_id = $2 AND role = $3 AND id IS DISTINCT FROM $6
          AND daterange(starts_on, ends_on, '[]') && daterange($4, $5, '[]')
        """,
        group_id,
        person_id,
        role,
        starts_on,
        ends_on,
        membership_id,
    )
    if rival is not None:
        raise Conflict(
            "this person is a member at that time already", hint=f"change {rival}", code="membership_overlaps"
        )


def _check_days(starts_on: date | None, ends_on: date | None) -> None:
    if starts_on is not None and ends_on is not None and ends_on < starts_on:
        raise RequestError(f"{ends_on} lies before {starts_on}", hint="give the last day", code="dates_invalid")


def _membership(row: Record) -> Membership:
    return Membership(
        membership_id=row["id"],
        group_id=row["group_id"],
        group_name=row["group_name"],
        person_id=row["person_id"],
        person_name=row["person_name"],
        role=Role(row["role"]),
        starts_on=row["starts_on"],
        ends_on=row["ends_on"],
        external_id=row["external_id"],
        version=row["version"],
        created_at=row["created_at"],
    )
