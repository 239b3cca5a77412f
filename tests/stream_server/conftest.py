"""Values that most of these tests need: a moment, sightings, events."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from recognition.types import Sighting
from storage.database import Database
from stream_server.access.shared_attempts import SharedAttempts
from stream_server.privacy.auditing import Auditor, SeenLately
from tests.stream_server.stage import make_stage, stage

__all__ = ["attempts", "auditor", "make_sighting", "make_stage", "noon", "stage"]

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def attempts(database: Database) -> SharedAttempts:
    """What counts attempts for all servers."""
    return SharedAttempts(database, lambda purpose, text: hashlib.sha256(f"{purpose}\0{text}".encode()).digest())


@pytest.fixture
def auditor() -> Auditor:
    """Of a request of somebody whom nobody knows yet."""
    return Auditor("nobody", "r1", SimpleNamespace(now=lambda: NOON, seen_lately=SeenLately()))


@pytest.fixture
def make_sighting() -> Callable[..., Sighting]:
    def make(**changes: Any) -> Sighting:
        values: dict[str, Any] = {
            "sighting_id": uuid4(),
            "person_id": UUID(int=1),
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
