"""Lessons that are filled in by hand: the same iCalendar text that an imported lesson has."""

from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias, cast
from uuid import uuid4

from stream_server.messages.lessons import LessonForm, LessonTimes, Repeat, Weekday

# icalendar's own type: the value of a property is one of thirty.
Event: TypeAlias = Any

_DAYS = {"mo": 0, "tu": 1, "we": 2, "th": 3, "fr": 4, "sa": 5, "su": 6}


def as_calendar(form: LessonForm) -> str:
    """The iCalendar text of a form. Its times name no zone: they are those of the site's clock, whatever that is."""
    import icalendar

    first = _first_day(form)
    event = icalendar.Event()
    event.add("uid", str(uuid4()))
    event.add("dtstart", _at(first, form.starts_at))
    # One that ends at or before its start ends on the next day; longer than a day nothing is.
    ends_on = first if form.ends_at > form.starts_at else first + timedelta(days=1)
    event.add("dtend", _at(ends_on, form.ends_at))
    if form.repeat is not None:
        rule: dict[str, object] = {"freq": "weekly", "interval": form.repeat.every_weeks, "byday": _byday(form)}
        if form.repeat.until is not None:
            rule["until"] = form.repeat.until
        event.add("rrule", rule)
        for skipped in form.repeat.except_on:
            event.add("exdate", _at(skipped, form.starts_at))
    calendar = icalendar.Calendar()
    calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text.decode()


def times_of(ical: str) -> LessonTimes:
    """What was filled in, from the text that `as_calendar` made of it. The first day is that of the first lesson."""
    import icalendar

    event: Event = icalendar.Calendar.from_ical(ical).walk("VEVENT")[0]
    starts_at: datetime = event["DTSTART"].dt
    return LessonTimes(
        day=starts_at.date(),
        starts_at=starts_at.time().isoformat(),
        ends_at=event["DTEND"].dt.time().isoformat(),
        repeat=_repeat(event) if "RRULE" in event else None,
    )


def _repeat(event: Event) -> Repeat:
    rule = event["RRULE"]
    skipped = event.get("EXDATE", [])
    return Repeat(
        every_weeks=int(rule.get("INTERVAL", [1])[0]),
        days=tuple(cast(Weekday, str(name).lower()) for name in rule.get("BYDAY", [])),
        until=rule["UNTIL"][0] if "UNTIL" in rule else None,
        except_on=tuple(
            one.dt.date() for dates in (skipped if isinstance(skipped, list) else [skipped]) for one in dates.dts
        ),
    )


def _first_day(form: LessonForm) -> date:
    """The first day on or after the given one that is among the weekdays."""
    day = form.day
    wanted = {_DAYS[name] for name in form.repeat.days} if form.repeat is not None and form.repeat.days else set()
    while wanted and day.weekday() not in wanted:
        day += timedelta(days=1)
    return day


def _byday(form: LessonForm) -> list[str]:
    assert form.repeat is not None
    names = form.repeat.days or (list(_DAYS)[_first_day(form).weekday()],)
    return [name.upper() for name in dict.fromkeys(names)]


def _at(day: date, at: time) -> datetime:
    return datetime.combine(day, at.replace(tzinfo=None))
