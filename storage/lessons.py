"""Lessons, and the sessions that are planned from them. Sessions that have begun are never touched."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from storage import sessions
from storage.database import Connection, Record
from storage.errors import NotFound, Stale
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor
from storage.timetable_rows import PlannedTime
from storage.visibility import EVERYTHING, Visible

FORM = "form"
"""The source of lessons that were made one by one."""

_COLUMNS = """id, source, uid, title, group_id, room_id, late_after_s, ical, expanded_until, version, created_at,
    (SELECT min(s.starts_at) FROM class_sessions s WHERE s.lesson_id = lessons.id AND s.state = 'planned') AS next_at"""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson that may repeat. `next_at` is when the next planned one starts."""

    lesson_id: UUID
    source: str
    uid: str
    title: str
    group_id: UUID | None
    room_id: UUID | None
    late_after_s: int | None
    ical: str
    expanded_until: datetime | None
    version: int
    created_at: datetime
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class LessonContent:
    """What a lesson is, without when."""

    title: str
    group_id: UUID | None
    room_id: UUID | None
    late_after_s: int | None
    ical: str


async def create(connection: Connection, source: str, uid: str, content: LessonContent) -> UUID:
    """Add a lesson without sessions; one of this source and uid that was removed is there again."""
    lesson_id: UUID = await connection.fetchval(
        """
        INSERT INTO lessons (id, source, uid, title, group_id, room_id, late_after_s, ical)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (source, uid) DO UPDATE
        SET title = excluded.title, group_id = excluded.group_id, room_id = excluded.room_id, ical = excluded.ical,
            late_after_s = excluded.late_after_s, removed_at = NULL, version = lessons.version + 1
        RETURNING id
        """,
        uuid4(),
        source,
        uid,
        content.title,
        content.group_id,
        content.room_id,
        content.late_after_s,
        content.ical,
    )
    return lesson_id


async def change(connection: Connection, lesson_id: UUID, content: LessonContent, *, version: int | None) -> None:
    """Change what a lesson is, in the caller's transaction. Raises NotFound and Stale."""
    await lock(connection, lesson_id, version)
    await connection.execute(
        """
        UPDATE lessons SET title = $2, group_id = $3, room_id = $4, late_after_s = $5, ical = $6, version = version + 1
        WHERE id = $1
        """,
        lesson_id,
        content.title,
        content.group_id,
        content.room_id,
        content.late_after_s,
        content.ical,
    )


async def plan(
    connection: Connection,
    lesson_id: UUID,
    times: tuple[PlannedTime, ...],
    *,
    rooms: dict[str, UUID],
    zone: ZoneInfo,
    now: datetime,
    until: datetime,
) -> int:
    """Bring the lesson's planned sessions to these times, in the caller's transaction; return how many were changed.

    `times` are all that end after `now` and start before `until`. What is planned for another time is cancelled; what
    has begun, has ended, or was cancelled by hand stays. `rooms` are ids by small-letter name.
    """
    lesson = await get(connection, EVERYTHING, lesson_id)
    changed: int = await connection.fetchval(
        """
        WITH wanted AS (
            SELECT * FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::date[],
                                 $7::uuid[]) AS w (id, occurrence, starts_at, ends_at, site_day, room_id)
        ), cancelled AS (
            UPDATE class_sessions s SET state = 'cancelled', version = version + 1
            WHERE s.lesson_id = $1 AND s.state = 'planned' AND s.starts_at < $12 AND s.ends_at > $13
              AND NOT EXISTS (SELECT FROM wanted w WHERE w.occurrence = s.occurrence)
            RETURNING 1
        ), planned AS (
            INSERT INTO class_sessions AS s (id, kind, title, site_day, starts_at, ends_at, group_id, room_id,
                                             lesson_id, occurrence, late_after_s, state)
            SELECT id, 'scheduled', $8, site_day, starts_at, ends_at, $9, coalesce(room_id, $10), $1, occurrence, $11,
                   'planned'
            FROM wanted
            ON CONFLICT (lesson_id, occurrence) DO UPDATE
            SET title = excluded.title, site_day = excluded.site_day, starts_at = excluded.starts_at,
                ends_at = excluded.ends_at, group_id = excluded.group_id, room_id = excluded.room_id,
                late_after_s = excluded.late_after_s, state = 'planned', version = s.version + 1
            WHERE s.state IN ('planned', 'cancelled') AND NOT s.cancelled_by_hand
              AND (s.title, s.starts_at, s.ends_at, s.site_day, s.group_id, s.room_id, s.late_after_s, s.state)
                  IS DISTINCT FROM (excluded.title, excluded.starts_at, excluded.ends_at, excluded.site_day,
                                    excluded.group_id, excluded.room_id, excluded.late_after_s, 'planned')
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM cancelled) + (SELECT count(*) FROM planned)
        """,
        lesson_id,
        [uuid4() for _ in times],
        [one.occurrence for one in times],
        [one.starts_at for one in times],
        [one.ends_at for one in times],
        [sessions.day_of(one.starts_at, zone) for one in times],
        [None if one.room is None else rooms.get(one.room.lower()) for one in times],
        lesson.title,
        lesson.group_id,
        lesson.room_id,
        lesson.late_after_s,
        until,
        now,
    )
    await connection.execute("UPDATE lessons SET expanded_until = $2 WHERE id = $1", lesson_id, until)
    return changed


