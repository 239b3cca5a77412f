"""From the rule of a lesson to the times at which it is held, within a window. RFC 5545: RRULE, RDATE, EXDATE,
RECURRENCE-ID, TZID.

Rules are expanded by the clock on the wall and only then become moments, so that a lesson at eight stays at eight when
the clocks change. A time that a change of clocks leaves out is the moment that the offset before it gives (3.3.5).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

# An icalendar.Event: the value of a property is one of thirty types.
Event: TypeAlias = Any

WINDOW_DAYS = 400
OCCURRENCES_MAX = 1000
"""Lessons of one rule in one window; a lesson every day for 400 days has 400."""

LENGTH_MAX = timedelta(hours=24)
# How far a rule is walked to reach the window.
_STEPS_MAX = 20_000
_YEARS = range(2000, 2200)
# Others make hundreds a day, or may walk for minutes to a time that never comes.
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_PARTS = frozenset(
    {
        "FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO",
        "BYSETPOS", "BYHOUR", "BYMINUTE", "BYSECOND",
    }
)  # fmt: skip
_ONLY_SLOW = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"})


class RuleUnusable(ValueError):
    """The event cannot become lessons; the message is the reason, for whoever made the file."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One lesson: when it was to start by the rule, and when it really does. UTC. `location` None: as usual."""

    occurrence: datetime
    starts_at: datetime
    ends_at: datetime
    location: str | None = None


def expand(
    events: Iterable[Event],
    zone: ZoneInfo,
    after: datetime,
    before: datetime,
) -> list[Occurrence]:
    """The lessons of one UID that end after `after` and start before `before`, in order; cancelled ones are left out.

    `events` are the event itself and its exceptions. Times without a zone are in `zone`. Raises RuleUnusable.
    """
    main: Event = None
    changed: dict[datetime, Event] = {}
    for event in events:
        if "RECURRENCE-ID" not in event:
            if main is not None:
                raise RuleUnusable("two events have this UID")
            main = event
            continue
        recurrence = event["RECURRENCE-ID"]
        if recurrence.params.get("RANGE"):
            raise RuleUnusable("a change of this and all later lessons (RANGE) is not understood: split the event")
        changed[_moment(_wall(recurrence, "RECURRENCE-ID"), zone)] = event
    found: dict[datetime, Occurrence] = {}
    if main is not None and not _is_cancelled(main):
        # A lesson may have been moved into the window from a week or so outside of it.
        margin = timedelta(days=31) if changed else timedelta(0)
        for one in _regular(main, zone, after - margin, before + margin):
            found[one.occurrence] = one
    for moment, event in changed.items():
        found.pop(moment, None)
        if not _is_cancelled(event):
            starts_at, length = _span(event, zone)
            location = str(event["LOCATION"]).strip() if "LOCATION" in event else None
            found[moment] = Occurrence(moment, starts_at, starts_at + length, location)
    lessons = sorted(
        (one for one in found.values() if one.ends_at > after and one.starts_at < before),
        key=lambda one: one.starts_at,
    )
    if len(lessons) > OCCURRENCES_MAX:
        raise RuleUnusable(f"it is held {len(lessons)} times; at most {OCCURRENCES_MAX} are planned")
    return lessons


def recurs(event: Event) -> bool:
    """Whether an event may bring forth lessons beyond any window."""
    return "RRULE" in event


def _regular(event: Event, zone: ZoneInfo, after: datetime, before: datetime) -> Iterator[Occurrence]:
    start = _wall(event["DTSTART"], "DTSTART")
    starts_at, length = _span(event, zone)
    left_out = {_moment(_as_time(wall, start), zone) for wall in _dates(event, "EXDATE")}
    moments = {starts_at} if not recurs(event) else set()
    if recurs(event):
        own_zone = start.tzinfo or zone
        for wall in _walls(event, start, own_zone, after, before):
            moments.add(_moment(wall.replace(tzinfo=start.tzinfo), zone))
    moments |= {_moment(_as_time(wall, start), zone) for wall in _dates(event, "RDATE")}
    for moment in sorted(moments - left_out):
        if moment + length > after and moment < before:
            yield Occurrence(moment, moment, moment + length)


