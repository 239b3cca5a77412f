import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from stream_server.webhooks.payload import message_body, message_id, thin

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MARKED = {
    "attendance_id": "a",
    "session_id": "s",
    "person": {"id": "p", "name": "Ada Lovelace"},
    "status": "present",
    "method": "face",
    "first_seen": "2026-03-02T12:00:00+00:00",
    "camera": "door",
}


def test_a_message_holds_ids_and_fixed_words_and_no_name() -> None:
    body = json.loads(message_body("attendance.marked", NOON, MARKED, include_names=False))
    assert body == {
        "type": "attendance.marked",
        "timestamp": "2026-03-02T12:00:00+00:00",
        "data": {
            "attendance_id": "a",
            "session_id": "s",
            "person_id": "p",
            "status": "present",
            "method": "face",
            "camera": "door",
        },
    }


def test_names_are_sent_only_where_they_are_asked_for() -> None:
    assert thin(MARKED, include_names=True)["person_name"] == "Ada Lovelace"


def test_whatever_a_later_event_holds_stays_here_unless_it_is_known_to_be_harmless() -> None:
    payload = {
        "person_id": "p",
        "embedding": [0.1] * 128,
        "distance": 0.4,
        "note": "has a cold",
        "template": {"embedding": "x"},
        "status": "x" * 1000,
        "state": ["x"],
        "count": 3,
    }
    assert thin(payload, include_names=True) == {"person_id": "p"}


def test_an_event_has_one_message_id_for_each_receiver_and_life_of_the_database() -> None:
    one, other = uuid4(), uuid4()
    ids = {
        message_id(one, 7, NOON),
        message_id(other, 7, NOON),
        message_id(one, 8, NOON),
        message_id(one, 7, NOON + timedelta(seconds=1)),
    }
    assert len(ids) == 4
    assert message_id(one, 7, NOON) == message_id(one, 7, NOON)
