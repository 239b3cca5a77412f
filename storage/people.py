"""People, and what they agreed to. Whatever takes consent away deletes what was made from the face in the same
transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from storage import outbox
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.names import checked, page_by_name
from storage.paging import LIMIT_DEFAULT, Page

ERASED_NAME = "erased"

_COLUMNS = """id, name, external_id, consent, consent_at, created_at, erased_at,
    (SELECT count(*) FROM templates WHERE person_id = people.id) AS template_count"""

# What names somebody besides the row itself, or lets them in.
_FORGET_WHO = (
    "DELETE FROM memberships WHERE person_id = $1",
    "DELETE FROM credentials WHERE person_id = $1",
    "UPDATE attendance SET note = NULL WHERE person_id = $1 AND note IS NOT NULL",
    """
    UPDATE attendance_corrections SET reason = NULL
    WHERE reason IS NOT NULL AND attendance_id IN (SELECT id FROM attendance WHERE person_id = $1)
    """,
)


class Consent(StrEnum):
    """Whether somebody agreed to be recognised by face. Only `granted` lets a template exist."""

    GRANTED = "granted"
    NONE = "none"  # never asked, or not answered
    REVOKED = "revoked"


class Keep(Enum):
    """The value of an argument that was not given, where None means something else."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose attendance is kept. `external_id` is the number in the school's own system, if any."""

    person_id: UUID
    name: str
    external_id: str | None
    consent: Consent
    consent_at: datetime | None
    created_at: datetime
    erased_at: datetime | None
    template_count: int


async def create(
    connection: Connection,
    *,
    name: str,
    at: datetime,
    external_id: str | None = None,
    consent: Consent = Consent.NONE,
    person_id: UUID | None = None,
) -> Person:
    """Add somebody. `at` is when the consent was given or refused.

    Raises RequestError `name_invalid` or `external_id_invalid`, and Conflict `external_id_taken`.
    """
    consent_at = None if consent is Consent.NONE else at
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                f"""
                INSERT INTO people (id, name, external_id, consent, consent_at) VALUES ($1, $2, $3, $4, $5)
                RETURNING {_COLUMNS}
                """,
                person_id or uuid4(),
                checked(name, "name"),
                None if external_id is None else checked(external_id, "external_id"),
                consent,
                consent_at,
            )
    except asyncpg.UniqueViolationError as error:
        raise _taken(error, external_id) from error
    assert row is not None
    return _person(row)


