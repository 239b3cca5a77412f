"""The types of events that are written to the outbox, and filters on them."""

import re
from collections.abc import Iterable

from recognition.errors import RequestError

EVENT_TYPES = {
    "access.changed": "somebody's access was changed or ended",
    "alert.cleared": "what an alert told of is over",
    "alert.raised": "something is wrong that somebody should look after",
    "attendance.corrected": "a record was corrected",
    "attendance.marked": "somebody was marked",
    "attendance.punched": "somebody came or went, where that is counted",
    "camera.changed": "a camera was added or changed",
    "camera.placed": "a camera was put into a room, or what being seen by it means was changed",
    "camera.removed": "a camera was removed",
    "camera.state": "a camera that the server opens changed its state",
    "device.paired": "a camera or phone was paired",
    "gallery.changed": "a person's enrolled faces or name changed",
    "review.opened": "a face that nearly matches waits for somebody to settle it",
    "review.settled": "it was settled",
    "roster.imported": "a roster was imported",
    "session.ended": "a session has ended, or was missed",
    "session.opened": "a session was made",
    "site.changed": "the site's name or time zone was changed",
    "webhook.disabled": "a webhook was switched off, because its receiver failed for too long or is gone",
}
FILTERS_MAX = 50

_FILTER = re.compile(r"[a-z_]+(\.[a-z_]+)*(\.\*)?")


def checked_filters(filters: Iterable[str]) -> list[str]:
    """Filters such as `attendance.marked` or `attendance.*`, without repeats. None at all means every event.

    Raises RequestError `event_type_unknown` for one that no event of this version would ever pass.
    """
    found = sorted(set(filters))
    if len(found) > FILTERS_MAX:
        raise RequestError(f"there are more than {FILTERS_MAX} filters", code="event_type_unknown")
    for text in found:
        if not _FILTER.fullmatch(text) or not any(passes(text, type_) for type_ in EVENT_TYPES):
            raise RequestError(
                f"no event has the type {text[:80]!r}",
                hint=f"there are {', '.join(sorted(EVENT_TYPES))}; `attendance.*` stands for all that begin so",
                code="event_type_unknown",
            )
    return found


def passes(filter_: str, type_: str) -> bool:
    """Whether an event of the type passes one filter."""
    return type_.startswith(filter_[:-1]) if filter_.endswith(".*") else type_ == filter_


def like_patterns(filters: Iterable[str]) -> list[str]:
    """The same filters as PostgreSQL's LIKE has them; all events for none."""
    patterns = [text.replace("_", r"\_").replace(".*", ".%") for text in filters]
    return patterns or ["%"]
