"""Who hears of an event, among those who see only what is of some groups. The rule itself is in `visibility`."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any
from uuid import UUID

from storage import visibility
from storage.database import Connection
from storage.visibility import EVERYBODYS, NOBODYS, Audience


class About(Enum):
    """What an event is about, and by that whose it is."""

    NOBODY = "nobody"  # things in which nobody is named, and which everybody may read
    RECORD = "record"
    SESSION = "session"
    REVIEW = "review"
    PERSON = "person"
    SITE = "site"  # accounts, devices, imports: for those who see everything


ABOUT = {
    "access.changed": About.SITE,
    "alert.cleared": About.SITE,
    "alert.raised": About.SITE,
    "attendance.corrected": About.RECORD,
    "attendance.marked": About.RECORD,
    "attendance.punched": About.RECORD,
    "camera.changed": About.NOBODY,
    "camera.placed": About.NOBODY,
    "camera.removed": About.NOBODY,
    "camera.state": About.NOBODY,
    "device.paired": About.SITE,
    "gallery.changed": About.PERSON,
    "review.opened": About.REVIEW,
    "review.settled": About.REVIEW,
    "roster.imported": About.SITE,
    "session.ended": About.SESSION,
    "session.opened": About.SESSION,
    "site.changed": About.NOBODY,
    "webhook.disabled": About.SITE,
}


async def audiences(connection: Connection, events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Audience]:
    """The audience of each event, given as type and payload.

    Groups and memberships count as they are now, not as they were. What cannot be understood, as from a later version,
    is for those who see everything.
    """
    found: list[Audience] = [NOBODYS] * len(events)
    records: dict[int, tuple[UUID, UUID | None]] = {}
    people: dict[int, UUID] = {}
    for number, (type_, payload) in enumerate(events):
        try:
            match ABOUT.get(type_, About.SITE):
                case About.NOBODY:
                    found[number] = EVERYBODYS
                case About.RECORD:
                    records[number] = UUID(payload["session_id"]), UUID(payload["person"]["id"])
                case About.SESSION:
                    records[number] = UUID(payload["session_id"]), None
                case About.PERSON:
                    people[number] = UUID(payload["person_id"])
                case About.REVIEW:
                    found[number] = await visibility.audience_of_review(connection, UUID(payload["review_id"]))
                case About.SITE:
                    pass
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    if records:
        for number, one in zip(
            records, await visibility.audiences_of_records(connection, records.values()), strict=True
        ):
            found[number] = (one,)
    if people:
        for number, one in zip(people, await visibility.audiences_of_people(connection, people.values()), strict=True):
            found[number] = (one,)
    return found
