"""The rule of what belongs to some groups, on a school in which every case of it occurs."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from storage import (
    attendance,
    attendance_lists,
    cameras,
    corrections,
    event_audiences,
    groups,
    lessons,
    memberships,
    people,
    punches,
    reports,
    reviews,
    session_clock,
    sessions,
)
from storage.attendance import Method, Status
from storage.attendance_policy import DEFAULT_POLICY
from storage.database import Connection
from storage.errors import Conflict, NotFound
from storage.reports import Layout, ReportFilter
from storage.visibility import EVERYBODYS, EVERYTHING, NOBODYS, Visible, is_known, known_people

ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def of(*group_ids: UUID) -> Visible:
    return Visible(frozenset(group_ids))


async def add_group(connection: Connection, name: str) -> UUID:
    return (await groups.create(connection, name=name)).group_id


async def add_person(connection: Connection, name: str, *group_ids: UUID) -> UUID:
    person = await people.create(connection, name=name, at=NOON, consent=people.Consent.GRANTED)
    for group_id in group_ids:
        await memberships.add(connection, group_id=group_id, person_id=person.person_id)
    return person.person_id


async def add_session(connection: Connection, group_id: UUID | None, starts_at: datetime = NOON) -> UUID:
    session_id = uuid4()
    await connection.execute(
        """
        INSERT INTO class_sessions (id, kind, title, site_day, starts_at, ends_at, state, group_id)
        VALUES ($1, 'scheduled', 'Lesson', $2, $3, $4, 'running', $5)
        """,
        session_id,
        starts_at.date(),
        starts_at,
        starts_at + timedelta(hours=1),
        group_id,
    )
    return session_id


async def mark(connection: Connection, person_id: UUID, session_id: UUID | None) -> UUID:
    made = await attendance.mark_manually(connection, EVERYTHING, person_id, NOON, ZONE, session_id=session_id)
    assert made.attendance_id is not None
    return made.attendance_id


async def add_review(connection: Connection, session_id: UUID, *person_ids: UUID) -> UUID:
    await cameras.ensure(connection, "door")
    review_id = uuid4()
    await connection.execute(
        """
        INSERT INTO reviews (id, session_id, camera_id, nearest_id, first_seen_at, last_seen_at)
        VALUES ($1, $2, 'door', $3, $4, $4)
        """,
        review_id,
        session_id,
        person_ids[0],
        NOON,
    )
    for number, person_id in enumerate(person_ids):
        await connection.execute(
            "INSERT INTO review_candidates (review_id, person_id, distance) VALUES ($1, $2, $3)",
            review_id,
            person_id,
            0.3 + number / 100,
        )
    return review_id


@dataclass
class School:
    """Ada is red, Bob is blue, Cyd is of no group; a lesson of each group, and the open check-in of the day."""

    red: UUID
    blue: UUID
    ada: UUID
    bob: UUID
    cyd: UUID
    red_lesson: UUID
    blue_lesson: UUID


@pytest.fixture
async def school(connection: Connection) -> School:
    red, blue = await add_group(connection, "Red"), await add_group(connection, "Blue")
    return School(
        red,
        blue,
        await add_person(connection, "Ada", red),
        await add_person(connection, "Bob", blue),
        await add_person(connection, "Cyd"),
        await add_session(connection, red),
        await add_session(connection, blue),
    )


async def names(connection: Connection, visible: Visible) -> set[str]:
    return {record.person_name for record in (await attendance_lists.list_records(connection, visible)).items}


async def refused(*works: object) -> None:
    for work in works:
        with pytest.raises(NotFound):
            await work  # type: ignore[misc]


async def test_people_are_those_who_are_or_were_members(connection: Connection, school: School) -> None:
    left = await people.create(connection, name="Left", at=NOON)
    await memberships.add(
        connection, group_id=school.red, person_id=left.person_id, ends_on=date(2001, 1, 1), role=memberships.Role.STAFF
    )
    page = await people.list_people(connection, of(school.red))
    assert [person.name for person in page.items] == ["Ada", "Left"]
    assert (await people.get(connection, of(school.red), school.ada)).name == "Ada"
    await refused(
        people.get(connection, of(school.red), school.bob),
        people.get(connection, of(school.red), school.cyd),
        people.get(connection, of(), school.ada),
    )
    assert (await people.list_people(connection, of())).items == ()
    assert await known_people(connection, of(school.red), [school.ada, school.bob, uuid4()]) == {school.ada}
    assert await known_people(connection, EVERYTHING, [school.ada, school.bob]) == {school.ada, school.bob}
    assert not await is_known(connection, of(), school.ada)


async def test_a_membership_that_is_deleted_was_never_there(connection: Connection, school: School) -> None:
    (membership,) = (await memberships.list_memberships(connection, of(school.red))).items
    assert membership.person_id == school.ada
    await memberships.remove(connection, membership.membership_id, version=None)
    await refused(
        people.get(connection, of(school.red), school.ada),
        memberships.get(connection, of(school.red), membership.membership_id),
    )


async def test_groups_memberships_and_lessons_are_those_of_the_groups(connection: Connection, school: School) -> None:
    both = await add_person(connection, "Both", school.red, school.blue)
    seen = (await memberships.list_memberships(connection, of(school.red), person_id=both)).items
    assert {one.group_name for one in seen} == {"Red"}
    other = (await memberships.list_memberships(connection, of(school.blue), person_id=both)).items[0]
    assert [one.name for one in (await groups.list_groups(connection, of(school.red), person_id=both)).items] == ["Red"]
    content = lessons.LessonContent("Maths", school.blue, None, None, "")
    lesson_id = await lessons.create(connection, "form", "1", content)
    alone = await lessons.create(connection, "form", "2", lessons.LessonContent("All", None, None, None, ""))
    assert (await lessons.list_lessons(connection, of(school.red))).items == ()
    assert [one.lesson_id for one in (await lessons.list_lessons(connection, of(school.blue))).items] == [lesson_id]
    await refused(
        memberships.get(connection, of(school.red), other.membership_id),
        groups.get(connection, of(school.red), school.blue),
        lessons.get(connection, of(school.red), lesson_id),
        lessons.get(connection, of(school.red), alone),
    )


async def test_a_guest_is_in_the_records_of_a_session_and_still_nobody_elses(
    connection: Connection, school: School
) -> None:
    record = await mark(connection, school.bob, school.red_lesson)
    await mark(connection, school.ada, school.blue_lesson)
    assert await names(connection, of(school.red)) == {"Bob"}
    assert (await attendance_lists.get(connection, of(school.red), record)).person_name == "Bob"
    await refused(
        people.get(connection, of(school.red), school.bob),
        attendance_lists.get(connection, of(school.blue), record),
        corrections.list_corrections(connection, of(school.blue), record),
    )
    assert await punches.list_of_person(connection, of(school.red), school.red_lesson, school.bob) == []
    await refused(punches.list_of_person(connection, of(school.red), school.blue_lesson, school.bob))
    assert await punches.list_of_person(connection, of(school.blue), school.red_lesson, school.bob) == []


async def test_a_session_of_no_group_shows_what_is_of_their_people(connection: Connection, school: School) -> None:
    for person_id in (school.bob, school.cyd):
        await mark(connection, person_id, None)
    session = await sessions.ensure_open_session(connection, NOON, ZONE)
    assert await names(connection, of(school.blue)) == {"Bob"}
    assert await names(connection, of(school.red)) == set()
    assert (await sessions.get(connection, of(school.blue), session.session_id)).kind == "open"
    await refused(sessions.get(connection, of(school.red), session.session_id))
    listed = (await sessions.list_sessions(connection, of(school.blue))).items
    assert {one.session_id for one in listed} == {session.session_id, school.blue_lesson}
    listed = (await sessions.list_sessions(connection, of(school.red))).items
    assert {one.session_id for one in listed} == {school.red_lesson}
    elsewhere = await add_session(connection, None)
    await mark(connection, school.ada, elsewhere)
    await refused(sessions.get(connection, of(school.red), session.session_id))
    await mark(connection, school.ada, None)
    assert (await sessions.get(connection, of(school.red), session.session_id)).kind == "open"
    assert (await sessions.list_sessions(connection, of())).items == ()


async def test_only_their_people_are_marked_and_only_where_they_are(connection: Connection, school: School) -> None:
    red = of(school.red)
    marks = {"at": NOON, "zone": ZONE}
    made = await attendance.mark_manually(connection, red, school.ada, **marks, session_id=school.red_lesson)
    assert made.first
    assert (await attendance.mark_manually(connection, red, school.ada, **marks)).first
    punch = {"at": NOON, "zone": ZONE, "policy": DEFAULT_POLICY, "method": Method.PIN}
    assert (await attendance.record_punch(connection, red, school.ada, **punch, session_id=school.red_lesson)).status
    await refused(
        attendance.mark_manually(connection, red, school.ada, **marks, session_id=school.blue_lesson),
        attendance.mark_manually(connection, red, school.bob, **marks, session_id=school.red_lesson),
        attendance.mark_manually(connection, red, school.bob, **marks),
        attendance.record_punch(connection, red, school.bob, **punch),
        attendance.record_punch(connection, red, school.ada, **punch, session_id=school.blue_lesson),
        session_clock.close_by_hand(connection, red, school.blue_lesson, ZONE, NOON, version=None),
    )
    # A place in which a lesson of others is held.
    room = await connection.fetchval("INSERT INTO rooms (id, name) VALUES ($1, 'Lab') RETURNING id", uuid4())
    await cameras.ensure(connection, "lab")
    await connection.execute("UPDATE cameras SET room_id = $1 WHERE id = 'lab'", room)
    await connection.execute("UPDATE class_sessions SET room_id = $1 WHERE id = $2", room, school.blue_lesson)
    await refused(attendance.record_punch(connection, red, school.ada, **punch, camera_id="lab"))
    assert await connection.fetchval("SELECT count(*) FROM attendance") == 2
    record = await mark(connection, school.bob, school.blue_lesson)
    change = {"version": None, "status": Status.LATE, "by_whom": "user:1", "reason": "bus", "at": NOON}
    await refused(corrections.correct(connection, red, record, **change))
    await corrections.correct(connection, of(school.blue), record, **change)


async def test_candidates_of_other_groups_are_not_named(connection: Connection, school: School) -> None:
    red = of(school.red)
    review_id = await add_review(connection, school.red_lesson, school.bob, school.ada)
    elsewhere = await add_review(connection, school.blue_lesson, school.ada)
    (review,) = (await reviews.list_reviews(connection, red)).items
    assert review.review_id == review_id
    assert [one.name for one in review.candidates] == ["Ada"]
    settle = {"by_whom": "user:1", "now": NOON, "zone": ZONE, "policy": DEFAULT_POLICY}
    await refused(
        reviews.get(connection, red, elsewhere),
        reviews.settle(connection, red, elsewhere, None, **settle),
        reviews.settle(connection, red, review_id, school.bob, **settle),
        reviews.get(connection, of(), review_id),
    )
    assert [one.name for one in (await reviews.get(connection, EVERYTHING, review_id)).candidates] == ["Bob", "Ada"]
    settled, _ = await reviews.settle(connection, EVERYTHING, review_id, school.bob, **settle)
    assert settled.settled_as == school.bob
    assert (await reviews.get(connection, red, review_id)).settled_as is None
    with pytest.raises(Conflict):
        await reviews.settle(connection, red, review_id, None, **settle)
    assert (await reviews.settle(connection, of(school.blue), elsewhere, None, **settle))[0].state == "nobody"


async def test_in_a_session_of_no_group_a_review_is_theirs_if_it_was_one_of_them(
    connection: Connection, school: School
) -> None:
    session_id = (await sessions.ensure_open_session(connection, NOON, ZONE)).session_id
    own = await add_review(connection, session_id, school.ada)
    mixed = await add_review(connection, session_id, school.bob, school.ada)
    assert [one.review_id for one in (await reviews.list_reviews(connection, of(school.red))).items] == [own]
    assert (await reviews.list_reviews(connection, of(school.blue))).items == ()
    both = (await reviews.list_reviews(connection, of(school.red, school.blue))).items
    assert {one.review_id for one in both} == {own, mixed}
    await connection.execute("DELETE FROM review_candidates WHERE review_id = $1", own)
    await refused(reviews.get(connection, of(school.red), own))


@pytest.mark.parametrize("layout", list(Layout))
async def test_reports_hold_what_is_theirs_and_count_no_more(
    connection: Connection, school: School, layout: Layout
) -> None:
    for person_id, session_id in (
        (school.ada, school.red_lesson),
        (school.ada, None),
        (school.bob, None),
        (school.bob, school.blue_lesson),
        (school.cyd, None),
    ):
        await mark(connection, person_id, session_id)
    wanted = ReportFilter(first_day=date(2026, 3, 1))

    async def text(visible: Visible) -> str:
        return "".join([piece async for piece in reports.csv_lines(connection, visible, layout, wanted, ZONE)])

    assert await text(of()) == ""
    of_red, of_all = await text(of(school.red)), await text(EVERYTHING)
    expected = {Layout.RECORDS: 2, Layout.PEOPLE: 1, Layout.SESSIONS: 2}[layout]
    assert of_red.count("\r\n") == expected
    assert await reports.count_up_to(connection, of(school.red), layout, wanted, ZONE, 99) == expected
    for stranger in ("Bob", "Cyd", str(school.blue_lesson), str(school.blue)):
        assert stranger not in of_red
    assert of_all.count("\r\n") > expected
    if layout is Layout.SESSIONS:
        assert all(line.split(",")[-3] == "1" for line in of_red.split("\r\n")[:-1]), of_red


async def test_a_made_up_cursor_does_not_tell_where_somebody_who_is_left_out_stands(
    connection: Connection, school: School
) -> None:
    from storage.paging import page_of

    for number in range(4):
        await add_person(connection, f"Zoe {number}", school.red)
    xmin = await connection.fetchval("SELECT xmin::text FROM people WHERE id = $1", school.bob)
    both = [page_of([1, 2], 1, lambda _, v=v: (school.bob, v, 1)).next_cursor for v in (xmin, "1")]
    right, wrong = [(await people.list_people(connection, of(school.red), cursor=cursor)).items for cursor in both]
    assert right == wrong
    # The cursor of somebody who sees everything is a place in the list, and no more.
    page = await people.list_people(connection, EVERYTHING, limit=2)
    rest = await people.list_people(connection, of(school.red), cursor=page.next_cursor)
    assert {person.name for person in rest.items} <= {"Ada", *(f"Zoe {number}" for number in range(4))}


async def test_events_and_queries_agree_on_whose_something_is(connection: Connection) -> None:
    chance = random.Random(7)
    group_ids = [await add_group(connection, f"Group {number}") for number in range(4)]
    persons = [
        await add_person(connection, f"Person {number}", *chance.sample(group_ids, chance.randrange(3)))
        for number in range(8)
    ]
    session_ids = [
        await add_session(connection, chance.choice([None, None, *group_ids]), NOON + timedelta(hours=number))
        for number in range(8)
    ]
    records = {
        await mark(connection, person_id, session_id): (session_id, person_id)
        for session_id in session_ids
        for person_id in chance.sample(persons, 4)
    }
    review_ids = [
        await add_review(connection, session_id, *chance.sample(persons, 1 + number % 3))
        for number, session_id in enumerate(session_ids)
    ]
    events = [
        *(
            ("attendance.marked", {"session_id": str(session_id), "person": {"id": str(person_id), "name": ""}})
            for session_id, person_id in records.values()
        ),
        *(("review.opened", {"review_id": str(review_id)}) for review_id in review_ids),
        *(("gallery.changed", {"person_id": str(person_id)}) for person_id in persons),
    ]
    audiences = await event_audiences.audiences(connection, events)
    whose = dict(zip([*records, *review_ids, *persons], audiences, strict=True))
    assert len(set(audiences)) > 8
    for size in range(5):
        visible = of(*chance.sample(group_ids, size))
        shown = {
            *(one.attendance_id for one in (await attendance_lists.list_records(connection, visible, limit=200)).items),
            *(one.review_id for one in (await reviews.list_reviews(connection, visible)).items),
            *(one.person_id for one in (await people.list_people(connection, visible)).items),
        }
        assert shown == {thing for thing, audience in whose.items() if visible.has(audience)}
    assert all(EVERYTHING.has(audience) for audience in (*audiences, NOBODYS))
    assert of().has(EVERYBODYS)
    assert not of(*group_ids).has(NOBODYS)
