import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recognition.errors import RequestError
from recognition.types import Sighting
from storage import attendance, attendance_lists, groups, memberships, outbox, people, templates
from storage.database import Connection
from storage.errors import Conflict, NotFound
from storage.people import Consent
from storage.visibility import EVERYTHING
from stream_server.privacy.secrets import SecretBox

UTC_ZONE = ZoneInfo("UTC")
CIPHER = SecretBox(bytes(range(32)))


async def enrol(connection: Connection, person_id: UUID, seed: int = 0) -> templates.StoredTemplate:
    embedding = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    return await templates.add(
        connection,
        cipher=CIPHER,
        person_id=person_id,
        model_id="model-a",
        embedding=embedding,
        quality=0.8,
        source="photograph",
    )


async def event_types(connection: Connection) -> list[str]:
    return [event.type for event in await outbox.read_after(connection, 0)]


async def test_a_person_is_created_and_found(connection: Connection, noon: datetime) -> None:
    created = await people.create(connection, name="  Ada Lovelace ", external_id="7", at=noon, consent=Consent.GRANTED)
    assert created.name == "Ada Lovelace"
    assert (created.consent, created.consent_at) == (Consent.GRANTED, noon)
    assert created.template_count == 0
    assert await people.get(connection, EVERYTHING, created.person_id) == created


async def test_nobody_is_not_found(connection: Connection, noon: datetime) -> None:
    for call in (
        people.get(connection, EVERYTHING, uuid4()),
        people.update(connection, uuid4(), at=noon, name="X"),
        people.erase(connection, uuid4(), at=noon),
    ):
        with pytest.raises(NotFound) as missing:
            await call
        assert missing.value.code == "person_not_found"


@pytest.mark.parametrize("name", ["", "   ", "a\0b", "line\nbreak", "x" * 201, "\ud800"])
async def test_a_name_that_cannot_be_stored_is_refused(connection: Connection, noon: datetime, name: str) -> None:
    with pytest.raises(RequestError) as refused:
        await people.create(connection, name=name, at=noon)
    assert refused.value.code == "name_invalid"


async def test_an_external_id_belongs_to_one_person(connection: Connection, noon: datetime) -> None:
    await people.create(connection, name="Ada", external_id="7", at=noon)
    other = await people.create(connection, name="Grace", at=noon)
    with pytest.raises(Conflict) as created:
        await people.create(connection, name="Eve", external_id="7", at=noon)
    with pytest.raises(Conflict) as updated:
        await people.update(connection, other.person_id, at=noon, external_id="7")
    assert created.value.code == updated.value.code == "external_id_taken"
    # The connection is still of use: the failure was confined to its own savepoint.
    assert (await people.get(connection, EVERYTHING, other.person_id)).external_id is None


async def test_an_update_changes_only_what_is_given(connection: Connection, noon: datetime) -> None:
    person = await people.create(connection, name="Ada", external_id="7", at=noon, consent=Consent.GRANTED)
    renamed = await people.update(connection, person.person_id, at=noon + timedelta(days=1), name="Ada L.")
    assert (renamed.name, renamed.external_id, renamed.consent_at) == ("Ada L.", "7", noon)
    cleared = await people.update(connection, person.person_id, at=noon, external_id=None)
    assert cleared.external_id is None
    assert await event_types(connection) == ["gallery.changed"]


