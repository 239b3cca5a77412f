from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from storage import attendance, attendance_lists, outbox, people, reviews
from storage.attendance_policy import AttendancePolicy
from storage.database import Connection
from storage.errors import Conflict, NotFound
from storage.visibility import EVERYTHING

BERLIN = ZoneInfo("Europe/Berlin")
POLICY = AttendancePolicy()


async def put_up(connection: Connection, at: datetime, *candidates: tuple[UUID, float]) -> UUID | None:
    return await reviews.record(connection, camera_id="door", candidates=candidates, at=at, zone=BERLIN, policy=POLICY)


async def settle(connection: Connection, review_id: UUID, person_id: UUID | None, now: datetime) -> reviews.Review:
    settled, _ = await reviews.settle(
        connection, EVERYTHING, review_id, person_id, by_whom="office", now=now, zone=BERLIN, policy=POLICY
    )
    return settled


@pytest.fixture
async def alan(connection: Connection, noon: datetime) -> people.Person:
    return await people.create(connection, name="Alan", at=noon, consent=people.Consent.GRANTED)


async def test_a_face_that_nearly_matches_waits_with_its_candidates(
    connection: Connection, ada: people.Person, alan: people.Person, noon: datetime
) -> None:
    review_id = await put_up(connection, noon, (ada.person_id, 0.57), (alan.person_id, 0.59))
    assert review_id is not None
    assert await put_up(connection, noon + timedelta(seconds=5), (ada.person_id, 0.56)) is None
    (waiting,) = (await reviews.list_reviews(connection, EVERYTHING, state="open")).items
    assert (waiting.review_id, waiting.last_seen_at) == (review_id, noon + timedelta(seconds=5))
    assert [(one.name, one.distance) for one in waiting.candidates] == [
        ("Ada", pytest.approx(0.56)),
        ("Alan", pytest.approx(0.59)),
    ]
    event = (await outbox.read_after(connection, 0))[-1]
    assert event.type == "review.opened"
    assert "Ada" not in str(event.payload), "an event outlives what it tells of"
    assert "0.5" not in str(event.payload)
    assert (await attendance_lists.list_records(connection, EVERYTHING)).items == ()


async def test_who_it_was_is_marked_as_of_when_the_face_was_seen(
    connection: Connection, ada: people.Person, alan: people.Person, noon: datetime
) -> None:
    review_id = await put_up(connection, noon, (ada.person_id, 0.57))
    assert review_id is not None
    later = noon + timedelta(hours=2)
    settled = await settle(connection, review_id, alan.person_id, later)
    assert (settled.state, settled.settled_as, settled.settled_by) == ("person", alan.person_id, "office")
    (record,) = (await attendance_lists.list_records(connection, EVERYTHING)).items
    assert (record.person_id, record.method, record.first_seen_at) == (alan.person_id, "review", noon)
    assert await settle(connection, review_id, alan.person_id, later) == settled
    with pytest.raises(Conflict) as refused:
        await settle(connection, review_id, None, later)
    assert refused.value.code == "review_settled"
    assert len((await attendance_lists.list_records(connection, EVERYTHING)).items) == 1


async def test_nobody_marks_nobody_and_is_not_asked_again_for_a_while(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    review_id = await put_up(connection, noon, (ada.person_id, 0.57))
    assert review_id is not None
    await settle(connection, review_id, None, noon)
    assert (await attendance_lists.list_records(connection, EVERYTHING)).items == ()
    assert await put_up(connection, noon + timedelta(minutes=9), (ada.person_id, 0.57)) is None
    assert await put_up(connection, noon + timedelta(minutes=11), (ada.person_id, 0.57)) is not None


async def test_who_is_known_to_be_there_is_not_asked_about(
    connection: Connection, ada: people.Person, noon: datetime, make_sighting: Any
) -> None:
    assert await put_up(connection, noon, (ada.person_id, 0.57)) is not None
    await attendance.record_sighting(connection, make_sighting(ada.person_id), BERLIN)
    assert (await reviews.list_reviews(connection, EVERYTHING)).items == ()
    assert await put_up(connection, noon, (ada.person_id, 0.57)) is None


async def test_a_stranger_to_consent_is_never_put_up_and_taking_it_back_deletes_what_waits(
    connection: Connection, ada: people.Person, alan: people.Person, noon: datetime
) -> None:
    review_id = await put_up(connection, noon, (ada.person_id, 0.57), (alan.person_id, 0.58))
    assert review_id is not None
    await people.update(connection, alan.person_id, at=noon, consent=people.Consent.REVOKED)
    assert [one.name for one in (await reviews.get(connection, EVERYTHING, review_id)).candidates] == ["Ada"]
    await people.update(connection, ada.person_id, at=noon, consent=people.Consent.REVOKED)
    with pytest.raises(NotFound):
        await reviews.get(connection, EVERYTHING, review_id)
    assert await put_up(connection, noon, (ada.person_id, 0.57)) is None
    assert await put_up(connection, noon, (uuid4(), 0.57)) is None
    assert await connection.fetchval("SELECT count(*) FROM review_candidates") == 0


async def test_a_crowd_of_strangers_does_not_fill_the_table(
    connection: Connection, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "OPEN_MAX", 3)
    made = []
    for number in range(5):
        person = await people.create(connection, name=f"P{number}", at=noon, consent=people.Consent.GRANTED)
        made.append(await put_up(connection, noon, (person.person_id, 0.57)))
    assert [review_id is None for review_id in made] == [False, False, False, True, True]


async def test_reviews_expire(connection: Connection, ada: people.Person, noon: datetime) -> None:
    await put_up(connection, noon, (ada.person_id, 0.57))
    assert await reviews.prune(connection, noon) == 0
    assert await reviews.prune(connection, noon + timedelta(seconds=1)) == 1
