import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recognition.types import Sighting
from storage import attendance, held, people, templates
from storage.database import Database
from stream_server.privacy.person_export import document
from stream_server.privacy.secrets import SecretBox

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NAME = "Ada \u201cA\u201d \u674e"
VECTOR = np.random.default_rng(1).standard_normal(128).astype(np.float32)


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(bytes(range(32)))


@pytest.fixture
async def ada(database: Database, box: SecretBox) -> UUID:
    async with database.acquire() as connection:
        person = await people.create(connection, name=NAME, at=NOON, consent=people.Consent.GRANTED)
        await templates.add(
            connection,
            cipher=box,
            person_id=person.person_id,
            model_id="model-a",
            embedding=VECTOR,
            quality=0.5,
            source="photograph",
        )
        for minutes in range(5):
            at = NOON + timedelta(minutes=minutes)
            sighting = Sighting(uuid4(), person.person_id, "door", at, 0.3, None, 0.9, 3, "model-a")
            await attendance.record_sighting(connection, sighting, ZoneInfo("UTC"))
    return person.person_id


async def exported(database: Database, person_id: UUID, cipher: SecretBox | None = None) -> dict[str, object]:
    async with database.acquire() as connection:
        person = await held.person(connection, person_id)
    assert person is not None
    pieces = [piece async for piece in document(database, person, at=NOON, cipher=cipher)]
    assert max(len(piece) for piece in pieces) < 100_000
    return dict(json.loads("".join(pieces)))


@pytest.mark.parametrize("piece_max", [1, 2, 500])
async def test_the_document_holds_every_section_whole(
    database: Database, ada: UUID, monkeypatch: pytest.MonkeyPatch, piece_max: int
) -> None:
    whole = held.piece
    monkeypatch.setattr(held, "piece", lambda *arguments: whole(*arguments, piece_max))
    found = await exported(database, ada)
    assert list(found)[:3] == ["format", "exported_at", "person"]
    assert set(found) == {"format", "exported_at", "person"} | {section.name for section in held.SECTIONS}
    assert found["person"]["name"] == NAME  # type: ignore[index]
    assert {name: len(found[name]) for name in ("sightings", "attendance", "templates", "consents")} == {  # type: ignore[arg-type]
        "sightings": 5,
        "attendance": 1,
        "templates": 1,
        "consents": 1,
    }
    assert "embedding_base64" not in json.dumps(found)


async def test_vectors_come_when_asked_for_and_an_unreadable_one_is_null(
    database: Database, ada: UUID, box: SecretBox
) -> None:
    (template,) = (await exported(database, ada, box))["templates"]  # type: ignore[misc]
    assert base64.b64decode(template["embedding_base64"]) == VECTOR.astype("<f4").tobytes()
    (template,) = (await exported(database, ada, SecretBox(bytes(32))))["templates"]  # type: ignore[misc]
    assert template["embedding_base64"] is None
