"""Backups of real databases, restored into others."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from recognition.old_encodings import OldEncoding
from recognition.types import Embedding
from storage import audit, outbox, people, templates
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.gallery_backup import BackupPerson, BackupTemplate
from storage.people import Consent
from storage.visibility import EVERYTHING
from stream_server.people import gallery_file
from stream_server.people.encodings_import import RowOutcome, import_encodings
from stream_server.people.gallery_backup import OtherModel, read_backup, restore_backup, write_backup
from stream_server.people.gallery_file import BackupUnusable
from stream_server.privacy.auditing import command_auditor
from stream_server.privacy.secrets import SecretBox
from tests.postgres import TEMPLATE, _fresh

BOX = SecretBox(b"k" * 32)
AUDIT = command_auditor()
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PASSPHRASE = "correct horse battery"
MODEL = "a" * 64


def face(seed: int) -> Embedding:
    return np.random.default_rng(seed).normal(0, 0.1, 128).astype(np.float32)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_file, "SCRYPT_COST", {"n": 2, "r": 8, "p": 1})


@pytest.fixture
def other_dsn(postgres_server: Any) -> Iterator[str]:
    yield from _fresh(postgres_server, TEMPLATE)


@pytest.fixture
async def other(other_dsn: str) -> AsyncIterator[Database]:
    database = await Database.connect(other_dsn)
    yield database
    await database.close()


async def add(database: Database, name: str, *seeds: int, consent: Consent = Consent.GRANTED) -> people.Person:
    async with database.acquire() as connection:
        person = await people.create(connection, name=name, at=NOON, external_id=f"s-{name}", consent=consent)
        for seed in seeds:
            await templates.add(
                connection,
                cipher=BOX,
                person_id=person.person_id,
                model_id=MODEL,
                embedding=face(seed),
                quality=0.7,
                source="photograph",
            )
        return await people.get(connection, EVERYTHING, person.person_id)


async def backup(database: Database) -> bytes:
    file = io.BytesIO()
    await write_backup(file, PASSPHRASE, database, cipher=BOX, model="face.onnx", model_id=MODEL, audit=AUDIT)
    return file.getvalue()


async def restore(database: Database, content: bytes) -> Any:
    everybody = read_backup(io.BytesIO(content), PASSPHRASE, model_id=MODEL)
    return await restore_backup(database, everybody, cipher=BOX, model_id=MODEL, audit=AUDIT)


async def faces(database: Database) -> list[tuple[str, bytes]]:
    async with database.acquire() as connection:
        return sorted(
            (one.person_id, one.embedding.tobytes())
            for one in (await templates.load_gallery(connection, MODEL, BOX)).templates
        )


async def test_a_restored_gallery_is_the_same_to_the_bit(database: Database, other: Database) -> None:
    ada = await add(database, "Ada", 1, 2)
    await add(database, "Bob", consent=Consent.REVOKED)
    content = await backup(database)
    assert b"Ada" not in content
    report = await restore(other, content)
    assert (report.counts["added"], report.templates, report.refused) == (2, 2, [])
    assert await faces(other) == await faces(database) != []
    async with other.acquire() as connection:
        restored = await people.get(connection, EVERYTHING, ada.person_id)
        assert (restored.name, restored.external_id, restored.consent_at) == ("Ada", "s-Ada", NOON)
        facts = await templates.list_of_person(connection, ada.person_id)
        assert {(round(one.quality, 3), one.source) for one in facts} == {(0.7, "photograph")}
        consents = {person.name: person.consent for person in (await people.list_people(connection, EVERYTHING)).items}
        assert consents == {"Ada": Consent.GRANTED, "Bob": Consent.REVOKED}
        events = [(event.type, event.payload) for event in await outbox.read_after(connection, 0)]
        assert events == [("gallery.changed", {"person_id": str(ada.person_id)})]


async def test_restoring_twice_is_the_same_as_once(database: Database, other: Database) -> None:
    await add(database, "Ada", 1, 2)
    content = await backup(database)
    await restore(other, content)
    before = await faces(other)
    report = await restore(other, content)
    assert (report.counts["unchanged"], report.templates) == (1, 0)
    assert await faces(other) == before


async def test_who_took_consent_back_or_was_erased_since_gets_no_templates(database: Database) -> None:
    ada, bob, cyd = await add(database, "Ada", 1), await add(database, "Bob", 2), await add(database, "Cyd", 3)
    content = await backup(database)
    async with database.acquire() as connection:
        await people.update(connection, ada.person_id, at=NOON, consent=Consent.REVOKED)
        await people.erase(connection, bob.person_id, at=NOON)
        (facts,) = await templates.list_of_person(connection, cyd.person_id)
        await templates.delete(connection, facts.template_id)
    report = await restore(database, content)
    assert {refused["id"] for refused in report.refused} == {str(ada.person_id), str(bob.person_id)}
    assert [person_id for person_id, _ in await faces(database)] == [str(cyd.person_id)]
    async with database.acquire() as connection:
        assert (await people.get(connection, EVERYTHING, bob.person_id)).name == people.ERASED_NAME


async def test_a_number_that_somebody_else_has_refuses_this_person_only(database: Database, other: Database) -> None:
    await add(database, "Ada", 1)
    await add(database, "Bob", 2)
    await add(other, "Ada")  # another person with the same number
    report = await restore(other, await backup(database))
    assert (report.counts["refused"], report.counts["added"], report.templates) == (1, 1, 1)


async def test_templates_of_another_network_are_refused_with_words(database: Database) -> None:
    await add(database, "Ada", 1)
    content = await backup(database)
    with pytest.raises(OtherModel) as error:
        read_backup(io.BytesIO(content), PASSPHRASE, model_id="b" * 64)
    assert "never compared" in error.value.hint


async def test_of_a_damaged_backup_nothing_is_restored(database: Database, other: Database) -> None:
    for number in range(30):
        await add(database, f"Person {number}", *range(number * 20, number * 20 + 6))
    content = await backup(database)
    assert len(content) > 2 * gallery_file.PIECE_BYTES
    for damaged in (content[:-1], content[: len(content) // 2], content[:-20] + b"\0" * 20):
        with pytest.raises(BackupUnusable):
            await restore(other, damaged)
    assert await faces(other) == []


async def test_when_the_database_fails_in_the_middle_nothing_was_changed(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Ada", "Bob", "Cyd"):
        await add(database, name, len(name))
    content = await backup(database)
    create, calls = people.create, 0

    async def fails_at_last(*args: Any, **options: Any) -> people.Person:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ConnectionResetError
        return await create(*args, **options)

    monkeypatch.setattr(people, "create", fails_at_last)
    with pytest.raises(Exception, match="PostgreSQL"):
        await restore(other, content)
    async with other.acquire() as connection:
        assert (await people.list_people(connection, EVERYTHING)).items == ()


async def make_plain(database: Database, person: people.Person) -> None:
    """Make the person's templates what they were before templates were encrypted."""
    async with database.acquire() as connection:
        for template_id, vector in (await templates.vectors_of_person(connection, person.person_id, BOX)).items():
            assert vector is not None
            await connection.execute(
                "UPDATE templates SET sealed = NULL, embedding = $2 WHERE id = $1", template_id, vector.tobytes()
            )