def _walls(event: Event, start: datetime, zone: tzinfo, after: datetime, before: datetime) -> Iterator[datetime]:
    """What the clock on the wall shows at each start by the rule, up to `before`."""
    from dateutil.rrule import rrulestr

    rules = event["RRULE"]
    if isinstance(rules, list):
        raise RuleUnusable("it has several rules (RRULE); one is understood")
    parts = {str(name).upper(): values for name, values in rules.items()}
    _check_rule(parts)
    naive = start.replace(tzinfo=None)
    ends = [before.astimezone(zone).replace(tzinfo=None) + timedelta(days=1)]
    for until in parts.pop("UNTIL", []):
        if isinstance(until, datetime):
            ends.append((until.astimezone(zone) if until.tzinfo else until).replace(tzinfo=None))
        else:
            ends.append(datetime(until.year, until.month, until.day, 23, 59, 59))
    text = ";".join(part for part in rules.to_ical().decode().split(";") if not part.upper().startswith("UNTIL="))
    try:
        rule = rrulestr(text, dtstart=naive)
        for steps, wall in enumerate(takewhile(lambda wall: wall <= min(ends), rule)):
            if steps > _STEPS_MAX:
                raise RuleUnusable(f"its rule is held more than {_STEPS_MAX} times")
            yield wall
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, RuleUnusable):
            raise
        raise RuleUnusable(f"its rule cannot be understood: {str(error)[:100]}") from error


def _check_rule(parts: dict[str, list[Any]]) -> None:
    frequency = str(parts.get("FREQ", [""])[0]).upper()
    if frequency not in _FREQUENCIES:
        raise RuleUnusable(f"lessons repeat daily, weekly, monthly or yearly, not {frequency[:20] or 'like this'}")
    if unknown := sorted(set(parts) - _PARTS):
        raise RuleUnusable(f"{unknown[0][:20]} in its rule is not understood")
    if frequency in ("DAILY", "WEEKLY") and (slow := sorted(_ONLY_SLOW & set(parts))):
        raise RuleUnusable(f"{slow[0]} does not go with {frequency}")
    if any(int(interval) < 1 for interval in parts.get("INTERVAL", ())):
        raise RuleUnusable("its INTERVAL is less than 1")
    if any(len(parts.get(name, ())) > 4 for name in ("BYHOUR", "BYMINUTE", "BYSECOND")):
        raise RuleUnusable("it is held too often a day")


def _span(event: Event, zone: ZoneInfo) -> tuple[datetime, timedelta]:
    """When the first lesson starts, in UTC, and how long each takes."""
    if "DTSTART" not in event:
        raise RuleUnusable("it has no usable DTSTART")
    starts_at = _moment(_wall(event["DTSTART"], "DTSTART"), zone)
    if "DTEND" in event:
        length = _moment(_wall(event["DTEND"], "DTEND"), zone) - starts_at
    elif "DURATION" in event:
        length = timedelta(seconds=event["DURATION"].dt.total_seconds())
    else:
        raise RuleUnusable("it has no end (DTEND or DURATION)")
    if not timedelta(0) < length <= LENGTH_MAX:
        raise RuleUnusable("it ends before it starts, or takes more than a day")
    return starts_at, length


def _wall(value: Any, name: str) -> datetime:
    """A point in time as it is written, with its zone if it has one."""
    found: date = value.dt
    if not isinstance(found, datetime):
        raise RuleUnusable(f"{name} is a whole day; a lesson has a time")
    if found.year not in _YEARS:
        raise RuleUnusable(f"{name} lies in the year {found.year}")
    if found.tzinfo is None and value.params.get("TZID"):
        raise RuleUnusable(f"the time zone {str(value.params['TZID'])[:60]!r} is not known")
    return found


def _dates(event: Event, name: str) -> Iterator[datetime | date]:
    listed = event.get(name, [])
    for group in listed if isinstance(listed, list) else [listed]:
        for one in group.dts:
            found = one.dt
            if not isinstance(found, date):  # a period
                raise RuleUnusable(f"{name} with periods is not understood")
            yield found


def _as_time(wall: datetime | date, start: datetime) -> datetime:
    # A date alone leaves out the lesson of that day.
    return wall if isinstance(wall, datetime) else datetime.combine(wall, start.timetz())


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    return (wall if wall.tzinfo is not None else wall.replace(tzinfo=zone)).astimezone(UTC)


def _is_cancelled(event: Event) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"
