"""Imports of timetables: everything in one transaction, and a dry run is the same one rolled back."""

from collections import Counter
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from storage import lessons
from storage.database import Connection
from storage.lessons import LessonContent
from storage.roster_import import Imported
from storage.roster_rows import Place, RowOutcome, Told
from storage.timetable_rows import LessonRow
from storage.visibility import EVERYTHING

# One import at a time; it spells "times" in ASCII.
_LOCK = 0x74696D6573


async def import_timetable(
    connection: Connection,
    rows: list[LessonRow],
    *,
    source: str,
    late_after_s: int | None,
    zone: ZoneInfo,
    now: datetime,
    until: datetime,
    apply: bool,
) -> Imported:
    """Bring the lessons of a source to what the rows say; lessons that are not among them are no longer held.

    Only what has not begun changes. Nothing is stored unless `apply`.
    """
    told: list[Told] = []
    warnings: list[str] = []
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        groups, rooms = await _ids_by_name(connection, "groups"), await _ids_by_name(connection, "rooms")
        known = await _known(connection, source)
        for row in rows:
            outcome, reason = RowOutcome.REFUSED, row.problem
            if not reason:
                outcome, reason = await _take(
                    connection, row, groups, rooms, known.get(row.uid), source, late_after_s, zone, now, until
                )
                if row.room and row.room.lower() not in rooms:
                    warnings.append(f"event {row.row} ({row.title}): there is no room {row.room!r}")
            told.append(Told(Place("the calendar", row.row), "lesson", row.uid, outcome, reason))
        uids = {row.uid for row in rows}
        for uid, lesson in known.items():
            if uid not in uids:
                await lessons.remove(connection, lesson.lesson_id, version=None, at=now)
                reason = "it is not in the calendar any more"
                told.append(Told(Place("", 0), "lesson", uid, RowOutcome.REMOVED, reason))
    except BaseException:
        await transaction.rollback()
        raise
    if apply:
        await transaction.commit()
    else:
        await transaction.rollback()
    return Imported(apply, tuple(told), tuple(warnings))


async def _take(
    connection: Connection,
    row: LessonRow,
    groups: dict[str, UUID],
    rooms: dict[str, UUID],
    known: lessons.Lesson | None,
    source: str,
    late_after_s: int | None,
    zone: ZoneInfo,
    now: datetime,
    until: datetime,
) -> tuple[RowOutcome, str]:
    group_id = next((groups[name.lower()] for name in row.groups if name.lower() in groups), None)
    if group_id is None:
        named = " or ".join(repr(name) for name in row.groups[:3])
        return RowOutcome.REFUSED, f"no group is called {named}: name it in CATEGORIES"
    content = LessonContent(row.title, group_id, rooms.get(row.room.lower()), late_after_s, row.ical)
    if known is None:
        if not row.times and not row.recurs:
            return RowOutcome.SKIPPED, "it lies in the past"
        lesson_id = await lessons.create(connection, source, row.uid, content)
        outcome, reason = RowOutcome.CREATED, f"{len(row.times)} sessions"
    else:
        lesson_id, outcome, reason = known.lesson_id, RowOutcome.UNCHANGED, ""
        if content != _content(known):
            await lessons.change(connection, lesson_id, content, version=None)
            outcome = RowOutcome.UPDATED
    changed = await lessons.plan(connection, lesson_id, row.times, rooms=rooms, zone=zone, now=now, until=until)
    if outcome is not RowOutcome.CREATED and changed:
        outcome, reason = RowOutcome.UPDATED, f"{changed} sessions"
    return outcome, reason


def _content(lesson: lessons.Lesson) -> LessonContent:
    return LessonContent(lesson.title, lesson.group_id, lesson.room_id, lesson.late_after_s, lesson.ical)


async def _known(connection: Connection, source: str) -> dict[str, lessons.Lesson]:
    found: dict[str, lessons.Lesson] = {}
    cursor: str | None = None
    while True:
        page = await lessons.list_lessons(connection, EVERYTHING, source=source, limit=200, cursor=cursor)
        found |= {lesson.uid: lesson for lesson in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return found


async def room_ids(connection: Connection) -> dict[str, UUID]:
    """The ids of all rooms by small-letter name and by external id."""
    return await _ids_by_name(connection, "rooms")


async def _ids_by_name(connection: Connection, table: str) -> dict[str, UUID]:
    """Ids by small-letter name and external id; a name that two have names nothing."""
    where = "WHERE removed_at IS NULL" if table == "groups" else ""
    rows = await connection.fetch(
        f"SELECT id, lower(name) AS name, lower(external_id) AS external_id FROM {table} {where}"
    )
    names = Counter(row["name"] for row in rows)
    ids = {row["name"]: row["id"] for row in rows if names[row["name"]] == 1}
    return ids | {row["external_id"]: row["id"] for row in rows if row["external_id"] is not None}
