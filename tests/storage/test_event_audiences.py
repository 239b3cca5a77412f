from uuid import uuid4

from storage.database import Connection
from storage.event_audiences import ABOUT, About, audiences
from storage.event_types import EVENT_TYPES
from storage.visibility import EVERYBODYS, NOBODYS


def test_of_every_type_of_event_it_is_said_whose_it_is() -> None:
    assert set(ABOUT) == set(EVENT_TYPES)


async def test_what_is_about_nobody_is_everybodys_and_what_is_not_understood_nobodys(connection: Connection) -> None:
    unknown = str(uuid4())
    events = [
        ("camera.state", {"camera": "door"}),
        ("later.version", {"camera": "door"}),
        *((type_, {}) for type_, about in ABOUT.items() if about is not About.NOBODY),
        ("attendance.marked", {"session_id": 7, "person": None}),
        ("attendance.marked", {"session_id": unknown, "person": {"id": unknown}}),
        ("session.ended", {"session_id": unknown}),
        ("review.opened", {"review_id": unknown}),
        ("gallery.changed", {"person_id": unknown}),
        ("gallery.changed", {"unknown_face": unknown}),
    ]
    found = await audiences(connection, events)
    assert found == [EVERYBODYS, *[NOBODYS] * (len(events) - 1)]
