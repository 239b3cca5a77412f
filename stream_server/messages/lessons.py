"""JSON shapes of lessons and timetables."""

import re
from datetime import date, datetime, time
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StrictInt, WithJsonSchema

from stream_server.day import Day
from stream_server.messages.wire import Name, Page, Shape

Weekday = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
_CLOCK_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
_Year = Annotated[Day, Field(ge=date(2000, 1, 1), lt=date(2200, 1, 1))]


def _written_time(value: object) -> object:
    # A number would be taken for seconds since midnight; a zone would be one beside the site's.
    if not isinstance(value, time) and not (isinstance(value, str) and re.fullmatch(_CLOCK_TIME, value, re.ASCII)):
        raise ValueError("a time of the clock is written like 08:45")
    return value


ClockTime = Annotated[time, BeforeValidator(_written_time), WithJsonSchema({"type": "string", "pattern": _CLOCK_TIME})]


class Repeat(Shape):
    """How often a lesson is held."""

    every_weeks: StrictInt = Field(1, ge=1, le=52)
    days: Annotated[tuple[Weekday, ...], Field(max_length=7)] = Field((), description="Default: that of the first day.")
    until: _Year | None = Field(None, description="Last day; null: until further notice.")
    except_on: Annotated[tuple[_Year, ...], Field(max_length=400)] = Field((), description="Days without the lesson.")


class LessonForm(Shape):
    """A lesson to hold. Times are those of the site's clock."""

    title: Name = Field(examples=["Maths"])
    group_id: UUID | None = Field(None, description="Who is expected.")
    room_id: UUID | None = Field(None, description="Whose cameras count.")
    day: _Year = Field(description="First day.")
    starts_at: ClockTime = Field(examples=["08:00"])
    ends_at: ClockTime = Field(description="At or before the start: on the next day.", examples=["08:45"])
    repeat: Repeat | None = Field(None, description="Null: held once.")
    late_after_s: StrictInt | None = Field(None, ge=0, le=86_400, description="Null: as the settings say.")


class Lesson(Shape):
    """A lesson that may repeat."""

    id: UUID
    source: str = Field(description="The timetable it comes from; `form` when it was filled in by hand.")
    uid: str
    title: str
    group_id: UUID | None
    room_id: UUID | None
    late_after_s: int | None
    next_at: datetime | None = Field(description="When the next one that is planned starts.")
    planned_until: datetime | None
    version: int = Field(description="Also the `ETag`.")


class LessonTimes(Shape):
    """When a lesson is held, by the site's clock: as it was filled in."""

    day: date = Field(description="First day.")
    # As text: the format `time` of JSON Schema wants an offset, which a clock on the wall has not.
    starts_at: str = Field(examples=["08:00:00"])
    ends_at: str = Field(examples=["08:45:00"])
    repeat: Repeat | None


class OneLesson(Lesson):
    """A lesson, with what was filled in."""

    times: LessonTimes | None = Field(description="As it was filled in; null when it was imported.")


class Lessons(Page):
    """A page of lessons, earliest made first."""

    lessons: tuple[Lesson, ...]
