import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from recognition.errors import InternalError, RequestError
from recognition.types import Sighting
from storage import attendance, attendance_lists, outbox, people, sessions
from storage.attendance import Method, Outcome, Status
from storage.database import Connection, Database
from storage.errors import Conflict, NotFound
from storage.visibility import EVERYTHING

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
MakeSighting = Callable[..., Sighting]


async def count(connection: Connection, table: str) -> int:
    number: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
    return number


async def test_the_first_sighting_makes_one_record_and_one_event(
    connection: Connection, ada: people.Person, make_sighting: MakeSighting, noon: datetime
) -> None:
    recorded = await attendance.record_sighting(connection, make_sighting(ada.person_id), UTC_ZONE)

    assert recorded.first
    assert recorded.attendance_id is not None
    record = await attendance_lists.get(connection, EVERYTHING, recorded.attendance_id)
    assert (record.status, record.method, record.camera_id) == (Status.PRESENT, Method.FACE, "door")
    assert record.first_seen_at == record.last_seen_at == noon
    assert record.person_name == "Ada"
    assert record.score == pytest.approx(0.69)
    opened, marked = await outbox.read_after(connection, 0)
    assert opened.type == "session.opened"
    assert (marked.type, marked.event_id) == ("attendance.marked", recorded.event_id)
    assert marked.payload == {
        "attendance_id": str(recorded.attendance_id),
        "session_id": str(recorded.session_id),
        "person": {"id": str(ada.person_id), "name": "Ada"},
        "status": "present",
        "method": "face",
        "first_seen": "2026-03-02T12:00:00+00:00",
        "camera": "door",
    }


async def test_a_later_and_an_earlier_sighting_widen_the_times_without_an_event(
    connection: Connection, ada: people.Person, make_sighting: MakeSighting, noon: datetime
) -> None:
    first = await attendance.record_sighting(connection, make_sighting(ada.person_id), UTC_ZONE)
    events = await outbox.latest_id(connection)
    for minutes in (30, -15, 5):
        again = await attendance.record_sighting(
            connection, make_sighting(ada.person_id, captured_at=noon + timedelta(minutes=minutes)), UTC_ZONE
        )
        assert again.outcome is Outcome.AGAIN
        assert again.attendance_id == first.attendance_id
        assert again.event_id is None

    assert first.attendance_id is not None
    record = await attendance_lists.get(connection, EVERYTHING, first.attendance_id)
    assert record.first_seen_at == noon - timedelta(minutes=15)
    assert record.last_seen_at == noon + timedelta(minutes=30)
    assert await outbox.latest_id(connection) == events


async def test_the_same_sighting_stored_twice_changes_nothing(
    connection: Connection, ada: people.Person, make_sighting: MakeSighting
) -> None:
    sighting = make_sighting(ada.person_id)
    first = await attendance.record_sighting(connection, sighting, UTC_ZONE)
    second = await attendance.record_sighting(connection, sighting, UTC_ZONE)

    assert second.outcome is Outcome.DUPLICATE
    assert (second.session_id, second.attendance_id) == (first.session_id, first.attendance_id)
    assert await count(connection, "sightings") == 1
    assert len(await outbox.read_after(connection, 0)) == 2


async def test_twenty_connections_at_once_make_one_session_one_record_and_one_event_a_person(
    database_dsn: str, make_sighting: MakeSighting, noon: datetime
) -> None:
    database = await Database.connect(database_dsn, pool_max=20)
    try:
        async with database.acquire() as connection:
            persons = [
                await people.create(connection, name=f"P{n}", at=noon, consent=people.Consent.GRANTED) for n in range(3)
            ]
        same = make_sighting(persons[0].person_id)

        async def store(number: int) -> attendance.Recorded:
            person = persons[number % 3]
            sighting = same if number % 6 == 0 else make_sighting(person.person_id, camera_id=f"cam-{number % 4}")
            async with database.acquire() as connection:
                return await attendance.record_sighting(connection, sighting, UTC_ZONE)

        results = await asyncio.gather(*(store(number) for number in range(60)))

        assert sum(result.first for result in results) == 3
        async with database.acquire() as connection:
            assert await count(connection, "class_sessions") == 1
            assert await count(connection, "attendance") == 3
            assert await count(connection, "sightings") == 51
            types = [event.type for event in await outbox.read_after(connection, 0)]
        assert sorted(types) == ["attendance.marked"] * 3 + ["session.opened"]
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("consent", "outcome"),
    [(people.Consent.NONE, Outcome.NOT_CONSENTED), (people.Consent.REVOKED, Outcome.NOT_CONSENTED)],
)
async def test_without_consent_nothing_is_stored(
    connection: Connection,
    make_sighting: MakeSighting,
    noon: datetime,
    consent: people.Consent,
    outcome: Outcome,
) -> None:
    person = await people.create(connection, name="Grace", at=noon, consent=consent)
    recorded = await attendance.record_sighting(connection, make_sighting(person.person_id), UTC_ZONE)

    assert recorded == attendance.Recorded(outcome)
    for table in ("sightings", "attendance", "class_sessions", "outbox"):
        assert await count(connection, table) == 0