async def remove(connection: Connection, lesson_id: UUID, *, version: int | None, at: datetime) -> None:
    """Hold a lesson no longer: what is planned is cancelled, what was held stays. Raises NotFound and Stale."""
    async with connection.transaction():
        await lock(connection, lesson_id, version)
        await connection.execute(
            "UPDATE lessons SET removed_at = $2, version = version + 1 WHERE id = $1", lesson_id, at
        )
        await connection.execute(
            """
            UPDATE class_sessions SET state = 'cancelled', version = version + 1
            WHERE lesson_id = $1 AND state = 'planned'
            """,
            lesson_id,
        )


async def get(connection: Connection, visible: Visible, lesson_id: UUID) -> Lesson:
    """One lesson. Raises NotFound."""
    arguments: list[object] = [lesson_id]
    condition = visible.group("group_id", arguments)
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM lessons WHERE id = $1 AND removed_at IS NULL AND {condition}", *arguments
    )
    if row is None:
        raise NotFound(f"there is no lesson {lesson_id}", code="lesson_not_found")
    return _lesson(row)


async def list_lessons(
    connection: Connection,
    visible: Visible,
    *,
    source: str | None = None,
    group_id: UUID | None = None,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[Lesson]:
    """Lessons in the order they were made. Raises RequestError for a bad limit or cursor."""
    arguments: list[object] = [checked_limit(limit) + 1]
    conditions = ["removed_at IS NULL", visible.group("group_id", arguments)]
    if source is not None:
        arguments.append(source)
        conditions.append(f"source = ${len(arguments)}")
    if group_id is not None:
        arguments.append(group_id)
        conditions.append(f"group_id = ${len(arguments)}")
    if (after := time_cursor(cursor)) is not None:
        arguments += after
        conditions.append(f"(created_at, id) > (${len(arguments) - 1}, ${len(arguments)})")
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM lessons WHERE {' AND '.join(conditions)} ORDER BY created_at, id LIMIT $1", *arguments
    )
    return page_of([_lesson(row) for row in rows], limit, lambda lesson: (lesson.created_at, lesson.lesson_id))


async def lock_one_to_extend(connection: Connection, until: datetime) -> Lesson | None:
    """A repeating lesson that is planned to before `until`, or one whose time zone has changed, locked, and passed over
    by others; None: no more.
    """
    row = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM lessons
        WHERE removed_at IS NULL AND expanded_until < $1
          AND (position('RRULE' IN ical) > 0 OR expanded_until = 'epoch')
        ORDER BY expanded_until LIMIT 1 FOR UPDATE SKIP LOCKED
        """,
        until,
    )
    return None if row is None else _lesson(row)


async def set_expanded(connection: Connection, lesson_id: UUID, until: datetime) -> None:
    """Say that nothing more can be planned for a lesson up to then."""
    await connection.execute("UPDATE lessons SET expanded_until = $2 WHERE id = $1", lesson_id, until)


async def lock(connection: Connection, lesson_id: UUID, version: int | None) -> Lesson:
    """Hold others back from changing a lesson until the caller's transaction ends. Raises NotFound and Stale."""
    await connection.execute("SELECT 1 FROM lessons WHERE id = $1 FOR UPDATE", lesson_id)
    lesson = await get(connection, EVERYTHING, lesson_id)
    if version is not None and version != lesson.version:
        raise Stale
    return lesson


def _lesson(row: Record) -> Lesson:
    return Lesson(
        lesson_id=row["id"],
        source=row["source"],
        uid=row["uid"],
        title=row["title"],
        group_id=row["group_id"],
        room_id=row["room_id"],
        late_after_s=row["late_after_s"],
        ical=row["ical"],
        expanded_until=row["expanded_until"],
        version=row["version"],
        created_at=row["created_at"],
        next_at=row["next_at"],
    )
