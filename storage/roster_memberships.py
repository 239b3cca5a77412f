"""The memberships of an import, compared and stored by a few statements over a temporary table."""

from datetime import date
from uuid import UUID

from storage.database import Connection
from storage.roster_rows import MembershipRow, Place, RosterBatch, RowOutcome, Told

_TABLE = """
    CREATE TEMP TABLE roster_memberships (
        n integer PRIMARY KEY, external_id text, group_id uuid NOT NULL, person_external_id text NOT NULL,
        role text NOT NULL, starts_on date, ends_on date, removed boolean NOT NULL, person_id uuid, membership_id uuid
    ) ON COMMIT DROP
"""
_COLUMNS = ["n", "external_id", "group_id", "person_external_id", "role", "starts_on", "ends_on", "removed"]

_FIND_PEOPLE = """
    UPDATE roster_memberships t SET person_id = p.id FROM people p WHERE p.external_id = t.person_external_id
"""
# By external id where there is one; else by who is in what at that time, or, if no time is given, now. Two statements:
# a condition over both cannot be hashed, and would compare every row of the file with every membership there is.
_FIND_BY_ID = """
    UPDATE roster_memberships t SET membership_id = m.id FROM memberships m
    WHERE t.external_id IS NOT NULL AND m.external_id = t.external_id
"""
_FIND_BY_TIME = """
    UPDATE roster_memberships t SET membership_id = m.id FROM memberships m
    WHERE t.external_id IS NULL AND m.group_id = t.group_id AND m.person_id = t.person_id AND m.role = t.role
      AND daterange(m.starts_on, m.ends_on, '[]')
          && daterange(coalesce(t.starts_on, $1), coalesce(t.ends_on, t.starts_on, $1), '[]')
"""
_COMPARE = """
    SELECT t.n, t.person_id IS NULL AS orphan, t.removed, m.id IS NOT NULL AS there,
           (m.group_id, m.person_id, m.role) IS DISTINCT FROM (t.group_id, t.person_id, t.role)
           OR (t.external_id IS NOT NULL OR t.starts_on IS NOT NULL) AND m.starts_on IS DISTINCT FROM t.starts_on
           OR (t.external_id IS NOT NULL OR t.ends_on IS NOT NULL) AND m.ends_on IS DISTINCT FROM t.ends_on AS differs,
           coalesce(m.ends_on, 'infinity') <= $1 AS over
    FROM roster_memberships t LEFT JOIN memberships m ON m.id = t.membership_id ORDER BY t.n
"""
_INSERT = """
    INSERT INTO memberships (id, group_id, person_id, role, starts_on, ends_on, external_id, source)
    SELECT gen_random_uuid(), group_id, person_id, role,
           CASE WHEN external_id IS NULL THEN coalesce(starts_on, $2) ELSE starts_on END, ends_on, external_id, $1
    FROM roster_memberships WHERE membership_id IS NULL AND person_id IS NOT NULL AND NOT removed
"""
_UPDATE = """
    UPDATE memberships m
    SET group_id = t.group_id, person_id = t.person_id, role = t.role, source = $2, version = m.version + 1,
        starts_on = CASE WHEN t.external_id IS NULL THEN coalesce(t.starts_on, m.starts_on) ELSE t.starts_on END,
        ends_on = CASE WHEN t.external_id IS NULL THEN coalesce(t.ends_on, m.ends_on) ELSE t.ends_on END
    FROM roster_memberships t WHERE m.id = t.membership_id AND NOT t.removed AND t.n = ANY ($1::integer[])
"""
# What would only begin later has never been; everything else ends today.
_NEVER_BEGAN = "DELETE FROM memberships WHERE id = ANY ($1::uuid[]) AND starts_on > $2"
_END = """
    UPDATE memberships SET ends_on = $2, version = version + 1
    WHERE id = ANY ($1::uuid[]) AND coalesce(ends_on, 'infinity') > $2
"""
_GONE = """
    SELECT id, external_id FROM memberships m
    WHERE source = $1 AND coalesce(ends_on, 'infinity') > $2 AND external_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_memberships t WHERE t.external_id = m.external_id)
"""