async def test_somebody_erased_or_unknown_is_told_as_a_value(
    connection: Connection, ada: people.Person, make_sighting: MakeSighting, noon: datetime
) -> None:
    await people.erase(connection, ada.person_id, at=noon)
    erased = await attendance.record_sighting(connection, make_sighting(ada.person_id), UTC_ZONE)
    unknown = await attendance.record_sighting(connection, make_sighting(uuid4()), UTC_ZONE)

    assert erased.outcome is Outcome.ERASED
    assert unknown.outcome is Outcome.UNKNOWN_PERSON
    assert await count(connection, "sightings") == 0


async def test_a_revocation_waits_for_a_sighting_that_is_being_stored(
    database: Database, ada: people.Person, make_sighting: MakeSighting, noon: datetime
) -> None:
    async with database.acquire() as storing, database.acquire() as revoking:
        async with storing.transaction():
            await attendance.record_sighting(storing, make_sighting(ada.person_id), UTC_ZONE)
            async with revoking.transaction():
                await revoking.execute("SET LOCAL lock_timeout = '50ms'")
                with pytest.raises(Exception, match="lock timeout"):
                    await people.update(revoking, ada.person_id, at=noon, consent=people.Consent.REVOKED)
        await people.update(revoking, ada.person_id, at=noon, consent=people.Consent.REVOKED)
        later = await attendance.record_sighting(storing, make_sighting(ada.person_id), UTC_ZONE)
    assert later.outcome is Outcome.NOT_CONSENTED


async def test_a_status_set_by_hand_is_not_overwritten_by_a_face(
    connection: Connection, ada: people.Person, make_sighting: MakeSighting, noon: datetime
) -> None:
    by_hand = await attendance.mark_manually(
        connection, EVERYTHING, ada.person_id, noon, UTC_ZONE, status=Status.EXCUSED, note="dentist until one"
    )
    seen = await attendance.record_sighting(connection, make_sighting(ada.person_id), UTC_ZONE)

    assert by_hand.first
    assert (seen.outcome, seen.status) == (Outcome.AGAIN, Status.EXCUSED)
    assert by_hand.attendance_id is not None
    record = await attendance_lists.get(connection, EVERYTHING, by_hand.attendance_id)
    assert (record.status, record.method, record.note) == (Status.EXCUSED, Method.MANUAL, "dentist until one")
    assert record.first_seen_at == noon


async def test_marking_by_hand_twice_makes_one_record_and_one_event(connection: Connection, noon: datetime) -> None:
    person = await people.create(connection, name="Grace", at=noon)  # no consent is needed without a face
    first = await attendance.mark_manually(connection, EVERYTHING, person.person_id, noon, UTC_ZONE)
    second = await attendance.mark_manually(
        connection, EVERYTHING, person.person_id, noon, UTC_ZONE, status=Status.ABSENT, session_id=first.session_id
    )
    assert (first.first, second.first) == (True, False)
    assert second.status is Status.PRESENT
    marked = [event for event in await outbox.read_after(connection, 0) if event.type == "attendance.marked"]
    assert [event.payload["method"] for event in marked] == ["manual"]


