"""iCalendar files: which lessons are in them, for which group and room, and the text that each is expanded from."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from recognition.errors import RequestError
from storage.names import is_printable
from storage.timetable_rows import LessonRow, PlannedTime
from stream_server.timetable.expansion import RuleUnusable, expand, recurs

# icalendar's own types: the value of a property is one of thirty.
Event: TypeAlias = Any
Calendar: TypeAlias = Any

EVENTS_MAX = 5000
ICAL_BYTES_MAX = 64 * 1024


class CalendarUnreadable(RequestError):
    """A file that is no calendar."""

    code = "calendar_unreadable"


def read_calendar(data: bytes, zone: ZoneInfo, after: datetime, before: datetime) -> list[LessonRow]:
    """The lessons of a file, in its order, with their times in the window; unusable ones carry their problem.

    Raises CalendarUnreadable.
    """
    calendar = _parsed(data)
    by_uid: dict[str, list[Event]] = {}
    lessons: list[LessonRow] = []
    for number, event in enumerate(calendar.walk("VEVENT"), 1):
        if number > EVENTS_MAX:
            raise CalendarUnreadable(f"the calendar has more than {EVENTS_MAX} events", hint="split it")
        uid = str(event.get("UID", "")).strip()
        if not uid or len(uid) > 500 or not uid.isprintable():
            lessons.append(LessonRow(number, "", "", problem="it has no usable UID"))
            continue
        if uid not in by_uid:
            lessons.append(LessonRow(number, uid, ""))
        by_uid.setdefault(uid, []).append(event)
    zones = calendar.walk("VTIMEZONE")
    return [
        lesson if lesson.problem else _lesson(lesson.row, lesson.uid, by_uid[lesson.uid], zones, zone, after, before)
        for lesson in lessons
    ]


def planned_times(ical: str, zone: ZoneInfo, after: datetime, before: datetime) -> tuple[PlannedTime, ...]:
    """The times of a stored lesson in another window. Raises RuleUnusable or CalendarUnreadable."""
    return _times(_parsed(ical.encode()).walk("VEVENT"), zone, after, before)


def _lesson(
    number: int, uid: str, events: list[Event], zones: list[Any], zone: ZoneInfo, after: datetime, before: datetime
) -> LessonRow:
    main = next((event for event in events if "RECURRENCE-ID" not in event), events[0])
    title = str(main.get("SUMMARY", "")).strip()
    try:
        for event in events:
            if event.errors:
                name, reason = event.errors[0]
                raise RuleUnusable(f"{name} cannot be understood: {str(reason)[:100]}")
        if not is_printable(title):
            raise RuleUnusable("its SUMMARY must have 1 to 200 printable characters")
        ical = _text(events, zones)
        if len(ical.encode()) > ICAL_BYTES_MAX:
            raise RuleUnusable(f"it has more than {ICAL_BYTES_MAX // 1024} KiB")
        times = _times(events, zone, after, before)
    except RuleUnusable as error:
        return LessonRow(number, uid, title if is_printable(title) else "", problem=str(error))
    return LessonRow(
        number, uid, title, tuple(_groups(main, title)), _line(main, "LOCATION"), ical, times, any(map(recurs, events))
    )


def _times(events: list[Event], zone: ZoneInfo, after: datetime, before: datetime) -> tuple[PlannedTime, ...]:
    return tuple(
        PlannedTime(one.occurrence, one.starts_at, one.ends_at, one.location)
        for one in expand(events, zone, after, before)
    )


def _groups(event: Event, title: str) -> Iterator[str]:
    """What may name the group, the surest first."""
    if own := _line(event, "X-ROLLCALL-GROUP"):
        yield own
    categories = event.get("CATEGORIES", [])
    for one in categories if isinstance(categories, list) else [categories]:
        for name in one.cats:
            if name := str(name).strip():
                yield name
    yield title


def _line(event: Event, name: str) -> str:
    value = str(event.get(name, "")).strip()
    return value if is_printable(value) else ""


def _text(events: list[Event], zones: list[Any]) -> str:
    import icalendar

    calendar = icalendar.Calendar()
    text = b"".join(event.to_ical() for event in events).decode()
    for zone in zones:
        if f"TZID={zone['TZID']}" in text or f'TZID="{zone["TZID"]}"' in text:
            calendar.add_component(zone)
    for event in events:
        kept = icalendar.Event()
        # What nobody needs to expand it, such as descriptions and who is invited, is not kept.
        for name in ("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS"):
            if name in event:
                kept[name] = event[name]
        if "RECURRENCE-ID" in event and "LOCATION" in event:
            kept["LOCATION"] = event["LOCATION"]
        calendar.add_component(kept)
    whole: bytes = calendar.to_ical()
    return whole.decode()


def _parsed(data: bytes) -> Calendar:
    import icalendar

    try:
        calendar = icalendar.Calendar.from_ical(data)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        reason = str(error)[:100] if str(error).isprintable() else ""
        raise CalendarUnreadable(f"the calendar cannot be read: {reason}", hint="give an iCalendar file") from error
    if getattr(calendar, "name", "") != "VCALENDAR":
        raise CalendarUnreadable("the file holds no calendar", hint="give an iCalendar file")
    return calendar