async def test_revoking_consent_deletes_the_templates_at_once(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    await enrol(connection, ada.person_id)
    await enrol(connection, ada.person_id, seed=1)
    assert (await people.get(connection, EVERYTHING, ada.person_id)).template_count == 2
    later = noon + timedelta(hours=1)

    revoked = await people.update(connection, ada.person_id, at=later, consent=Consent.REVOKED)

    assert (revoked.consent, revoked.consent_at, revoked.template_count) == (Consent.REVOKED, later, 0)
    assert (await templates.load_gallery(connection, "model-a", CIPHER)).templates == []
    last = (await outbox.read_after(connection, 0))[-1]
    assert (last.type, last.payload) == ("gallery.changed", {"person_id": str(ada.person_id)})


@pytest.mark.parametrize("consent", [Consent.REVOKED, Consent.NONE])
async def test_revoking_consent_keeps_that_somebody_attended_and_no_trait_of_the_face(
    connection: Connection,
    ada: people.Person,
    make_sighting: Callable[..., Sighting],
    noon: datetime,
    consent: Consent,
) -> None:
    grace = await people.create(connection, name="Grace", at=noon, consent=Consent.GRANTED)
    kept = await attendance.record_sighting(connection, make_sighting(grace.person_id), UTC_ZONE)
    recorded = await attendance.record_sighting(connection, make_sighting(ada.person_id), UTC_ZONE)
    assert recorded.attendance_id is not None
    assert kept.attendance_id is not None
    before = await attendance_lists.get(connection, EVERYTHING, recorded.attendance_id)
    assert before.score is not None

    await people.update(connection, ada.person_id, at=noon, consent=consent)

    assert await attendance_lists.get(connection, EVERYTHING, recorded.attendance_id) == replace(before, score=None)
    assert (await attendance_lists.get(connection, EVERYTHING, kept.attendance_id)).score is not None
    seen = await connection.fetch("SELECT person_id FROM sightings")
    assert [row["person_id"] for row in seen] == [grace.person_id]


async def test_consent_alone_changes_no_gallery_but_its_end_is_told_to_all(
    connection: Connection, noon: datetime
) -> None:
    person = await people.create(connection, name="Ada", at=noon)
    await people.update(connection, person.person_id, at=noon, consent=Consent.GRANTED)
    assert await event_types(connection) == []
    # Sightings may wait on the disk of any server, also when the templates went before.
    await people.update(connection, person.person_id, at=noon, consent=Consent.REVOKED)
    assert await event_types(connection) == ["gallery.changed"]
    await people.update(connection, person.person_id, at=noon, consent=Consent.REVOKED)
    assert await event_types(connection) == ["gallery.changed"]


async def test_those_without_consent_are_told_apart(connection: Connection, ada: people.Person, noon: datetime) -> None:
    never = await people.create(connection, name="Never", at=noon)
    gone = await people.create(connection, name="Gone", at=noon, consent=Consent.GRANTED)
    await people.erase(connection, gone.person_id, at=noon)
    nobody = uuid4()
    asked = {ada.person_id, never.person_id, gone.person_id, nobody}
    assert await people.without_consent(connection, asked) == asked - {ada.person_id}
    assert await people.without_consent(connection, []) == set()


async def test_a_failed_change_leaves_neither_change_nor_event(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    await enrol(connection, ada.person_id)
    events = await outbox.latest_id(connection)

    async def fail() -> None:
        async with connection.transaction():
            await people.update(connection, ada.person_id, at=noon, consent=Consent.REVOKED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await people.get(connection, EVERYTHING, ada.person_id)).template_count == 1
    assert await outbox.latest_id(connection) == events


async def test_erasing_keeps_the_attendance_and_nothing_that_names_the_person(
    connection: Connection, ada: people.Person, make_sighting: Callable[..., Sighting], noon: datetime
) -> None:
    await enrol(connection, ada.person_id)
    recorded = await attendance.record_sighting(connection, make_sighting(ada.person_id), UTC_ZONE)

    gone = await people.erase(connection, ada.person_id, at=noon)

    assert (gone.name, gone.external_id, gone.consent) == ("erased", None, Consent.REVOKED)
    assert (gone.erased_at, gone.template_count) == (noon, 0)
    assert recorded.attendance_id is not None
    record = await attendance_lists.get(connection, EVERYTHING, recorded.attendance_id)
    assert (record.person_name, record.score, record.first_seen_at) == ("erased", None, noon)
    assert await connection.fetchval("SELECT count(*) FROM sightings") == 0
    events = await outbox.read_after(connection, 0)
    assert "Ada" not in repr(events)
    assert events[-1].type == "gallery.changed"
    assert await people.erase(connection, ada.person_id, at=noon + timedelta(days=1)) == gone
    with pytest.raises(Conflict):
        await people.update(connection, ada.person_id, at=noon, name="Ada")


async def test_people_are_listed_by_name_in_pieces_and_the_erased_only_when_asked_for(
    connection: Connection, noon: datetime
) -> None:
    for name in ("Cy", "Ann", "Bo", "Bo", "Dee"):
        await people.create(connection, name=name, at=noon)
    first = (await people.list_people(connection, EVERYTHING, limit=2)).items[0]
    await people.erase(connection, first.person_id, at=noon)

    names: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        page = await people.list_people(connection, EVERYTHING, limit=2, cursor=cursor)
        names += [person.name for person in page.items]
        cursor = page.next_cursor
        pages += 1
    assert names == ["Bo", "Bo", "Cy", "Dee"]
    assert pages == 2
    assert len((await people.list_people(connection, EVERYTHING, include_erased=True)).items) == 5


@pytest.fixture
async def alphabet(connection: Connection, noon: datetime) -> list[people.Person]:
    """People named A to L in this order."""
    return [await people.create(connection, name=letter * 3, at=noon) for letter in "ABCDEFGHIJKL"]


async def names_from(connection: Connection, cursor: str | None, limit: int = 4) -> str:
    """The first letters of everybody who is listed from the cursor to the end."""
    letters = ""
    for _ in range(20):
        page = await people.list_people(connection, EVERYTHING, limit=limit, cursor=cursor)
        letters += "".join(person.name[0] for person in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return letters
    raise AssertionError("the list has no end")


async def test_a_cursor_names_nobody(connection: Connection, alphabet: list[people.Person]) -> None:
    cursor = (await people.list_people(connection, EVERYTHING, limit=4)).next_cursor
    assert cursor is not None
    plain = base64.urlsafe_b64decode(cursor + "===").decode()
    assert not any(person.name in plain for person in alphabet)
    assert str(alphabet[3].person_id) in plain


@pytest.mark.parametrize(
    ("change", "rest"),
    [
        ("nothing", "EFGHIJKL"),
        ("add before", "EFGHIJKL"),
        ("add behind", "EEFGHIJKL"),
        ("erase", "EFGHIJKL"),
        ("rename to the end", "EFGHIJKLZ"),
        # Who is given twice is known by the id; who is left out would not be known at all.
        ("rename to the beginning", "CEFGHIJKL"),
        ("record consent", "DEFGHIJKL"),
    ],
)
async def test_a_list_goes_on_where_it_was_whatever_became_of_the_one_given_last(
    connection: Connection, alphabet: list[people.Person], noon: datetime, change: str, rest: str
) -> None:
    cursor = (await people.list_people(connection, EVERYTHING, limit=4)).next_cursor
    last = alphabet[3].person_id
    match change:
        case "add before":
            await people.create(connection, name="AAB", at=noon)
        case "add behind":
            await people.create(connection, name="EAA", at=noon)
        case "erase":
            await people.erase(connection, last, at=noon)
        case "rename to the end":
            await people.update(connection, last, at=noon, name="ZZZ")
        case "rename to the beginning":
            await people.update(connection, last, at=noon, name="AAA")
        case "record consent":
            await people.update(connection, last, at=noon, consent=Consent.GRANTED)
    assert await names_from(connection, cursor) == rest


async def test_a_cursor_of_somebody_who_was_never_there_goes_by_the_count(
    connection: Connection, alphabet: list[people.Person]
) -> None:
    document = json.dumps([str(uuid4()), "1", 4]).encode()
    assert await names_from(connection, base64.urlsafe_b64encode(document).decode()) == "DEFGHIJKL"


async def test_a_list_with_the_erased_goes_on_behind_them(
    connection: Connection, alphabet: list[people.Person], noon: datetime
) -> None:
    for person in alphabet[:6]:
        await people.erase(connection, person.person_id, at=noon)
    found: list[UUID] = []
    cursor = None
    while not found or cursor is not None:
        page = await people.list_people(connection, EVERYTHING, limit=4, cursor=cursor, include_erased=True)
        found += [person.person_id for person in page.items]
        cursor = page.next_cursor
    assert len(found) == len(set(found)) == 12


@pytest.mark.parametrize(
    "name",
    [
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
        "\u674e\u5c0f\u9f99",
        "O'Brien-\u0160imi\u0107",
    ],
)
async def test_names_of_all_scripts_are_stored_as_they_are(connection: Connection, noon: datetime, name: str) -> None:
    person = await people.create(connection, name=name, at=noon)
    assert (await people.get(connection, EVERYTHING, person.person_id)).name == name


@pytest.mark.parametrize("name", ["\u200d", "a\u202eb", "a\nb", "a\x00b"])
async def test_names_that_show_nothing_or_turn_the_line_around_are_refused(
    connection: Connection, noon: datetime, name: str
) -> None:
    with pytest.raises(RequestError) as refused:
        await people.create(connection, name=name, at=noon)
    assert refused.value.code == "name_invalid"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["Ada Lovelace", "Ádám 100%", "Grace Hopper"]),
        ("LOVE", ["Ada Lovelace"]),
        ("ádám", ["Ádám 100%"]),
        ("s-1", ["Ada Lovelace", "Grace Hopper"]),
        ("1815", []),
        ("100%", ["Ádám 100%"]),
        ("_", []),
        ("%", ["Ádám 100%"]),
        ("a\0da", ["Ada Lovelace"]),
    ],
)
async def test_people_are_found_by_part_of_the_name_or_the_beginning_of_the_id(
    connection: Connection, noon: datetime, text: str, found: list[str]
) -> None:
    await people.create(connection, name="Ada Lovelace", external_id="S-1815", at=noon)
    await people.create(connection, name="Grace Hopper", external_id="s-1906", at=noon)
    await people.create(connection, name="Ádám 100%", at=noon)
    gone = await people.create(connection, name="Ada Gone", external_id="s-1", at=noon)
    await people.erase(connection, gone.person_id, at=noon)
    page = await people.list_people(connection, EVERYTHING, text=text)
    assert sorted(person.name for person in page.items) == sorted(found)