async def import_memberships(
    connection: Connection, batch: RosterBatch, known_groups: dict[str, UUID], told: list[Told], today: date
) -> None:
    """Store the memberships of a batch, in the caller's transaction. `known_groups` are ids by what rows name."""
    terms = await _term_days(connection, batch)
    rows: list[tuple[object, ...]] = []
    for n, row in enumerate(batch.memberships):
        group_id = known_groups.get(row.group) or (
            known_groups.get(row.group.lower()) if row.external_id is None else None
        )
        if group_id is None:
            if not row.removed:
                told.append(_told(row, RowOutcome.REFUSED, f"no group has the id or name {row.group!r}"))
            else:
                told.append(_told(row, RowOutcome.UNCHANGED))
            continue
        first, last = terms.get(row.group, (None, None)) if row.external_id is not None else (None, None)
        starts_on, ends_on = row.starts_on or first, row.ends_on or last
        if starts_on is not None and ends_on is not None and ends_on < starts_on:
            told.append(_told(row, RowOutcome.REFUSED, f"its last day, {ends_on}, lies before the first, {starts_on}"))
            continue
        rows.append((n, row.external_id, group_id, row.person_external_id, row.role, starts_on, ends_on, row.removed))
    await connection.execute(_TABLE)
    await connection.copy_records_to_table("roster_memberships", records=rows, columns=_COLUMNS)
    await connection.execute("ANALYZE roster_memberships")
    await connection.execute(
        """
        SELECT 1 FROM people WHERE external_id IN (SELECT person_external_id FROM roster_memberships)
        ORDER BY id FOR SHARE
        """
    )
    await connection.execute(_FIND_PEOPLE)
    await connection.execute(_FIND_BY_ID)
    await connection.execute(_FIND_BY_TIME, today)
    changed, ended = [], []
    for record in await connection.fetch(_COMPARE, today):
        row = batch.memberships[record["n"]]
        outcome, reason = RowOutcome.UNCHANGED, ""
        if row.removed:
            if record["there"] and not record["over"]:
                outcome = RowOutcome.REMOVED
                ended.append(record["n"])
        elif record["orphan"]:
            outcome, reason = RowOutcome.REFUSED, f"no person has the id {row.person_external_id!r}"
        elif not record["there"]:
            outcome = RowOutcome.CREATED
        elif record["differs"]:
            outcome = RowOutcome.UPDATED
            changed.append(record["n"])
        told.append(_told(row, outcome, reason))
    await connection.execute(_INSERT, batch.source, today)
    await connection.execute(_UPDATE, changed, batch.source)
    gone = await connection.fetch("SELECT membership_id FROM roster_memberships WHERE n = ANY ($1::integer[])", ended)
    await _end(connection, [record["membership_id"] for record in gone], today)
    if "membership" in batch.complete:
        missing = await connection.fetch(_GONE, batch.source, today)
        await _end(connection, [record["id"] for record in missing], today)
        reason = "it is not in the file any more"
        for record in missing:
            told.append(Told(Place("", 0), "membership", record["external_id"], RowOutcome.REMOVED, reason))


async def _end(connection: Connection, membership_ids: list[UUID], today: date) -> None:
    await connection.execute(_NEVER_BEGAN, membership_ids, today)
    await connection.execute(_END, membership_ids, today)


async def _term_days(connection: Connection, batch: RosterBatch) -> dict[str, tuple[date | None, date | None]]:
    """First and last day of the terms of each group that the batch describes, by the group's external id."""
    terms = {
        record["external_id"]: (record["starts_on"], record["ends_on"])
        for record in await connection.fetch("SELECT * FROM roster_references WHERE kind = 'term'")
    }
    days: dict[str, tuple[date | None, date | None]] = {}
    for group in batch.groups:
        own = [terms[external_id] for kind, external_id in group.refers if kind == "term" and external_id in terms]
        firsts = [first for first, _ in own if first is not None]
        lasts = [last for _, last in own if last is not None]
        if group.external_id is not None:
            days[group.external_id] = (min(firsts, default=None), max(lasts, default=None))
    return days


def _told(row: MembershipRow, outcome: RowOutcome, reason: str = "") -> Told:
    key = row.external_id or f"{row.person_external_id} in {row.group}"
    return Told(row.place, "membership", key, outcome, reason)
