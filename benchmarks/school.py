"""A large school, made up: people, sessions and a year of attendance, written with COPY."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from storage.database import open_connection

FIRST_DAY = date(2025, 8, 25)
FIRST_NAMES = ("Ada", "Björn", "Chloé", "Đorđe", "Emeka", "Fatima", "Gül", "Hao", "Inès", "Juan", "Kofi", "Léa")
LAST_NAMES = (
    "Abe",
    "Brown",
    "Çelik",
    "Diop",
    "Eriksen",
    "Fischer",
    "García",
    "Huang",
    "Ivanova",
    "Jones",
    "Kaur",
    "Li",
)
STATUSES = (*("present",) * 88, *("late",) * 5, *("absent",) * 5, *("excused",) * 2)


@dataclass(frozen=True, slots=True)
class SchoolSize:
    """How large. Records: classes times lessons of a class times people of a class."""

    people: int = 10_000
    classes: int = 200
    lessons_of_a_class: int = 200

    @property
    def records(self) -> int:
        """Attendance records of the year."""
        return self.people * self.lessons_of_a_class


@dataclass(frozen=True, slots=True)
class School:
    """What was written: ids to ask for, one group a class, the school's last day, and how many records there are."""

    people: Sequence[UUID]
    groups: Sequence[UUID]
    sessions: Sequence[UUID]
    last_day: date
    records: int


async def write_school(dsn: str, size: SchoolSize, seed: int = 1) -> School:
    """Fill an empty, migrated database."""
    chance = random.Random(seed)
    people = [UUID(int=chance.getrandbits(128), version=4) for _ in range(size.people)]
    groups = [UUID(int=chance.getrandbits(128), version=4) for _ in range(size.classes)]
    lessons = list(_lessons(size, chance))
    connection = await open_connection(dsn, command_timeout_s=None)
    try:
        await connection.copy_records_to_table(
            "people",
            records=(
                (person_id, person_name(number), f"s-{number:05}", "granted") for number, person_id in enumerate(people)
            ),
            columns=("id", "name", "external_id", "consent"),
        )
        await connection.copy_records_to_table(
            "groups",
            records=((group_id, f"Class {number + 1}", "table") for number, group_id in enumerate(groups)),
            columns=("id", "name", "source"),
        )
        of_a_class = size.people // size.classes
        await connection.copy_records_to_table(
            "memberships",
            records=(
                (UUID(int=chance.getrandbits(128), version=4), groups[number // of_a_class], person_id, "student")
                for number, person_id in enumerate(people[: of_a_class * size.classes])
            ),
            columns=("id", "group_id", "person_id", "role"),
        )
        await connection.copy_records_to_table(
            "class_sessions",
            records=(
                (
                    lesson.session_id,
                    "scheduled",
                    lesson.title,
                    lesson.starts_at,
                    lesson.ends_at,
                    groups[lesson.class_number],
                )
                for lesson in lessons
            ),
            columns=("id", "kind", "title", "starts_at", "ends_at", "group_id"),
        )
        # Made anew below: one by one they would be the most of the work.
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'attendance' AND indexname LIKE '%_by_%'"
        )
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        await connection.execute("INSERT INTO cameras (id, name) VALUES ('room-1', 'Room 1')")
        await connection.copy_records_to_table(
            "attendance",
            records=_records(lessons, people, size, chance),
            columns=(
                "id",
                "session_id",
                "person_id",
                "status",
                "method",
                "first_seen_at",
                "last_seen_at",
                "camera_id",
                "created_at",
            ),
        )
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return School(people, groups, [lesson.session_id for lesson in lessons], lessons[-1].starts_at.date(), size.records)


@dataclass(frozen=True, slots=True)
class _Lesson:
    session_id: UUID
    class_number: int
    title: str
    starts_at: datetime
    ends_at: datetime


def _lessons(size: SchoolSize, chance: random.Random) -> Iterator[_Lesson]:
    """One lesson a day for each class, on workdays, in the order of time."""
    day, number = FIRST_DAY, 0
    while number < size.lessons_of_a_class:
        if day.weekday() < 5:
            for class_number in range(size.classes):
                starts_at = datetime(day.year, day.month, day.day, 8 + class_number % 6, tzinfo=UTC)
                title = f"Class {class_number + 1}"
                yield _Lesson(
                    UUID(int=chance.getrandbits(128), version=4),
                    class_number,
                    title,
                    starts_at,
                    starts_at + timedelta(minutes=45),
                )
            number += 1
        day += timedelta(days=1)


def _records(
    lessons: Sequence[_Lesson], people: Sequence[UUID], size: SchoolSize, chance: random.Random
) -> Iterator[tuple[object, ...]]:
    of_a_class = size.people // size.classes
    for lesson in lessons:
        first = lesson.class_number * of_a_class
        for number in range(first, first + of_a_class):
            status = chance.choice(STATUSES)
            came = status in ("present", "late")
            seen_at = lesson.starts_at + timedelta(seconds=chance.randrange(1800)) if came else None
            last_at = lesson.ends_at if came else None
            by_face = came and chance.random() < 0.9
            yield (
                UUID(int=chance.getrandbits(128), version=4),
                lesson.session_id,
                people[number],
                status,
                "face" if by_face else "manual",
                seen_at,
                last_at,
                "room-1" if by_face else None,
                lesson.ends_at + timedelta(microseconds=number),
            )


def person_name(number: int) -> str:
    """The made-up name of somebody; no two are the same."""
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[number // len(FIRST_NAMES) % len(LAST_NAMES)]
    return f"{first} {last} {number}"
