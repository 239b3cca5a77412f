"""Whose attendance somebody may see and change: everybody's, or that of some groups. The whole rule stands here.

Of some groups, those of a teacher, belong to them:

- the people who are or were a member of one of them;
- the sessions of these groups, and of the sessions that are of no group (the open check-in of a day) those in which one
  of these people has a record;
- the records of the sessions of these groups, whoever is in them, and in sessions of no group those of these people;
- the reviews of the sessions of these groups, and in sessions of no group those in which it can have been nobody but
  these people. Candidates who are not among these people are not named.

Every query over such things takes a `Visible` before its other arguments, without default: who forgets it does not pass
the type check. What is not theirs is left out of lists, and asked for by its id it is not found, in the same words as
what does not exist.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from storage.database import Connection

# Whose something is: for each part of it the groups that this part is of. Who sees it has one of each part's.
Audience = tuple[frozenset[UUID], ...]
EVERYBODYS: Audience = ()
NOBODYS: Audience = (frozenset(),)  # but for those who see everything


@dataclass(frozen=True, slots=True)
class Visible:
    """What somebody may see: that of these groups; None is everything.

    The methods give a condition in SQL on the columns that are named, and append what it needs to the query's
    arguments. NULL is nobody's.
    """

    groups: frozenset[UUID] | None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.groups is None

    def has_group(self, group_id: UUID | None) -> bool:
        """Whether what is of this group belongs to it. What is of no group belongs to nobody but who sees all."""
        return self.groups is None or group_id in self.groups

    def has(self, audience: Audience) -> bool:
        """Whether what is for this audience may be shown."""
        return self.groups is None or all(part & self.groups for part in audience)

    def group(self, column: str, arguments: list[object]) -> str:
        """The group with this id, or what is of it."""
        number = self._number(arguments)
        return "true" if number is None else f"{column} = ANY (${number})"

    def person(self, column: str, arguments: list[object]) -> str:
        """The person with this id."""
        number = self._number(arguments)
        return "true" if number is None else _person(column, number)

    def session(self, table: str, arguments: list[object]) -> str:
        """The session in this row of `class_sessions`."""
        number = self._number(arguments)
        if number is None:
            return "true"
        return f"""({table}.group_id = ANY (${number}) OR {table}.group_id IS NULL AND EXISTS (
            SELECT FROM memberships vm JOIN attendance va ON va.person_id = vm.person_id
            WHERE vm.group_id = ANY (${number}) AND va.session_id = {table}.id))"""

    def record(self, session: str, person: str, arguments: list[object]) -> str:
        """What is kept of this person in this session, both named by their ids."""
        number = self._number(arguments)
        if number is None:
            return "true"
        return f"""EXISTS (SELECT FROM class_sessions vs WHERE vs.id = {session} AND (
            vs.group_id = ANY (${number}) OR vs.group_id IS NULL AND {_person(person, number)}))"""

    def review(self, table: str, arguments: list[object]) -> str:
        """The review in this row of `reviews`."""
        number = self._number(arguments)
        if number is None:
            return "true"
        candidate = f"SELECT FROM review_candidates vc WHERE vc.review_id = {table}.id"
        return f"""EXISTS (SELECT FROM class_sessions vs WHERE vs.id = {table}.session_id AND (
            vs.group_id = ANY (${number}) OR vs.group_id IS NULL AND EXISTS ({candidate})
            AND NOT EXISTS ({candidate} AND NOT {_person("vc.person_id", number)})))"""

    def _number(self, arguments: list[object]) -> int | None:
        """Which argument the groups are; None where nothing is left out."""
        if self.groups is None:
            return None
        arguments.append(sorted(self.groups))
        return len(arguments)


EVERYTHING = Visible(None)


async def known_people(connection: Connection, visible: Visible, person_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of these people who belong to it."""
    if visible.is_everything or not person_ids:
        return frozenset(person_ids)
    arguments: list[object] = [list(person_ids)]
    condition = visible.person("people.id", arguments)
    rows = await connection.fetch(f"SELECT id FROM people WHERE id = ANY ($1) AND {condition}", *arguments)
    return frozenset(row["id"] for row in rows)


async def is_known(connection: Connection, visible: Visible, person_id: UUID) -> bool:
    """Whether this person belongs to it."""
    return person_id in await known_people(connection, visible, [person_id])


async def audiences_of_records(
    connection: Connection, records: Iterable[tuple[UUID, UUID | None]]
) -> list[frozenset[UUID]]:
    """The groups of each (session, person), as `Visible.record` has it; without a person those of the session."""
    pairs = list(records)
    rows = await connection.fetch(
        """
        SELECT CASE WHEN s.id IS NULL THEN '{}'
                    WHEN s.group_id IS NOT NULL THEN ARRAY[s.group_id]
                    ELSE ARRAY(SELECT m.group_id FROM memberships m WHERE m.person_id = e.person_id) END AS groups
        FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS e (session_id, person_id, n)
        LEFT JOIN class_sessions s ON s.id = e.session_id
        ORDER BY e.n
        """,
        [session_id for session_id, _ in pairs],
        [person_id for _, person_id in pairs],
    )
    return [frozenset(row["groups"]) for row in rows]


async def audiences_of_people(connection: Connection, person_ids: Iterable[UUID]) -> list[frozenset[UUID]]:
    """The groups of each person."""
    rows = await connection.fetch(
        """
        SELECT ARRAY(SELECT m.group_id FROM memberships m WHERE m.person_id = e.person_id) AS groups
        FROM unnest($1::uuid[]) WITH ORDINALITY AS e (person_id, n) ORDER BY e.n
        """,
        list(person_ids),
    )
    return [frozenset(row["groups"]) for row in rows]


async def audience_of_review(connection: Connection, review_id: UUID) -> Audience:
    """Who sees a review, as `Visible.review` has it; one that is no more is nobody's."""
    rows = await connection.fetch(
        """
        SELECT s.group_id, c.person_id, ARRAY(
            SELECT m.group_id FROM memberships m WHERE m.person_id = c.person_id) AS groups
        FROM reviews r JOIN class_sessions s ON s.id = r.session_id
        LEFT JOIN review_candidates c ON c.review_id = r.id WHERE r.id = $1
        """,
        review_id,
    )
    if rows and rows[0]["group_id"] is not None:
        return (frozenset({rows[0]["group_id"]}),)
    return tuple(frozenset(row["groups"]) for row in rows) or NOBODYS


def _person(column: str, number: int) -> str:
    return f"{column} IN (SELECT vm.person_id FROM memberships vm WHERE vm.group_id = ANY (${number}))"