async def get(connection: Connection, person_id: UUID) -> Person:
    """One person, also when erased. Raises NotFound."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM people WHERE id = $1", person_id)
    if row is None:
        raise _missing(person_id)
    return _person(row)


async def find_by_external_ids(connection: Connection, external_ids: Sequence[str]) -> UUID:
    """The person with the first of the ids that anybody has. Raises NotFound."""
    person_id: UUID | None = await connection.fetchval(
        "SELECT id FROM people WHERE external_id = ANY ($1::text[]) ORDER BY array_position($1, external_id) LIMIT 1",
        [external_id for external_id in external_ids if "\0" not in external_id],
    )
    if person_id is None:
        raise NotFound(f"nobody has the external id {external_ids[0][:100]!r}", code="person_not_found")
    return person_id


async def list_people(
    connection: Connection,
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
    include_erased: bool = False,
    external_id: str | None = None,
) -> Page[Person]:
    """People by name, those of one name by id. Raises RequestError for a bad limit or cursor.

    Where the person who was given last has been renamed, erased or otherwise changed meanwhile, the list goes on by
    the count: it gives one person again rather than leaving one out.
    """
    conditions = [] if include_erased else ["erased_at IS NULL"]
    if external_id is not None:
        conditions.append("external_id = $1")
    page = await page_by_name(
        connection,
        "people",
        _COLUMNS,
        limit=limit,
        cursor=cursor,
        conditions=conditions,
        arguments=() if external_id is None else (external_id,),
    )
    return Page(tuple(map(_person, page.items)), page.next_cursor)


async def update(
    connection: Connection,
    person_id: UUID,
    *,
    at: datetime,
    name: str | None = None,
    external_id: str | Keep | None = KEEP,
    consent: Consent | None = None,
) -> Person:
    """Change what is given. Any consent other than `granted` deletes at once what a face has left: templates,
    sightings and scores. That somebody attended stays.

    Writes `gallery.changed` when templates go or the name changes, since both are part of what a matcher
    shows. Raises NotFound, Conflict `person_erased` or `external_id_taken`, RequestError as `create` does.
    """
    try:
        async with connection.transaction():
            before = await _locked(connection, person_id)
            new_name = before.name if name is None else checked(name, "name")
            new_consent = before.consent if consent is None else consent
            new_external_id = before.external_id
            if not isinstance(external_id, Keep):
                new_external_id = None if external_id is None else checked(external_id, "external_id")
            await connection.execute(
                "UPDATE people SET name = $2, external_id = $3, consent = $4, consent_at = $5 WHERE id = $1",
                person_id,
                new_name,
                new_external_id,
                new_consent,
                before.consent_at if new_consent is before.consent else at,
            )
            deleted = 0 if new_consent is Consent.GRANTED else await _forget_face(connection, person_id)
            after = await get(connection, person_id)
            if deleted or new_name != before.name:
                await announce_gallery_change(connection, person_id)
    except asyncpg.UniqueViolationError as error:
        taken = None if isinstance(external_id, Keep) else external_id
        raise _taken(error, taken) from error
    return after


async def erase(connection: Connection, person_id: UUID, *, at: datetime) -> Person:
    """Forget who somebody is: templates, sightings, name, external id, notes, memberships, PIN and QR code go; that
    somebody attended stays.

    Erasing twice is the same as once. Raises NotFound.
    """
    async with connection.transaction():
        before = await _locked(connection, person_id, erased_is_fine=True)
        if before.erased_at is not None:
            return before
        await connection.execute(
            """
            UPDATE people
            SET name = $2, external_id = NULL, consent = 'revoked', consent_at = $3, erased_at = $3
            WHERE id = $1
            """,
            person_id,
            ERASED_NAME,
            at,
        )
        await _forget_face(connection, person_id)
        for statement in _FORGET_WHO:
            await connection.execute(statement, person_id)
        await outbox.forget_name(connection, person_id, ERASED_NAME)
        after = await get(connection, person_id)
        await announce_gallery_change(connection, person_id)
    return after


async def announce_gallery_change(connection: Connection, person_id: UUID) -> int:
    """Write `gallery.changed` into the running transaction; every matcher then reloads this person."""
    return await outbox.append(connection, "gallery.changed", {"person_id": str(person_id)})


async def _locked(connection: Connection, person_id: UUID, *, erased_is_fine: bool = False) -> Person:
    # Waits for sightings and enrolments of this person that are being stored, and holds back later ones.
    if await connection.fetchval("SELECT 1 FROM people WHERE id = $1 FOR UPDATE", person_id) is None:
        raise _missing(person_id)
    person = await get(connection, person_id)
    if person.erased_at is not None and not erased_is_fine:
        raise erased(person_id)
    return person


async def _forget_face(connection: Connection, person_id: UUID) -> int:
    """Delete what was made from the person's face, and return how many templates that were."""
    count: int = await connection.fetchval(
        "WITH gone AS (DELETE FROM templates WHERE person_id = $1 RETURNING 1) SELECT count(*) FROM gone",
        person_id,
    )
    # How near a face came is a trait of that face.
    await connection.execute("DELETE FROM review_candidates WHERE person_id = $1", person_id)
    await connection.execute("DELETE FROM reviews WHERE nearest_id = $1", person_id)
    await connection.execute("DELETE FROM sightings WHERE person_id = $1", person_id)
    await connection.execute("UPDATE attendance SET score = NULL WHERE person_id = $1 AND score IS NOT NULL", person_id)
    return count


def erased(person_id: UUID) -> Conflict:
    """The error for a change to somebody who was erased."""
    return Conflict(f"person {person_id} was erased", hint="create the person anew", code="person_erased")


def _missing(person_id: UUID) -> NotFound:
    return NotFound(f"there is no person {person_id}", code="person_not_found")


def _taken(error: asyncpg.UniqueViolationError, external_id: str | None) -> Conflict:
    if error.constraint_name == "people_pkey":
        return Conflict("a person with this id exists", code="person_exists")
    return Conflict(f"somebody else has the external id {external_id!r}", code="external_id_taken")


def _person(row: Record) -> Person:
    return Person(
        person_id=row["id"],
        name=row["name"],
        external_id=row["external_id"],
        consent=Consent(row["consent"]),
        consent_at=row["consent_at"],
        created_at=row["created_at"],
        erased_at=row["erased_at"],
        template_count=row["template_count"],
    )
