from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from recognition.old_encodings import OldEncoding
from storage import audit, consents, outbox, people, templates
from storage.database import Database
from storage.people import Consent
from storage.visibility import EVERYTHING
from stream_server.people.encodings_import import RowOutcome, import_encodings
from stream_server.privacy.auditing import command_auditor
from stream_server.privacy.secrets import SecretBox

BOX = SecretBox(b"k" * 32)
AUDIT = command_auditor()
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def row(number: int, name: str = "", external_id: str | None = None, problem: str = "") -> OldEncoding:
    embedding = np.random.default_rng(number).normal(0, 0.12, 128).astype(np.float32)
    return OldEncoding(number, name, external_id, None if problem else embedding, problem)


async def run(database: Database, *rows: OldEncoding, **options: Any) -> list[tuple[RowOutcome, str]]:
    given = {"add_with_consent": False, "dry_run": False} | options
    results = await import_encodings(database, rows, cipher=BOX, model_id="model-a", at=NOON, audit=AUDIT, **given)
    assert [result.row for result in results] == [one.row for one in rows]
    return [(result.outcome, result.reason) for result in results]


async def add(database: Database, name: str, **options: Any) -> people.Person:
    async with database.acquire() as connection:
        return await people.create(connection, name=name, at=NOON, **options)


async def count(database: Database) -> int:
    async with database.acquire() as connection:
        return len((await templates.load_gallery(connection, "model-a", BOX)).templates)


async def test_a_person_is_found_by_number_or_by_name_and_gets_the_template(database: Database) -> None:
    ada = await add(database, "Ada", external_id="s-1", consent=Consent.GRANTED)
    results = await run(database, row(1, "Ada"), row(2, "whoever", "s-1"))
    assert [outcome for outcome, _ in results] == [RowOutcome.IMPORTED] * 2
    async with database.acquire() as connection:
        stored = await templates.list_of_person(connection, ada.person_id)
    assert {(one.model_id, one.source) for one in stored} == {("model-a", "face_recognition")}


async def test_each_row_that_cannot_be_taken_says_why_and_the_others_are(database: Database) -> None:
    await add(database, "Ada", consent=Consent.GRANTED)
    await add(database, "No", consent=Consent.NONE)
    await add(database, "Two")
    await add(database, "Two")
    results = await run(
        database, row(1, problem="it is damaged"), row(2, "Nobody"), row(3, "No"), row(4, "Two"), row(5, "Ada")
    )
    reasons = [reason for _, reason in results]
    assert reasons[0] == "it is damaged"
    assert "no such person" in reasons[1]
    assert "has not agreed" in reasons[2]
    assert "several people" in reasons[3]
    assert results[4] == (RowOutcome.IMPORTED, "")
    assert await count(database) == 1


async def test_people_are_added_only_where_all_have_agreed_and_no_refusal_is_overruled(database: Database) -> None:
    await add(database, "Revoked", consent=Consent.REVOKED)
    results = await run(database, row(1, "New", "s-9"), row(2, "New", "s-9"), row(3, "Revoked"), add_with_consent=True)
    assert [outcome for outcome, _ in results] == [RowOutcome.IMPORTED, RowOutcome.IMPORTED, RowOutcome.REFUSED]
    async with database.acquire() as connection:
        names = {
            person.name: person.template_count for person in (await people.list_people(connection, EVERYTHING)).items
        }
    assert names == {"New": 2, "Revoked": 0}


async def test_a_name_that_cannot_be_one_refuses_its_row(database: Database) -> None:
    results = await run(database, row(1, "a\x00b"[:1] + "\x07"), row(2, "Fine"), add_with_consent=True)
    assert [outcome for outcome, _ in results] == [RowOutcome.REFUSED, RowOutcome.IMPORTED]


async def test_a_dry_run_says_the_same_and_stores_nothing(database: Database) -> None:
    rows = (row(1, "New"), row(2, problem="it is damaged"))
    dry = await run(database, *rows, add_with_consent=True, dry_run=True)
    assert await count(database) == 0
    async with database.acquire() as connection:
        assert (await people.list_people(connection, EVERYTHING)).items == ()
    assert await run(database, *rows, add_with_consent=True) == dry


async def test_importing_twice_adds_nothing(database: Database) -> None:
    await add(database, "Ada", consent=Consent.GRANTED)
    await run(database, row(1, "Ada"))
    assert await run(database, row(1, "Ada")) == [(RowOutcome.ALREADY_THERE, "")]
    assert await count(database) == 1


async def test_the_outbox_is_locked_when_everybody_is(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    add_template = templates.add

    async def looking(connection: Any, **options: Any) -> Any:
        stored = await add_template(connection, **options)
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = $1"
        held.append(await connection.fetchval(query, outbox._LOCK & 0xFFFFFFFF))
        return stored

    monkeypatch.setattr(templates, "add", looking)
    ada, bob = [await add(database, name, consent=Consent.GRANTED) for name in ("Ada", "Bob")]
    await run(database, row(1, "Ada"), row(2, "Bob"), row(3, "Nobody"))
    assert held == [0, 0]
    async with database.acquire() as connection:
        events = await outbox.read_after(connection, 0)
    assert [(event.type, event.payload) for event in events] == [
        ("gallery.changed", {"person_id": str(person.person_id)}) for person in (ada, bob)
    ]


async def test_who_is_added_has_entries_of_their_own_in_the_audit_log(database: Database) -> None:
    await add(database, "Ada", consent=Consent.GRANTED)
    async with database.acquire() as connection:
        await consents.publish_text(connection, "May we?", at=NOON, actor="test")
    await run(database, row(1, "New"), row(2, "New"), row(3, "Ada"), add_with_consent=True)
    async with database.acquire() as connection:
        entries = (await audit.list_entries(connection)).items
        found = (await people.list_people(connection, EVERYTHING)).items
    (new,) = [person.person_id for person in found if person.name == "New"]
    noted = [(entry.action, entry.details) for entry in entries if entry.subject == audit.of_person(new)]
    assert sorted(action for action, _ in noted) == [
        "consent.granted", "person.created", "template.added", "template.added"
    ]  # fmt: skip
    assert ("consent.granted", {"text": 1}) in noted
    assert [entry.action for entry in entries if entry.subject != audit.of_person(new)] == ["template.added"]
