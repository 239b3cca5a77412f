"""People with their groups, in pieces, for an export of the whole roster."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from storage.consents import Consent
from storage.database import Connection

PIECE = 1000


@dataclass(frozen=True, slots=True)
class ExportedPerson:
    """Somebody, and the names of the groups that the person is a student of on the day."""

    person_id: UUID
    external_id: str | None
    name: str
    groups: tuple[str, ...]
    consent: Consent


async def read_people(
    connection: Connection, *, today: date, after: UUID | None = None, limit: int = PIECE
) -> list[ExportedPerson]:
    """The people whose ids follow `after`, in the order of their ids."""
    rows = await connection.fetch(
        """
        SELECT p.id, p.external_id, p.name, p.consent,
               ARRAY(SELECT g.name FROM memberships m JOIN groups g ON g.id = m.group_id
                     WHERE m.person_id = p.id AND g.removed_at IS NULL AND m.role = 'student'
                       AND $1 BETWEEN coalesce(m.starts_on, '-infinity') AND coalesce(m.ends_on, 'infinity')
                     ORDER BY g.name) AS groups
        FROM people p WHERE p.erased_at IS NULL AND ($2::uuid IS NULL OR p.id > $2) ORDER BY p.id LIMIT $3
        """,
        today,
        after,
        limit,
    )
    return [
        ExportedPerson(row["id"], row["external_id"], row["name"], tuple(row["groups"]), Consent(row["consent"]))
        for row in rows
    ]
