"""People, and what they agreed to. Whatever takes consent away deletes what was made from the face in the same
transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

import asyncpg

from storage import consents, outbox, webhook_deliveries
from storage.consents import SYSTEM
from storage.consents import Consent as Consent
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.names import KEEP as KEEP
from storage.names import Keep as Keep
from storage.names import checked, checked_external_id, page_by_name
from storage.paging import LIMIT_DEFAULT, Page
from storage.visibility import EVERYTHING, Visible

ERASED_NAME = "erased"

_COLUMNS = """id, name, external_id, consent, consent_at, created_at, erased_at,
    (SELECT count(*) FROM templates WHERE person_id = people.id) AS template_count,
    (SELECT text_version FROM consents WHERE person_id = people.id ORDER BY id DESC LIMIT 1) AS consent_text"""

# What was made from a face. How near a face came is a trait of that face.
_FORGET_FACES = (
    "DELETE FROM review_candidates WHERE person_id = ANY ($1::uuid[])",
    "DELETE FROM reviews WHERE nearest_id = ANY ($1::uuid[])",
    "DELETE FROM sightings WHERE person_id = ANY ($1::uuid[])",
    "UPDATE attendance SET score = NULL WHERE person_id = ANY ($1::uuid[]) AND score IS NOT NULL",
)

# What names somebody besides the row itself, or lets them in.
_FORGET_WHO = (
    "DELETE FROM memberships WHERE person_id = $1",
    "DELETE FROM credentials WHERE person_id = $1",
    "DELETE FROM idempotency_keys WHERE response -> 'person' ->> 'id' = $1::uuid::text",
    "UPDATE attendance SET note = NULL WHERE person_id = $1 AND note IS NOT NULL",
    """
    UPDATE attendance_corrections SET reason = NULL
    WHERE reason IS NOT NULL AND attendance_id IN (SELECT id FROM attendance WHERE person_id = $1)
    """,
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose attendance is kept. `external_id` is the number in the school's own system, if any.

    `consent_text` is the version of the text that the person agreed to last.
    """

    person_id: UUID
    name: str
    external_id: str | None
    consent: Consent
    consent_at: datetime | None
    created_at: datetime
    erased_at: datetime | None
    template_count: int
    consent_text: int | None = None


async def create(
    connection: Connection,
    *,
    name: str,
    at: datetime,
    external_id: str | None = None,
    consent: Consent = Consent.NONE,
    consent_text: int | None = None,
    actor: str = SYSTEM,
    person_id: UUID | None = None,
) -> Person:
    """Add somebody. `at` is when the consent was given or refused, `consent_text` the version of the text that was
    agreed to (default: the newest), `actor` who says so.

    Raises RequestError `name_invalid`, `external_id_invalid` or `consent_text_unknown`, and Conflict
    `external_id_taken`.
    """
    consent_at = None if consent is Consent.NONE else at
    person_id = person_id or uuid4()
    try:
        async with connection.transaction():
            await connection.execute(
                """
                INSERT INTO people (id, name, external_id, consent, consent_at) VALUES ($1, $2, $3, $4, $5)
                """,
                person_id,
                checked(name, "name"),
                checked_external_id(external_id),
                consent,
                consent_at,
            )
            if consent is not Consent.NONE:
                await _answer(connection, person_id, consent, consent_text, at, actor)
            return await get(connection, EVERYTHING, person_id)
    except asyncpg.UniqueViolationError as error:
        raise _taken(error, external_id) from error


async def get(connection: Connection, visible: Visible, person_id: UUID) -> Person:
    """One person, also when erased. Raises NotFound."""
    arguments: list[object] = [person_id]
    condition = visible.person("people.id", arguments)
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM people WHERE id = $1 AND {condition}", *arguments)
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
    visible: Visible,
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
    include_erased: bool = False,
    external_id: str | None = None,
    text: str = "",
    group_id: UUID | None = None,
    day: date | None = None,
) -> Page[Person]:
    """People by name, those of one name by id. Raises RequestError for a bad limit or cursor.

    With `text` those in whose name it stands, in any case of letters, or whose external id begins with it; with
    `group_id` the members of a group, on a `day` or at any time.

    Where the person who was given last has been renamed, erased or otherwise changed meanwhile, the list goes on by
    the count: it gives one person again rather than leaving one out.
    """
    arguments: list[object] = []
    conditions = [visible.person("people.id", arguments)]
    if not include_erased:
        conditions.append("erased_at IS NULL")
    if external_id is not None:
        arguments.append(external_id)
        conditions.append(f"external_id = ${len(arguments)}")
    if wanted := text.replace("\0", "").strip():
        arguments.append(wanted)
        number = len(arguments)
        conditions.append(
            f"(strpos(lower(name), lower(${number})) > 0 OR starts_with(lower(external_id), lower(${number})))"
        )
    if group_id is not None:
        arguments += [group_id, day]
        group, on = f"${len(arguments) - 1}", f"${len(arguments)}::date"
        conditions.append(
            f"""id IN (
                SELECT person_id FROM memberships WHERE group_id = {group} AND (
                    {on} IS NULL OR {on} BETWEEN coalesce(starts_on, '-infinity') AND coalesce(ends_on, 'infinity')
                )
            )"""
        )
    page = await page_by_name(
        connection,
        "people",
        _COLUMNS,
        limit=limit,
        cursor=cursor,
        conditions=conditions,
        arguments=arguments,
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
    consent_text: int | None = None,
    actor: str = SYSTEM,
) -> Person:
    """Change what is given. Any consent other than `granted` deletes at once what a face has left: templates,
    sightings and scores. That somebody attended stays. Every new answer is kept in the history, also the same one to
    another version of the text.

    Writes `gallery.changed` when templates or the consent go or the name changes: all are part of what a matcher
    shows. Raises NotFound, Conflict `person_erased` or `external_id_taken`, RequestError as `create` does.
    """
    try:
        async with connection.transaction():
            before = await hold(connection, person_id)
            if before.erased_at is not None:
                raise erased(person_id)
            new_name = before.name if name is None else checked(name, "name")
            new_consent = before.consent if consent is None else consent
            answered = consent is not None and (
                consent is not before.consent
                or (consent is Consent.GRANTED and consent_text not in (None, before.consent_text))
            )
            new_external_id = before.external_id
            if not isinstance(external_id, Keep):
                new_external_id = checked_external_id(external_id)
            await connection.execute(
                "UPDATE people SET name = $2, external_id = $3, consent = $4, consent_at = $5 WHERE id = $1",
                person_id,
                new_name,
                new_external_id,
                new_consent,
                at if answered else before.consent_at,
            )
            if answered:
                await _answer(connection, person_id, new_consent, consent_text, at, actor)
            deleted = 0 if new_consent is Consent.GRANTED else await _forget_faces(connection, [person_id])
            after = await get(connection, EVERYTHING, person_id)
            taken_back = before.consent is Consent.GRANTED and new_consent is not Consent.GRANTED
            if deleted or taken_back or new_name != before.name:
                await announce_gallery_change(connection, person_id)
    except asyncpg.UniqueViolationError as error:
        taken = None if isinstance(external_id, Keep) else external_id
        raise _taken(error, taken) from error
    return after


