import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest

from stream_server.timetable.expansion import OCCURRENCES_MAX, Occurrence, RuleUnusable, expand
from tests.stream_server.timetable.calendars import calendar, event

BERLIN = ZoneInfo("Europe/Berlin")
AFTER = datetime(2026, 3, 1, tzinfo=UTC)
BEFORE = AFTER + timedelta(days=400)


def times(*events: str, after: datetime = AFTER, before: datetime = BEFORE) -> list[Occurrence]:
    return expand(icalendar.Calendar.from_ical(calendar(*events)).walk("VEVENT"), BERLIN, after, before)


def starts(*events: str, **window: datetime) -> list[str]:
    return [one.starts_at.strftime("%m-%dT%H:%M") for one in times(*events, **window)]


def test_a_single_event_is_held_once() -> None:
    (one,) = times(event())
    assert one.occurrence == one.starts_at == datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    assert one.ends_at - one.starts_at == timedelta(minutes=45)


def test_a_lesson_at_eight_stays_at_eight_when_the_clocks_change() -> None:
    assert starts(event("u", "20260323T080000", "20260323T084500", "RRULE:FREQ=WEEKLY;COUNT=3")) == [
        "03-23T07:00",
        "03-30T06:00",
        "04-06T06:00",
    ]
    autumn = event("u", "20261019T080000", "20261019T084500", "RRULE:FREQ=WEEKLY;COUNT=2")
    assert starts(autumn) == ["10-19T06:00", "10-26T07:00"]


def test_a_time_that_the_clocks_leave_out_is_held_an_hour_later_on_the_wall() -> None:
    missing = event("u", "20260328T023000", "20260328T031500", "RRULE:FREQ=DAILY;COUNT=3")
    assert starts(missing) == ["03-28T01:30", "03-29T01:30", "03-30T00:30"]


def test_an_endless_rule_ends_with_the_window() -> None:
    assert len(times(event("u", "20260302T080000", "20260302T084500", "RRULE:FREQ=WEEKLY"))) == 57
    assert len(times(event("u", "20200302T080000", "20200302T084500", "RRULE:FREQ=DAILY"))) == 400


@pytest.mark.parametrize(
    ("until", "count"),
    [("20260316T070000Z", 3), ("20260316T065959Z", 2), ("20260316", 3), ("20260316T080000", 3)],
)
def test_the_last_day_of_a_rule_counts(until: str, count: int) -> None:
    assert len(times(event("u", "20260302T080000", "20260302T084500", f"RRULE:FREQ=WEEKLY;UNTIL={until}"))) == count


def test_exceptions_are_left_out_and_extras_put_in() -> None:
    assert starts(
        event(
            "u",
            "20260302T080000",
            "20260302T084500",
            "RRULE:FREQ=WEEKLY;COUNT=4",
            "EXDATE;TZID=Europe/Berlin:20260309T080000",
            "EXDATE;VALUE=DATE:20260316",
            "RDATE;TZID=Europe/Berlin:20260304T100000",
        )
    ) == ["03-02T07:00", "03-04T09:00", "03-23T07:00"]


def test_one_lesson_may_be_moved_or_cancelled() -> None:
    main = event("u", "20260302T080000", "20260302T084500", "RRULE:FREQ=WEEKLY;COUNT=3")
    recurrence = "RECURRENCE-ID;TZID=Europe/Berlin:"
    moved = event("u", "20260310T100000", "20260310T110000", f"{recurrence}20260309T080000", "LOCATION:Annex")
    gone = event("u", "20260316T080000", "20260316T084500", f"{recurrence}20260316T080000", "STATUS:CANCELLED")
    first, second = times(main, moved, gone)
    assert first.starts_at == datetime(2026, 3, 2, 7, tzinfo=UTC)
    assert second.occurrence == datetime(2026, 3, 9, 7, tzinfo=UTC)
    assert (second.starts_at, second.location) == (datetime(2026, 3, 10, 9, tzinfo=UTC), "Annex")
    cancelled = event("u", "20260302T080000", "20260302T084500", "RRULE:FREQ=WEEKLY", "STATUS:CANCELLED")
    assert times(cancelled) == []


def test_times_without_a_zone_are_those_of_the_site_and_z_is_utc() -> None:
    assert starts(event("u", ":20260302T080000", ":20260302T084500")) == ["03-02T07:00"]
    assert starts(event("u", ":20260323T080000Z", ":20260323T084500Z", "RRULE:FREQ=WEEKLY;COUNT=2")) == [
        "03-23T08:00",
        "03-30T08:00",
    ]


def test_a_zone_that_the_calendar_brings_along_is_used() -> None:
    zone = """BEGIN:VTIMEZONE
TZID:Somewhere
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0530
TZOFFSETTO:+0530
END:STANDARD
END:VTIMEZONE""".replace("\n", "\r\n")
    own = event("u", ";TZID=Somewhere:20260302T080000", ";TZID=Somewhere:20260302T090000")
    assert starts(zone, own) == ["03-02T02:30"]


def test_only_what_overlaps_the_window_is_given() -> None:
    weekly = event("u", "20260302T080000", "20260302T084500", "RRULE:FREQ=WEEKLY")
    during = datetime(2026, 3, 9, 7, 30, tzinfo=UTC)
    assert starts(weekly, after=during, before=during + timedelta(days=7)) == ["03-09T07:00", "03-16T07:00"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("RRULE:FREQ=SECONDLY",), "repeat"),
        (("RRULE:FREQ=HOURLY",), "repeat"),
        (("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",), "does not go"),
        (("RRULE:FREQ=DAILY;INTERVAL=0",), "INTERVAL"),
        (("RRULE:FREQ=DAILY;BYMINUTE=0,1,2,3,4,5,6",), "too often"),
        (("RRULE:FREQ=DAILY;BYHOUR=8,9,10,11",), "times"),
        (("RRULE:FREQ=WEEKLY", "RRULE:FREQ=DAILY"), "several"),
        (("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260302T080000",), "RANGE"),
    ],
)
def test_a_rule_that_cannot_become_lessons_is_refused_with_a_reason(lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(RuleUnusable, match=reason):
        times(event("u", "20260302T080000", "20260302T084500", *lines))
    assert OCCURRENCES_MAX == 1000


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (";VALUE=DATE:20260302", ";VALUE=DATE:20260303", "whole day"),
        (";TZID=Mars/Olympus:20260302T080000", ":20260302T084500Z", "not known"),
        ("20260302T084500", "20260302T080000", "before it starts"),
        ("20260302T080000", "20260304T080000", "more than a day"),
        (":19000101T080000", ":19000101T084500", "1900"),
    ],
)
def test_an_event_without_usable_times_is_refused_with_a_reason(start: str, end: str, reason: str) -> None:
    with pytest.raises(RuleUnusable, match=reason):
        times(event("u", start, end))


@pytest.mark.parametrize("rule", ["FREQ=DAILY;INTERVAL=7;BYDAY=TU", "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2"])
def test_a_rule_that_never_comes_true_is_walked_to_its_end_and_no_further(rule: str) -> None:
    began = time.monotonic()
    assert times(event("u", "20260302T080000", "20260302T084500", f"RRULE:{rule}")) == []
    assert time.monotonic() - began < 60  # it must end at all; how long it takes is not tested
