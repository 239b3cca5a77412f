"""Imports of whole rosters: everything in one transaction, and a dry run is the same one rolled back.

Tens of thousands of rows go through temporary tables, so that one statement compares all of them. Locks are taken in
the order of the other modules (`people_locks`): people, groups and memberships, outbox last.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from storage import consents, groups, outbox, people, people_locks, roster_memberships, unknown_faces
from storage.consents import SYSTEM
from storage.database import Connection
from storage.roster_rows import GroupRow, Place, RosterBatch, RowOutcome, Told

_PEOPLE = """
    CREATE TEMP TABLE roster_people (n integer PRIMARY KEY, new_id uuid NOT NULL, external_id text NOT NULL,
                                     name text NOT NULL, consent boolean) ON COMMIT DROP
"""
_COMPARE_PEOPLE = """
    SELECT t.n, t.new_id, t.consent, p.id, p.name <> t.name AS renamed,
           (t.consent AND p.consent <> 'granted') AS grants, (NOT t.consent AND p.consent = 'granted') AS revokes,
           (NOT t.consent AND coalesce(p.consent, 'none') = 'none') AS refuses,
           EXISTS (SELECT FROM templates WHERE person_id = p.id) AS enrolled
    FROM roster_people t LEFT JOIN people p ON p.external_id = t.external_id ORDER BY t.n
"""


@dataclass(frozen=True, slots=True)
class PeopleChanges:
    """What an import is about to change in people: those who are added, get another name, agree, take consent back, or
    are asked for the first time and do not agree.
    """

    created: tuple[UUID, ...]
    renamed: tuple[UUID, ...]
    granted: tuple[UUID, ...]
    revoked: tuple[UUID, ...]
    refused: tuple[UUID, ...]


OnPeople = Callable[[Connection, PeopleChanges], Awaitable[None]]


async def _no_matter(_connection: Connection, _changes: PeopleChanges) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of each row, in the order of the files."""

    applied: bool
    rows: tuple[Told, ...]
    warnings: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """How many rows there are of each outcome."""
        found = Counter(told.outcome.value for told in self.rows)
        return {outcome.value: found[outcome.value] for outcome in RowOutcome}


async def import_roster(
    connection: Connection,
    batch: RosterBatch,
    *,
    at: datetime,
    today: date,
    apply: bool,
    actor: str = SYSTEM,
    on_people: OnPeople = _no_matter,
) -> Imported:
    """Bring people, groups and memberships to what the batch says; nothing is stored unless `apply`.

    Rows that cannot be used are refused one by one. `today` is the day of the site: members that are new without a
    first day begin on it, and those that are gone end with it. `actor` is who says what people agreed to; `on_people`
    is called in the transaction, before anything of them is changed.
    """
    told = list(batch.told)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await people_locks.take_turn(connection)
        changed = await _import_people(connection, batch, told, at, actor, on_people)
        await _import_references(connection, batch)
        known = await _import_groups(connection, batch, told, at)
        await roster_memberships.import_memberships(connection, batch, known, told, today)
        if "group" in batch.complete:
            await _remove_groups(connection, batch, told, at)
        events: list[tuple[str, dict[str, Any]]] = [
            ("gallery.changed", {"person_id": str(person_id)}) for person_id in changed
        ]
        counts = Counter(one.outcome.value for one in told)
        events.append(("roster.imported", {"source": batch.source, "rows": dict(counts)}))
        await outbox.append_many(connection, events)
    except BaseException:
        await transaction.rollback()
        raise
    if apply:
        await transaction.commit()
    else:
        await transaction.rollback()
    told.sort(key=lambda one: (one.place.file, one.place.row))
    return Imported(apply, tuple(told), tuple(batch.warnings))


async def _import_people(
    connection: Connection, batch: RosterBatch, told: list[Told], at: datetime, actor: str, on_people: OnPeople
) -> list[UUID]:
    """Store the people; return those of the gallery who are called otherwise, or are no longer in it."""
    await connection.execute(_PEOPLE)
    rows = [(n, uuid4(), row.external_id, row.name, row.consent) for n, row in enumerate(batch.people)]
    columns = ["n", "new_id", "external_id", "name", "consent"]
    await connection.copy_records_to_table("roster_people", records=rows, columns=columns)
    await connection.execute("ANALYZE roster_people")
    if any(row.consent is False for row in batch.people):
        # Before people, as when one of them takes consent back or is erased.
        await unknown_faces.lock(connection)
    # Whoever erases or changes one of them meanwhile waits.
    await connection.execute(
        "SELECT 1 FROM people WHERE external_id IN (SELECT external_id FROM roster_people) ORDER BY id FOR UPDATE"
    )
    found = await connection.fetch(_COMPARE_PEOPLE)
    new, known = [one for one in found if one["id"] is None], [one for one in found if one["id"] is not None]
    changes = PeopleChanges(
        created=tuple(one["new_id"] for one in new),
        renamed=tuple(one["id"] for one in known if one["renamed"]),
        granted=(
            *(one["new_id"] for one in new if one["consent"]),
            *(one["id"] for one in known if one["grants"]),
        ),
        revoked=tuple(one["id"] for one in known if one["revokes"]),
        refused=tuple(one["id"] or one["new_id"] for one in found if one["refuses"]),
    )
    await on_people(connection, changes)
    await connection.execute(
        """
        INSERT INTO people (id, name, external_id, consent, consent_at)
        SELECT t.new_id, t.name, t.external_id, CASE WHEN t.consent THEN 'granted' ELSE 'none' END,
               CASE WHEN t.consent THEN $1::timestamptz END
        FROM roster_people t WHERE NOT EXISTS (SELECT FROM people p WHERE p.external_id = t.external_id)
        """,
        at,
    )
    await connection.execute(
        """
        UPDATE people p
        SET name = t.name,
            consent = CASE WHEN t.consent THEN 'granted' ELSE p.consent END,
            consent_at = CASE WHEN t.consent AND p.consent <> 'granted' THEN $1 ELSE p.consent_at END
        FROM roster_people t
        WHERE p.external_id = t.external_id AND (p.name <> t.name OR (t.consent AND p.consent <> 'granted'))
        """,
        at,
    )
    await consents.append_granted(connection, changes.granted, at=at, actor=actor)
    await people.take_back(connection, (*changes.revoked, *changes.refused), at=at, actor=actor)
    for record in found:
        row = batch.people[record["n"]]
        if record["id"] is None:
            outcome = RowOutcome.CREATED
        elif record["renamed"] or record["grants"] or record["revokes"] or record["refuses"]:
            outcome = RowOutcome.UPDATED
        else:
            outcome = RowOutcome.UNCHANGED
        told.append(Told(row.place, "person", row.external_id, outcome))
    return [one["id"] for one in known if one["revokes"] or (one["renamed"] and one["enrolled"])]


