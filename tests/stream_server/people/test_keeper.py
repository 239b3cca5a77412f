import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import pytest_asyncio
from tenacity import wait_none

from recognition.types import Template
from storage import people as people_table
from storage import templates as template_table
from storage import unknown_faces as unknown_face_table
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.templates import EnrolledFaces
from stream_server import due as due_module
from stream_server.events.bus import GALLERY_CHANGED
from stream_server.messages.wire import Event
from stream_server.people import keeper as people_module
from stream_server.people.keeper import PeopleKeeper
from stream_server.people.unknown_faces import forget_faces_like
from stream_server.privacy.secrets import SecretBox

MODEL = "model-a"
CIPHER = SecretBox(bytes(range(32)))


class Tables:
    """Enrolled people in memory, in place of the tables and of the pool."""

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.others: dict[UUID, int] = {}
        self.locked: set[UUID] = set()
        self.ignored: list[int] = []
        self.ignored_of_others = 0
        self.away = False
        self.reads = 0
        self.asked: list[Collection[UUID] | None] = []
        self.read = asyncio.Event()
        self.tried_while_away = asyncio.Event()

    def enrol(self, number: int, name: str) -> None:
        self.names[UUID(int=number)] = name

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Tables"]:
        if self.away:
            self.tried_while_away.set()
            raise StorageUnavailable("away")
        yield self

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncIterator[None]:
        yield

    async def load_gallery(
        self, _: Any, model_id: str, __: Any, *, person_ids: Collection[UUID] | None = None
    ) -> EnrolledFaces:
        assert model_id == MODEL
        self.reads += 1
        self.asked.append(person_ids)
        wanted = [person_id for person_id in self.names if person_ids is None or person_id in person_ids]
        faces = [
            Template(f"{person_id}-1", str(person_id), MODEL, np.full(128, person_id.int, np.float32))
            for person_id in wanted
            if person_id not in self.locked
        ]
        return EnrolledFaces(faces, len(wanted) - len(faces))

    async def load_ignored(self, _: Any, model_id: str, __: Any) -> list[Template]:
        return [Template("m-1", "ignored:1", model_id, np.full(128, number, np.float32)) for number in self.ignored]

    async def ignored_ids(self, _: Any, model_id: str) -> frozenset[UUID]:
        return frozenset(UUID(int=number) for number in self.ignored)

    async def count_ignored_of_others(self, _: Any, model_id: str) -> int:
        return self.ignored_of_others

    async def enrolled_names(
        self, _: Any, model_id: str, *, person_ids: Collection[UUID] | None = None
    ) -> dict[UUID, str]:
        return {one: name for one, name in self.names.items() if person_ids is None or one in person_ids}

    async def count_of_others(
        self, _: Any, model_id: str, *, person_ids: Collection[UUID] | None = None
    ) -> dict[UUID, int]:
        self.read.set()
        return {one: count for one, count in self.others.items() if person_ids is None or one in person_ids}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    tables = Tables()
    for name in ("load_gallery", "enrolled_names", "count_of_others"):
        monkeypatch.setattr(template_table, name, getattr(tables, name))
    for name in ("load_ignored", "ignored_ids", "count_ignored_of_others"):
        monkeypatch.setattr(unknown_face_table, name, getattr(tables, name))
    monkeypatch.setattr(people_module, "PAUSE_MAX_S", 0.0)
    monkeypatch.setattr(due_module, "wait_exponential_jitter", lambda **_: wait_none())
    tables.enrol(1, "Ada")
    return tables


@pytest_asyncio.fixture
async def keeper(tables: Any) -> AsyncIterator[PeopleKeeper]:
    keeper = PeopleKeeper(tables, MODEL, CIPHER)
    await keeper.load()
    running = asyncio.create_task(keeper.run())
    yield keeper
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def changed(type_: str = GALLERY_CHANGED, *, person: int | None = None) -> Event:
    data = {} if person is None else {"person_id": str(UUID(int=person))}
    return Event(id=1, type=type_, at=datetime(2026, 3, 2, tzinfo=UTC), data=data)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_names_and_templates_are_those_of_the_tables(keeper: PeopleKeeper, tables: Tables) -> None:
    assert keeper.name(str(UUID(int=1))) == "Ada"
    assert keeper.name(str(UUID(int=2))) is None
    assert (keeper.people, keeper.templates, keeper.of_other_models) == (1, 1, 0)
    match = keeper.gallery.search(np.full(128, 1, np.float32))
    assert match is not None
    assert match.person_id == str(UUID(int=1))


async def test_nobody_is_enrolled_before_the_first_look(tables: Any) -> None:
    keeper = PeopleKeeper(tables, MODEL, CIPHER)
    assert (keeper.people, len(keeper.gallery), keeper.gallery.model_id) == (0, 0, MODEL)


async def test_a_change_is_seen_and_a_gallery_in_use_stays_as_it_is(keeper: PeopleKeeper, tables: Tables) -> None:
    in_use = keeper.gallery
    tables.enrol(2, "Bob")
    keeper.on_event(changed())
    await until(lambda: keeper.people == 2)
    assert (len(in_use), len(keeper.gallery)) == (1, 2)
    assert in_use.generation != keeper.gallery.generation