async def test_a_backup_between_an_upgrade_and_the_first_start_holds_the_faces(
    database: Database, other: Database
) -> None:
    await make_plain(database, await add(database, "Ada", 1, 2))
    report = await restore(other, await backup(database))
    assert (report.counts["added"], report.templates) == (1, 2)
    assert await faces(other) == await faces(database) != []


async def test_what_is_restored_beside_plain_templates_is_not_added_twice(database: Database) -> None:
    ada = await add(database, "Ada", 1, 2)
    content = await backup(database)
    await make_plain(database, ada)
    report = await restore(database, content)
    assert (report.counts["unchanged"], report.templates) == (1, 0)


async def test_a_backup_without_templates_that_somebody_holds_is_refused(database: Database) -> None:
    await make_plain(database, await add(database, "Ada", 1))
    async with database.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM templates FOR UPDATE")
        with pytest.raises(StorageUnavailable, match="not encrypted yet"):
            await backup(database)


async def exports(database: Database) -> int:
    async with database.acquire() as connection:
        return len((await audit.list_entries(connection, action="gallery.exported")).items)


async def test_a_backup_is_noted_when_it_is_complete_and_not_when_it_fails(database: Database) -> None:
    await add(database, "Ada", 1)

    class FullDisk(io.BytesIO):
        def write(self, content: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await write_backup(FullDisk(), PASSPHRASE, database, cipher=BOX, model="f", model_id=MODEL, audit=AUDIT)
    assert await exports(database) == 0
    await backup(database)
    await backup(database)
    assert await exports(database) == 2


@pytest.fixture
def first_template(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Stop whoever has stored a first template until somebody else waits for a lock, or stands there as well."""

    def stop(on_first: Callable[[], None]) -> None:
        add_template = templates.add
        stood: set[Any] = set()

        async def adding(connection: Any, **options: Any) -> Any:
            stored = await add_template(connection, **options)
            if connection not in stood:
                stood.add(connection)
                if len(stood) == 1:
                    on_first()
                async with database.acquire() as other, asyncio.timeout(20):
                    while len(stood) < 2 and not await other.fetchval(
                        "SELECT count(*) FROM pg_locks WHERE NOT granted"
                    ):
                        await asyncio.sleep(0.01)
            return stored

        monkeypatch.setattr(templates, "add", adding)

    return stop


async def test_a_restore_and_an_import_of_old_encodings_at_once_wait_for_each_other(
    database: Database, first_template: Callable[[Callable[[], None]], None]
) -> None:
    ada, bob = await add(database, "Ada", 1), await add(database, "Bob", 2)
    content = await backup(database)
    async with database.acquire() as connection:
        await connection.execute("DELETE FROM templates")
    first_template(lambda: None)
    # One of them brings a face that the other has as well: it is stored once.
    rows = [OldEncoding(1, "Bob", None, face(3), ""), OldEncoding(2, "Ada", None, face(1), "")]
    report, results = await asyncio.gather(
        restore(database, content),
        import_encodings(
            database,
            rows,
            cipher=BOX,
            model_id=MODEL,
            add_with_consent=False,
            dry_run=False,
            at=NOON,
            audit=AUDIT,
        ),
    )
    imported = sum(result.outcome is RowOutcome.IMPORTED for result in results)
    assert report.templates + imported == 3
    assert [result.outcome for result in results].count(RowOutcome.REFUSED) == 0
    stored = [(str(one.person_id), face(seed).tobytes()) for one, seed in ((ada, 1), (bob, 2), (bob, 3))]
    assert await faces(database) == sorted(stored)


async def test_a_restore_and_an_import_that_add_the_same_people_wait_for_each_other(
    database: Database, other: Database, first_template: Callable[[Callable[[], None]], None]
) -> None:
    await add(other, "Ada", 1)
    await add(other, "Bob", 2)
    content = await backup(other)
    first_template(lambda: None)
    rows = [OldEncoding(1, "Bob", "s-Bob", face(3), ""), OldEncoding(2, "Ada", "s-Ada", face(4), "")]
    options = {"add_with_consent": True, "dry_run": False, "at": NOON, "audit": AUDIT}
    report, results = await asyncio.gather(
        restore(database, content),
        import_encodings(database, rows, cipher=BOX, model_id=MODEL, **options),  # type: ignore[arg-type]
    )
    # Whoever comes first adds them; a backup does not take somebody with another id for the same person.
    assert [result.outcome for result in results] == [RowOutcome.IMPORTED] * 2
    assert report.counts["added"] + report.counts["refused"] == 2
    async with database.acquire() as connection:
        assert len((await people.list_people(connection, EVERYTHING)).items) == 2


@pytest.mark.parametrize("by", ["restore", "import"])
async def test_people_are_locked_in_the_order_of_their_ids_as_everywhere(
    database: Database, first_template: Callable[[Callable[[], None]], None], by: str
) -> None:
    low, high = sorted([await add(database, "Ada", 1), await add(database, "Bob", 2)], key=lambda one: one.person_id)
    async with database.acquire() as connection:
        await connection.execute("DELETE FROM templates")
    others: list[asyncio.Task[None]] = []

    async def others_turn() -> None:
        """What the clock does when a lesson ends."""
        async with database.acquire() as connection, connection.transaction():
            await connection.execute("SELECT 1 FROM people ORDER BY id FOR SHARE")

    first_template(lambda: others.append(asyncio.create_task(others_turn())))
    if by == "restore":
        everybody = [
            BackupPerson(
                one.person_id, one.name, None, Consent.GRANTED, NOON, (BackupTemplate(face(5), 0.5, "photograph"),)
            )
            for one in (high, low)
        ]
        await restore_backup(database, everybody, cipher=BOX, model_id=MODEL, audit=AUDIT)
    else:
        rows = [OldEncoding(number, one.name, None, face(number), "") for number, one in enumerate((high, low))]
        options = {"add_with_consent": False, "dry_run": False, "at": NOON, "audit": AUDIT}
        await import_encodings(database, rows, cipher=BOX, model_id=MODEL, **options)  # type: ignore[arg-type]
    await asyncio.gather(*others)
    assert len(others) == 1
    assert len(await faces(database)) == 2