async def test_marking_by_hand_refuses_what_it_cannot_store(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    with pytest.raises(NotFound):
        await attendance.mark_manually(connection, EVERYTHING, uuid4(), noon, UTC_ZONE)
    with pytest.raises(NotFound):
        await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, UTC_ZONE, session_id=uuid4())
    with pytest.raises(RequestError) as refused:
        await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, UTC_ZONE, note="a\0b")
    assert refused.value.code == "note_invalid"
    with pytest.raises(InternalError):
        await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, UTC_ZONE, method=Method.FACE)
    await people.erase(connection, ada.person_id, at=noon)
    with pytest.raises(Conflict) as erased:
        await attendance.mark_manually(connection, EVERYTHING, ada.person_id, noon, UTC_ZONE)
    assert erased.value.code == "person_erased"


async def test_a_wrong_camera_id_is_refused_before_anything_is_stored(
    connection: Connection, ada: people.Person, make_sighting: MakeSighting
) -> None:
    with pytest.raises(RequestError) as refused:
        await attendance.record_sighting(connection, make_sighting(ada.person_id, camera_id="Door 1"), UTC_ZONE)
    assert refused.value.code == "camera_id_invalid"
    assert await count(connection, "class_sessions") == 0


async def test_events_carry_nothing_biometric(
    connection: Connection, ada: people.Person, make_sighting: MakeSighting, noon: datetime
) -> None:
    await attendance.record_sighting(connection, make_sighting(ada.person_id), UTC_ZONE)
    await people.erase(connection, ada.person_id, at=noon)
    for event in await outbox.read_after(connection, 0):
        assert not {"embedding", "distance", "score", "quality", "runner_up_distance"} & set(event.payload)


async def test_records_are_listed_per_session_person_and_day_in_pieces(
    connection: Connection, make_sighting: MakeSighting, noon: datetime
) -> None:
    persons = [await people.create(connection, name=f"P{n}", at=noon, consent=people.Consent.GRANTED) for n in range(5)]
    for day in range(2):
        for person in persons:
            at = noon + timedelta(days=day)
            await attendance.record_sighting(connection, make_sighting(person.person_id, captured_at=at), BERLIN)

    today = await attendance_lists.list_records(connection, EVERYTHING, day=noon.date(), zone=BERLIN)
    assert [record.person_name for record in today.items] == [f"P{n}" for n in range(5)]
    assert today.next_cursor is None

    session_id = today.items[0].session_id
    names: list[str] = []
    cursor = None
    while True:
        page = await attendance_lists.list_records(
            connection, EVERYTHING, session_id=session_id, limit=2, cursor=cursor
        )
        names += [record.person_name for record in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert names == [f"P{n}" for n in range(5)]

    of_one = await attendance_lists.list_records(connection, EVERYTHING, person_id=persons[3].person_id)
    assert len(of_one.items) == 2
    everything = await attendance_lists.list_records(connection, EVERYTHING, limit=200)
    assert len(everything.items) == 10
    assert len((await sessions.list_sessions(connection, EVERYTHING)).items) == 2


@pytest.mark.parametrize("day", [date(1, 1, 2), date(9999, 12, 30)])
async def test_a_day_long_ago_or_far_ahead_has_no_records(connection: Connection, day: date) -> None:
    page = await attendance_lists.list_records(connection, EVERYTHING, day=day, zone=BERLIN)
    assert page.items == ()


async def test_an_unknown_record_is_not_found(connection: Connection) -> None:
    with pytest.raises(NotFound) as missing:
        await attendance_lists.get(connection, EVERYTHING, uuid4())
    assert missing.value.code == "attendance_not_found"


async def test_the_list_of_a_day_holds_its_sessions_only_and_a_status_chooses_among_them(
    connection: Connection, noon: datetime
) -> None:
    zone = ZoneInfo("UTC")
    for name, status, days in (("Ada", "present", 0), ("Bob", "absent", 0), ("Cyd", "absent", 1)):
        person = await people.create(connection, name=name, at=noon)
        at = noon + timedelta(days=days)
        await attendance.mark_manually(
            connection, EVERYTHING, person.person_id, at, zone, status=attendance.Status(status)
        )

    async def names(**conditions: Any) -> list[str]:
        page = await attendance_lists.list_records(connection, EVERYTHING, **conditions)
        return [record.person_name for record in page.items]

    assert await names(day=noon.date(), zone=zone) == ["Ada", "Bob"]
    assert await names(day=noon.date(), zone=zone, status=attendance.Status.ABSENT) == ["Bob"]
    assert await names(status=attendance.Status.ABSENT) == ["Bob", "Cyd"]
