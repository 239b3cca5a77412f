"""After an erasure nothing in any table tells who it was: every row of every table is looked at."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recognition.types import Sighting
from storage import attendance, audit, corrections, idempotency, people, sessions, templates
from storage.audit import Entry
from storage.consents import Consent
from storage.database import Connection
from storage.statuses import Status
from stream_server.secrets import SecretBox

NAME, NUMBER, NOTE = "Quirina Oddname", "number-4711", "came with her twin"


async def tables_with(connection: Connection, traces: list[str]) -> set[str]:
    """The tables in which some row holds one of these as text, bytes shown as hexadecimal digits."""
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(names) > 8
    found: set[str] = set()
    for name in (row["tablename"] for row in names):
        rows = await connection.fetch(f"SELECT to_jsonb(t)::text AS content FROM {name} AS t")
        if any(trace in row["content"] for row in rows for trace in traces):
            found.add(name)
    return found


@pytest.fixture
async def quirina(
    connection: Connection, make_sighting: Callable[..., Sighting], cipher: SecretBox, noon: datetime
) -> UUID:
    """Somebody of whom everything is held that can be."""
    person = await people.create(connection, name=NAME, external_id=NUMBER, at=noon, consent=Consent.GRANTED)
    await templates.add(
        connection,
        cipher=cipher,
        person_id=person.person_id,
        model_id="model-a",
        embedding=np.random.default_rng(4).standard_normal(128).astype(np.float32),
        quality=0.9,
        source="photograph",
    )
    await attendance.record_sighting(connection, make_sighting(person.person_id), ZoneInfo("UTC"))
    day = noon + timedelta(days=1)
    session = await sessions.ensure_open_session(connection, day, ZoneInfo("UTC"))
    await attendance.mark_manually(
        connection, person.person_id, day, ZoneInfo("UTC"), session_id=session.session_id, note=NOTE
    )
    await people.update(connection, person.person_id, at=noon, name=NAME)
    record = await connection.fetchval("SELECT id FROM attendance WHERE person_id = $1 LIMIT 1", person.person_id)
    await corrections.correct(
        connection, record, version=None, status=Status.LATE, by_whom="office", reason=NOTE, at=noon
    )
    answer = {"person": {"id": str(person.person_id), "name": NAME}}
    await idempotency.remember(connection, "kiosk", bytes(32), answer, noon)
    await audit.append(connection, Entry(noon, "owner", "person.created", audit.of_person(person.person_id), "r1"))
    return person.person_id


async def traces_of(connection: Connection) -> list[str]:
    sealed = await connection.fetchval("SELECT sealed FROM templates")
    return [NAME, NUMBER, NOTE, sealed.hex()]


async def test_nothing_of_an_erased_person_is_in_any_table_and_that_somebody_attended_stays(
    connection: Connection, quirina: UUID, noon: datetime
) -> None:
    traces = await traces_of(connection)
    assert await tables_with(connection, traces) == {
        "people",
        "templates",
        "attendance",
        "attendance_corrections",
        "idempotency_keys",
        "outbox",
    }

    await people.erase(connection, quirina, at=noon)

    assert await tables_with(connection, traces) == set()
    kept = await connection.fetch("SELECT status, method, score, note FROM attendance WHERE person_id = $1", quirina)
    assert sorted(tuple(row) for row in kept) == [("present", "face", None, None), ("present", "manual", None, None)]
    assert await tables_with(connection, [str(quirina)]) == {"people", "attendance", "outbox", "consents", "audit_log"}


async def test_of_somebody_who_took_consent_back_no_trace_of_the_face_is_left(
    connection: Connection, quirina: UUID, noon: datetime
) -> None:
    _, _, _, sealed = await traces_of(connection)
    await people.update(connection, quirina, at=noon, consent=Consent.REVOKED)
    assert await tables_with(connection, [sealed, '"distance"']) == set()
    assert await connection.fetchval("SELECT count(*) FROM attendance WHERE score IS NOT NULL") == 0
    assert await connection.fetchval("SELECT count(*) FROM attendance") == 2