async def _import_references(connection: Connection, batch: RosterBatch) -> None:
    await connection.executemany(
        """
        INSERT INTO roster_references (kind, external_id, title, starts_on, ends_on) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (kind, external_id)
        DO UPDATE SET title = excluded.title, starts_on = excluded.starts_on, ends_on = excluded.ends_on
        """,
        [(row.kind, row.external_id, row.title, row.starts_on, row.ends_on) for row in batch.references],
    )


async def _import_groups(connection: Connection, batch: RosterBatch, told: list[Told], at: datetime) -> dict[str, UUID]:
    """Store the groups; return the ids of all that memberships may name, by external id and by small-letter name.

    A site has hundreds of them: they are compared here one by one.
    """
    rows = await connection.fetch("SELECT id, name, external_id FROM groups WHERE removed_at IS NULL FOR UPDATE")
    by_external = {row["external_id"]: (row["id"], row["name"]) for row in rows if row["external_id"] is not None}
    by_name: dict[str, list[UUID]] = {}
    for row in rows:
        by_name.setdefault(row["name"].lower(), []).append(row["id"])
    references = {(r["kind"], r["external_id"]) for r in await connection.fetch("SELECT * FROM roster_references")}
    for group in batch.groups:
        key = group.external_id or group.name
        missing = [reference for reference in group.refers if reference not in references]
        if missing:
            kind, external_id = missing[0]
            reason = f"no {kind} has the id {external_id!r}"
            told.append(Told(group.place, "group", key, RowOutcome.REFUSED, reason))
            continue
        named = by_name.get(group.name.lower(), [])
        found = by_external.get(key)
        if found is None and group.external_id is None and named:
            if len(named) > 1:
                reason = f"{len(named)} groups are called {group.name!r}: use the external id"
                told.append(Told(group.place, "group", key, RowOutcome.REFUSED, reason))
                del by_name[group.name.lower()]
                continue
            found = (named[0], group.name)
        outcome = await _import_group(connection, batch.source, group, found, at)
        if outcome is RowOutcome.CREATED:
            group_id = await _insert(connection, batch.source, group)
            by_name.setdefault(group.name.lower(), []).append(group_id)
            if group.external_id is not None:
                by_external[group.external_id] = (group_id, group.name)
        elif outcome is RowOutcome.REMOVED and group.external_id is not None:
            by_external.pop(group.external_id)
        told.append(Told(group.place, "group", key, outcome))
    known = {name: ids[0] for name, ids in by_name.items() if len(ids) == 1}
    if batch.source == "oneroster":
        known = {}
    return known | {external_id: group_id for external_id, (group_id, _) in by_external.items()}


async def _import_group(
    connection: Connection, source: str, group: GroupRow, found: tuple[UUID, str] | None, at: datetime
) -> RowOutcome:
    if group.removed:
        if found is None:
            return RowOutcome.UNCHANGED
        await groups.remove(connection, found[0], version=None, at=at)
        return RowOutcome.REMOVED
    if found is None:
        return RowOutcome.CREATED
    group_id, name = found
    if group.external_id is None:
        return RowOutcome.UNCHANGED
    await connection.execute("UPDATE groups SET source = $2 WHERE id = $1 AND source <> $2", group_id, source)
    if name == group.name:
        return RowOutcome.UNCHANGED
    await connection.execute("UPDATE groups SET name = $2, version = version + 1 WHERE id = $1", group_id, group.name)
    return RowOutcome.UPDATED


async def _insert(connection: Connection, source: str, group: GroupRow) -> UUID:
    group_id: UUID = await connection.fetchval(
        "INSERT INTO groups (id, name, external_id, source) VALUES (gen_random_uuid(), $1, $2, $3) RETURNING id",
        group.name,
        group.external_id,
        source,
    )
    return group_id


async def _remove_groups(connection: Connection, batch: RosterBatch, told: list[Told], at: datetime) -> None:
    gone = await connection.fetch(
        """
        SELECT id, external_id FROM groups
        WHERE source = $1 AND removed_at IS NULL AND external_id <> ALL ($2::text[])
        """,
        batch.source,
        [row.external_id for row in batch.groups if row.external_id is not None],
    )
    for row in gone:
        await groups.remove(connection, row["id"], version=None, at=at)
        reason = "it is not in the file any more"
        told.append(Told(Place("", 0), "group", row["external_id"], RowOutcome.REMOVED, reason))