async def test_the_members_of_a_group_are_those_of_the_day(connection: Connection, noon: datetime) -> None:
    group = await groups.create(connection, name="7a")
    today = noon.date()
    spans = {"Since ever": (None, None), "Until yesterday": (None, today - timedelta(days=1)), "Today": (today, today)}
    for name, (first, last) in spans.items():
        person = await people.create(connection, name=name, at=noon)
        await memberships.add(
            connection, group_id=group.group_id, person_id=person.person_id, starts_on=first, ends_on=last
        )
    await people.create(connection, name="Nowhere", at=noon)

    async def names(day: date | None) -> list[str]:
        page = await people.list_people(connection, EVERYTHING, group_id=group.group_id, day=day)
        return [person.name for person in page.items]

    assert await names(today) == ["Since ever", "Today"]
    assert await names(None) == ["Since ever", "Today", "Until yesterday"]


async def test_pages_of_a_search_leave_nobody_out(connection: Connection, noon: datetime) -> None:
    for number in range(5):
        await people.create(connection, name=f"Ada {number}", at=noon)
        await people.create(connection, name=f"Grace {number}", at=noon)
    found, cursor = [], None
    while True:
        page = await people.list_people(connection, EVERYTHING, text="ada", limit=2, cursor=cursor)
        found += [person.name for person in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [f"Ada {number}" for number in range(5)]
