from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from recognition.types import Sighting
from storage import people
from storage.database import Connection, Database
from stream_server.privacy.secrets import SecretBox

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    """A fixed moment: Monday, 2 March 2026, 12:00 UTC."""
    return NOON


@pytest.fixture
def cipher() -> SecretBox:
    return SecretBox(bytes(range(32)))


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.acquire() as connection:
        yield connection


@pytest.fixture
async def ada(database: Database) -> people.Person:
    """Somebody who agreed to be recognised."""
    async with database.acquire() as connection:
        return await people.create(connection, name="Ada", at=NOON, consent=people.Consent.GRANTED)


@pytest.fixture
def make_sighting() -> Callable[..., Sighting]:
    def make(person_id: UUID, **changes: Any) -> Sighting:
        values: dict[str, Any] = {
            "sighting_id": uuid4(),
            "person_id": person_id,
            "camera_id": "door",
            "captured_at": NOON,
            "distance": 0.31,
            "runner_up_distance": 0.72,
            "quality": 0.9,
            "evidence_frames": 4,
            "model_id": "model-a",
        }
        return Sighting(**(values | changes))

    return make
