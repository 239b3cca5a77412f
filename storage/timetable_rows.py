"""The lessons of a timetable, whatever they come from."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PlannedTime:
    """One lesson: when it was to start by its rule, and when it really does, UTC. `room` None: as usual."""

    occurrence: datetime
    starts_at: datetime
    ends_at: datetime
    room: str | None = None


@dataclass(frozen=True, slots=True)
class LessonRow:
    """A lesson that may repeat. `groups` are what may name its group, the surest first; `problem` is why it is
    unusable.

    `ical` is what later times are expanded from, `times` those of the window.
    """

    row: int
    uid: str
    title: str
    groups: tuple[str, ...] = ()
    room: str = ""
    ical: str = ""
    times: tuple[PlannedTime, ...] = ()
    recurs: bool = False
    problem: str = ""