async def test_somebody_who_was_erased_has_neither_name_nor_template(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.names.clear()
    keeper.on_event(changed())
    await until(lambda: keeper.people == 0)
    assert keeper.name(str(UUID(int=1))) is None
    assert keeper.gallery.search(np.full(128, 1, np.float32)) is None


async def test_events_of_other_kinds_read_nothing(keeper: PeopleKeeper, tables: Tables) -> None:
    keeper.on_event(changed("attendance.marked"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert tables.reads == 1


async def test_many_changes_at_once_are_read_once(keeper: PeopleKeeper, tables: Tables) -> None:
    for number in range(2, 100):
        tables.enrol(number, str(number))
        keeper.on_event(changed())
    await until(lambda: keeper.people == 99)
    for _ in range(5):
        await asyncio.sleep(0)
    assert tables.reads == 2


async def test_a_change_is_read_at_once_and_what_follows_it_together(
    keeper: PeopleKeeper, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    over = asyncio.Event()
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        if seconds > 0:
            pauses.append(seconds)
            await over.wait()
        else:
            await sleep(seconds)

    monkeypatch.setattr(people_module, "PAUSE_MAX_S", 7.0)
    monkeypatch.setattr(asyncio, "sleep", pause)
    tables.enrol(2, "Bob")
    keeper.on_event(changed(person=2))
    await until(lambda: keeper.people == 2)
    for number in range(3, 6):
        tables.enrol(number, str(number))
        keeper.on_event(changed(person=number))
        await until(lambda: bool(pauses))
    assert keeper.people == 2
    over.set()
    await until(lambda: keeper.people == 5)
    assert tables.asked == [None, {UUID(int=2)}, {UUID(int=number) for number in range(3, 6)}]


async def test_a_change_while_it_is_read_is_read_again(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.read.clear()
    keeper.on_event(changed())
    await tables.read.wait()
    tables.enrol(2, "Bob")
    keeper.on_event(changed())
    await until(lambda: keeper.people == 2)


async def test_a_change_during_an_outage_is_seen_after_it(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.away = True
    tables.enrol(2, "Bob")
    keeper.on_event(changed())
    await tables.tried_while_away.wait()
    assert keeper.people == 1
    tables.away = False
    await until(lambda: keeper.people == 2)


async def test_of_a_person_who_changed_nobody_else_is_read(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.enrol(2, "Bob")
    tables.enrol(3, "Cleo")
    for number in (2, 3):
        keeper.on_event(changed(person=number))
    await until(lambda: keeper.people == 3)
    assert tables.asked == [None, {UUID(int=2), UUID(int=3)}]
    tables.names[UUID(int=1)] = "Ada King"
    del tables.names[UUID(int=2)]
    keeper.on_event(changed(person=1))
    keeper.on_event(changed(person=2))
    await until(lambda: keeper.people == 2)
    assert [keeper.name(str(UUID(int=number))) for number in (1, 2, 3)] == ["Ada King", None, "Cleo"]
    whole = PeopleKeeper(tables, MODEL, CIPHER)  # type: ignore[arg-type]
    await whole.load()
    assert keeper.gallery.generation == whole.gallery.generation
    assert keeper.templates == 2


async def test_of_many_people_everybody_is_read(
    keeper: PeopleKeeper, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_module, "FEW", 3)
    for number in range(2, 6):
        tables.enrol(number, str(number))
        keeper.on_event(changed(person=number))
    await until(lambda: keeper.people == 5)
    assert tables.asked == [None, None]


async def test_a_person_who_changes_again_while_being_read_is_read_again(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.enrol(2, "Bob")
    tables.read.clear()
    keeper.on_event(changed(person=2))
    await tables.read.wait()
    tables.names[UUID(int=2)] = "Robert"
    keeper.on_event(changed(person=2))
    await until(lambda: keeper.name(str(UUID(int=2))) == "Robert")


@pytest.mark.parametrize("person", [None, 2])
async def test_what_a_defect_kept_from_being_read_is_read_when_the_task_is_started_again(
    tables: Any, monkeypatch: pytest.MonkeyPatch, person: int | None
) -> None:
    keeper = PeopleKeeper(tables, MODEL, CIPHER)
    await keeper.load()
    names = tables.enrolled_names

    async def broken(*_: Any, **__: Any) -> dict[UUID, str]:
        raise ZeroDivisionError

    monkeypatch.setattr(template_table, "enrolled_names", broken)
    tables.enrol(2, "Bob")
    keeper.on_event(changed(person=person))
    with pytest.raises(ZeroDivisionError):
        await keeper.run()
    monkeypatch.setattr(template_table, "enrolled_names", names)
    running = asyncio.create_task(keeper.run())
    await until(lambda: keeper.people == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_person_who_changes_during_an_outage_is_read_after_it(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.away = True
    tables.enrol(2, "Bob")
    keeper.on_event(changed(person=2))
    await tables.tried_while_away.wait()
    tables.away = False
    await until(lambda: keeper.people == 2)
    assert tables.asked[-1] == {UUID(int=2)}


async def test_a_person_whose_templates_cannot_be_opened_is_counted_and_read_with_all_until_they_can(
    keeper: PeopleKeeper, tables: Tables
) -> None:
    tables.enrol(2, "Bob")
    tables.locked.add(UUID(int=2))
    keeper.on_event(changed(person=2))
    await until(lambda: keeper.unreadable == 1)
    tables.locked.clear()
    keeper.on_event(changed(person=1))
    await until(lambda: keeper.people == 2)
    assert keeper.unreadable == 0


async def test_templates_of_other_models_are_counted_and_not_compared(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.others = {UUID(int=2): 3, UUID(int=3): 1}
    keeper.on_event(changed())
    await until(lambda: keeper.of_other_models == 4)
    assert keeper.templates == 1
    tables.others = {UUID(int=3): 2}
    keeper.on_event(changed(person=3))
    await until(lambda: keeper.of_other_models == 5)
    keeper.on_event(changed(person=2))
    await until(lambda: keeper.of_other_models == 2)


async def test_whose_templates_cannot_be_opened_has_no_name_and_is_counted(
    keeper: PeopleKeeper, tables: Tables
) -> None:
    tables.enrol(2, "Bob")
    tables.locked.add(UUID(int=2))
    keeper.on_event(changed())
    await until(lambda: keeper.unreadable == 1)
    assert (keeper.people, keeper.templates) == (1, 1)
    assert keeper.name(str(UUID(int=2))) is None


async def test_a_face_to_be_ignored_is_in_the_gallery_and_nobody(keeper: PeopleKeeper, tables: Tables) -> None:
    tables.ignored.append(9)
    keeper.on_event(changed())
    await until(lambda: tables.reads == 2 and keeper.gallery.search(np.full(128, 9, np.float32)).ignored)  # type: ignore[union-attr]
    assert (keeper.people, len(keeper.gallery)) == (1, 1)


async def test_ignored_faces_of_another_model_are_told_once(
    keeper: PeopleKeeper, tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    tables.ignored_of_others = 2
    for _ in range(2):
        await keeper.load()
    assert [record.args for record in caplog.records if "ignored" in record.message] == [(2,)]
    assert keeper.ignored_of_other_models == 2


async def test_an_ignored_face_that_goes_with_a_person_is_no_longer_compared_with(database: Database) -> None:
    at, vector = datetime(2026, 3, 2, tzinfo=UTC), np.ones(128, np.float32)
    made: dict[str, Any] = {"cipher": CIPHER, "model_id": MODEL, "embedding": vector, "quality": 0.5}
    async with database.acquire() as connection:
        ada = await people_table.create(connection, name="Ada", at=at, consent=people_table.Consent.GRANTED)
        await template_table.add(connection, person_id=ada.person_id, source="photograph", **made)
        face_id = await unknown_face_table.begin(connection, at)
        await unknown_face_table.add_member(connection, face_id, camera_id="door", at=at, crop_jpeg=None, **made)
        await unknown_face_table.ignore(connection, face_id, at, ignored_max=9)
    keeper = PeopleKeeper(database, MODEL, CIPHER)
    await keeper.load()
    found = keeper.gallery.search(vector)
    assert found is not None
    assert found.runner_up_distance == pytest.approx(0, abs=1e-2)
    async with database.acquire() as connection, connection.transaction():
        assert await forget_faces_like(connection, CIPHER, [ada.person_id], 0.5) == 1
        await people_table.erase(connection, ada.person_id, at=at)
    keeper.on_event(Event(id=1, type=GALLERY_CHANGED, at=at, data={"person_id": str(ada.person_id)}))
    await keeper.load_changed()
    assert keeper.gallery.search(vector) is None


@pytest.mark.parametrize("of_whom", ["everybody", "who changed"])
async def test_names_and_templates_are_read_of_one_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch, of_whom: str
) -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    async with database.acquire() as connection:
        ada = await people_table.create(connection, name="Ada", at=at, consent=people_table.Consent.GRANTED)
        await template_table.add(
            connection,
            cipher=CIPHER,
            person_id=ada.person_id,
            model_id=MODEL,
            embedding=np.ones(128, np.float32),
            quality=0.5,
            source="photograph",
        )
    load = template_table.load_gallery

    async def and_then_consent_goes(connection: Any, model_id: str, cipher: Any, **of: Any) -> EnrolledFaces:
        faces = await load(connection, model_id, cipher, **of)
        async with database.acquire() as other:
            await people_table.update(other, ada.person_id, at=at, consent=people_table.Consent.REVOKED)
        return faces

    monkeypatch.setattr(template_table, "load_gallery", and_then_consent_goes)
    keeper = PeopleKeeper(database, MODEL, CIPHER)
    if of_whom == "who changed":
        data = {"person_id": str(ada.person_id)}
        keeper.on_event(Event(id=1, type=GALLERY_CHANGED, at=at, data=data))
        await keeper.load_changed()
    else:
        await keeper.load()
    assert (len(keeper.gallery), keeper.name(str(ada.person_id))) == (1, "Ada")
