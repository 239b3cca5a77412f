from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recognition.types import Sighting
from storage import attendance, audit, consents, held, people, templates
from storage.audit import Entry
from storage.database import Connection
from stream_server.secrets import SecretBox

SECTION = {section.name: section for section in held.SECTIONS}


async def test_every_table_that_points_at_people_is_shown(connection: Connection) -> None:
    rows = await connection.fetch(
        """
        SELECT table_name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name LIKE '%person_id' ORDER BY 1
        """
    )
    pointing = {row["table_name"] for row in rows}
    assert {"attendance", "sightings", "templates", "consents"} <= pointing
    assert pointing <= {section.table for section in held.SECTIONS}


async def test_no_section_is_without_its_rows_or_with_those_of_others(
    connection: Connection,
    ada: people.Person,
    make_sighting: Callable[..., Sighting],
    cipher: SecretBox,
    noon: datetime,
) -> None:
    await consents.publish_text(connection, "Nobody asked this", at=noon, actor="owner")
    await consents.publish_text(connection, "May we?", at=noon, actor="owner")
    eve = await people.create(connection, name="Eve", at=noon, consent=people.Consent.GRANTED)
    for person in (ada, eve):
        await people.update(connection, person.person_id, at=noon, consent=people.Consent.GRANTED, consent_text=2)
        await templates.add(
            connection,
            cipher=cipher,
            person_id=person.person_id,
            model_id="model-a",
            embedding=np.ones(128, np.float32),
            quality=0.5,
            source="photograph",
        )
        await attendance.record_sighting(connection, make_sighting(person.person_id), ZoneInfo("UTC"))
        await audit.append(connection, Entry(noon, "owner", "person.read", audit.of_person(person.person_id), "r"))
    for name, section in SECTION.items():
        rows, after = await held.piece(connection, section, ada.person_id, None)
        assert rows, name
        assert after is None
        text = repr(rows)
        assert str(eve.person_id) not in text, name
        assert "sealed" not in text
        if name != "consent_texts":
            assert str(ada.person_id) in text, name
        assert (await held.piece(connection, section, uuid4(), None))[0] == []
    texts, _ = await held.piece(connection, SECTION["consent_texts"], ada.person_id, None)
    assert [text["text"] for text in texts] == ["May we?"]
    events, _ = await held.piece(connection, SECTION["events"], ada.person_id, None)
    assert [event["type"] for event in events] == ["gallery.changed", "attendance.marked"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pieces_leave_nothing_out_and_repeat_nothing(
    connection: Connection, ada: people.Person, make_sighting: Callable[..., Sighting], noon: datetime, limit: int
) -> None:
    for number in range(6):
        sighting = make_sighting(ada.person_id, captured_at=noon + timedelta(minutes=number))
        await attendance.record_sighting(connection, sighting, ZoneInfo("UTC"))
    found: list[str] = []
    after: object | None = None
    while True:
        rows, after = await held.piece(connection, SECTION["sightings"], ada.person_id, after, limit)
        found += [row["id"] for row in rows]
        if after is None:
            break
    assert len(found) == len(set(found)) == 6


async def test_who_is_not_there_has_no_document(connection: Connection, ada: people.Person) -> None:
    assert await held.person(connection, uuid4()) is None
    head = await held.person(connection, ada.person_id)
    assert head is not None
    assert (head["name"], head["consent"]) == ("Ada", "granted")