async def erase(connection: Connection, person_id: UUID, *, at: datetime, actor: str = SYSTEM) -> Person:
    """Forget who somebody is: templates, sightings, name, external id, notes, memberships, PIN and QR code go; that
    somebody attended stays.

    Erasing twice is the same as once. Raises NotFound.
    """
    async with connection.transaction():
        before = await hold(connection, person_id)
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
        if before.consent is not Consent.REVOKED:
            await _answer(connection, person_id, Consent.REVOKED, None, at, actor)
        await _forget_faces(connection, [person_id])
        for statement in _FORGET_WHO:
            await connection.execute(statement, person_id)
        await webhook_deliveries.forget_person(connection, person_id, before.name)
        await outbox.forget_name(connection, person_id, ERASED_NAME)
        after = await get(connection, EVERYTHING, person_id)
        await announce_gallery_change(connection, person_id)
    return after


async def take_back(connection: Connection, person_ids: Sequence[UUID], *, at: datetime, actor: str) -> None:
    """Note that these people, whom the transaction holds and who have not answered so before, do not agree (any more),
    and delete what their faces have left. The caller announces it: last, because the outbox is locked last.
    """
    ids = list(person_ids)
    await connection.execute(
        "UPDATE people SET consent = 'revoked', consent_at = $2 WHERE id = ANY ($1::uuid[])", ids, at
    )
    await consents.append_revoked(connection, ids, at=at, actor=actor)
    await _forget_faces(connection, ids)


async def hold(connection: Connection, person_id: UUID) -> Person:
    """The person as it is, also when erased, whom nobody else enrols, sees or changes until the transaction ends.

    Raises NotFound.
    """
    # Waits for sightings and enrolments of this person that are being stored, and holds back later ones.
    if await connection.fetchval("SELECT 1 FROM people WHERE id = $1 FOR UPDATE", person_id) is None:
        raise _missing(person_id)
    return await get(connection, EVERYTHING, person_id)


async def without_consent(connection: Connection, person_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these who do not agree to be recognised by face (any more), or are not there at all."""
    rows = await connection.fetch(
        """
        SELECT id FROM unnest($1::uuid[]) AS id
        WHERE NOT EXISTS (
            SELECT 1 FROM people WHERE people.id = id.id AND consent = 'granted' AND erased_at IS NULL
        )
        """,
        list(person_ids),
    )
    return {row["id"] for row in rows}


async def announce_gallery_change(connection: Connection, person_id: UUID) -> int:
    """Write `gallery.changed` into the running transaction; every matcher then reloads this person."""
    return await outbox.append(connection, "gallery.changed", {"person_id": str(person_id)})


async def announce_gallery_changes(connection: Connection, person_ids: Iterable[UUID]) -> None:
    """The same for many people at once."""
    events = [("gallery.changed", {"person_id": str(person_id)}) for person_id in person_ids]
    await outbox.append_many(connection, events)


async def _answer(
    connection: Connection, person_id: UUID, consent: Consent, text: int | None, at: datetime, actor: str
) -> None:
    version = await consents.version_meant(connection, text) if consent is Consent.GRANTED else None
    await consents.append(connection, person_id, consent, text_version=version, at=at, actor=actor)


async def _forget_faces(connection: Connection, person_ids: list[UUID]) -> int:
    """Delete what was made from these people's faces, and return how many templates that were."""
    count: int = await connection.fetchval(
        "WITH gone AS (DELETE FROM templates WHERE person_id = ANY ($1::uuid[]) RETURNING 1) SELECT count(*) FROM gone",
        person_ids,
    )
    for statement in _FORGET_FACES:
        await connection.execute(statement, person_ids)
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
        consent_text=row["consent_text"],
    )
