"""After an erasure nothing in any table tells who it was: every row of every table is looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recognition.types import Sighting
from storage import (
    attendance,
    audit,
    consents,
    corrections,
    credentials,
    groups,
    idempotency,
    memberships,
    outbox,
    people,
    punches,
    reviews,
    sessions,
    templates,
    unknown_faces,
    webhook_deliveries,
    webhooks,
)
from storage.attendance import Method
from storage.attendance_policy import AttendancePolicy
from storage.audit import Entry
from storage.consents import Consent
from storage.credentials import CredentialKind
from storage.database import Connection
from storage.statuses import Status
from storage.visibility import EVERYTHING
from storage.webhook_deliveries import Attempt, Cause
from stream_server.people.enrolment import forget_unknown_faces_of
from stream_server.privacy.secrets import SecretBox

NAME, OLD_NAME, NUMBER, NOTE = "Quirina Oddname", "Quirina Formername", "number-4711", "came with her twin"
MODEL = "model-a"
ZONE = ZoneInfo("UTC")

# Where the person's id, which is random and leads nowhere, may still be read after the erasure, and why.
STAYS = {
    "people": "the row that all below points to, without name and number",
    "attendance": "that somebody attended: what reports and lists count",
    "punches": "when somebody came and went: part of attendance",
    "reviews": "that a person was named by an operator, without how near the face was; 72 hours",
    "outbox": "events that are still to be sent, without the name; 30 days",
    "consents": "that consent was given and taken back, which a site must be able to show; 365 days",
    "audit_log": "who erased whom; the log cannot be changed",
}


@dataclass(frozen=True)
class Held:
    """Somebody of whom everything is held that can be, and the traces of it that must go."""

    person_id: UUID
    face: tuple[str, ...]
    who: tuple[str, ...]
    stranger: str

    @property
    def traces(self) -> list[str]:
        return [NAME, OLD_NAME, NUMBER, NOTE, *self.face, *self.who]


async def tables_with(connection: Connection, traces: list[str]) -> set[str]:
    """The tables in which some row holds one of these: as text in any column, also within JSON and arrays; bytes are
    shown as hexadecimal digits.
    """
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(names) > 30
    found: set[str] = set()
    for name in (row["tablename"] for row in names):
        rows = await connection.fetch(f"SELECT to_jsonb(t)::text AS content FROM {name} AS t")
        if any(trace.lower() in row["content"].lower() for row in rows for trace in traces):
            found.add(name)
    return found


async def erase(connection: Connection, person_id: UUID, cipher: SecretBox, at: datetime) -> None:
    """As `DELETE /api/v1/people/{id}` does it."""
    services: Any = SimpleNamespace(
        settings=SimpleNamespace(recognition=SimpleNamespace(review_distance=0.6)),
        box=cipher,
        people=SimpleNamespace(gallery=SimpleNamespace(model_id=MODEL)),
    )
    async with connection.transaction():
        await audit.append(connection, Entry(at, "owner", "person.erased", audit.of_person(person_id), "r2"))
        await forget_unknown_faces_of(services, connection, person_id)
        await people.erase(connection, person_id, at=at, actor="owner")


async def unknown_face(connection: Connection, cipher: SecretBox, vector: Any, at: datetime) -> UUID:
    face_id = await unknown_faces.begin(connection, at)
    await unknown_faces.add_member(
        connection,
        face_id,
        cipher=cipher,
        model_id=MODEL,
        embedding=vector,
        quality=0.8,
        camera_id="door",
        at=at,
        crop_jpeg=b"a picture of a face",
    )
    return face_id


async def hex_of(connection: Connection, query: str, *arguments: object) -> list[str]:
    return [value.hex() for row in await connection.fetch(query, *arguments) for value in row.values()]


@pytest.fixture
async def quirina(
    connection: Connection, make_sighting: Callable[..., Sighting], cipher: SecretBox, noon: datetime
) -> Held:
    random = np.random.default_rng(4)
    vector = (random.standard_normal(128) * 0.1).astype(np.float32)
    text, _ = await consents.publish_text(connection, "May we?", at=noon, actor="owner")
    person = await people.create(connection, name=OLD_NAME, external_id=NUMBER, at=noon, consent=Consent.GRANTED)
    who = person.person_id
    await templates.add(
        connection, cipher=cipher, person_id=who, model_id=MODEL, embedding=vector, quality=0.9, source="photograph"
    )
    # Attendance by face under the old name, by hand with a note, corrected, and coming by PIN.
    await attendance.record_sighting(connection, make_sighting(who), ZONE)
    await people.update(connection, who, at=noon, name=NAME, consent=Consent.GRANTED, consent_text=text.version)
    day = noon + timedelta(days=1)
    session = await sessions.ensure_open_session(connection, day, ZONE)
    await attendance.mark_manually(connection, EVERYTHING, who, day, ZONE, session_id=session.session_id, note=NOTE)
    record = await connection.fetchval("SELECT id FROM attendance WHERE person_id = $1 LIMIT 1", who)
    await corrections.correct(
        connection, EVERYTHING, record, version=None, status=Status.LATE, by_whom="office", reason=NOTE, at=noon
    )
    async with connection.transaction():
        await punches.punch(
            connection,
            session_id=session.session_id,
            person_id=who,
            person_name=NAME,
            direction=punches.Direction.IN,
            method=Method.PIN,
            camera_id=None,
            at=day,
            seen_before_at=None,
            re_entry_s=60,
        )
    answer = {"person": {"id": str(who), "name": NAME}}
    await idempotency.remember(connection, "kiosk", bytes(32), answer, noon)
    digests = {CredentialKind.PIN: random.bytes(32), CredentialKind.QR: random.bytes(32)}
    for kind, digest in digests.items():
        await credentials.set_digest(connection, who, kind, digest)
    group = await groups.create(connection, name="7a")
    membership = await memberships.add(connection, group_id=group.group_id, person_id=who)
    await connection.execute("UPDATE memberships SET external_id = 'm-4711'")  # as an import does
    # Faces that came near: one waits with her as the nearest, one was settled as her though somebody else was nearer.
    other = await people.create(connection, name="Somebody Else", at=noon, consent=Consent.GRANTED)
    policy = AttendancePolicy()
    waiting = await reviews.record(
        connection,
        camera_id="door",
        candidates=[(who, 0.5), (other.person_id, 0.55)],
        at=noon,
        zone=ZONE,
        policy=policy,
    )
    settled = await reviews.record(
        connection,
        camera_id="door",
        candidates=[(other.person_id, 0.5), (who, 0.52)],
        at=noon,
        zone=ZONE,
        policy=policy,
    )
    assert waiting is None, "she is known to be there"
    assert settled is not None
    await reviews.settle(connection, EVERYTHING, settled, who, by_whom="office", now=noon, zone=ZONE, policy=policy)
    later = noon + timedelta(days=2)
    assert await reviews.record(
        connection,
        camera_id="door",
        candidates=[(who, 0.5), (other.person_id, 0.55)],
        at=later,
        zone=ZONE,
        policy=policy,
    )
    # Strangers: one is herself, seen before she was enrolled; the other is not.
    own = await unknown_face(connection, cipher, vector + np.float32(0.01), noon)
    stranger = await unknown_face(connection, cipher, -vector, noon)
    # A receiver that says back what it was told.
    webhook = await webhooks.create(
        connection,
        webhook_id=uuid4(),
        address="https://x.example",
        sealed=b"s",
        description="",
        event_types=(),
        include_names=True,
        webhooks_max=20,
    )
    events = [event for event in await outbox.read_after(connection, 0) if NAME in str(event.payload)]
    for event_id, response in ((events[-1].event_id, '{"marked": "Qu\\u0069rina"}'), (None, f"hello {NAME}")):
        attempt = Attempt(event_id, "attendance.marked", "msg_1", Cause.EVENT, 1, True, noon, response=response)
        await webhook_deliveries.log(connection, webhook.webhook_id, attempt)
    other_answer = Attempt(
        events[0].event_id - 1, "camera.changed", "msg_2", Cause.EVENT, 1, True, noon, response="fine"
    )
    await webhook_deliveries.log(connection, webhook.webhook_id, other_answer)
    await audit.append(connection, Entry(noon, "owner", "person.created", audit.of_person(who), "r1"))
    faces = await hex_of(connection, "SELECT sealed FROM templates")
    faces += await hex_of(connection, "SELECT sealed, crop FROM unknown_face_members WHERE face_id = $1", own)
    return Held(
        who,
        (*faces, str(own), vector.tobytes().hex()),
        (*(digest.hex() for digest in digests.values()), str(membership.membership_id), "m-4711", "u0069rina"),
        str(stranger),
    )


async def test_nothing_of_an_erased_person_is_in_any_table_and_that_somebody_attended_stays(
    connection: Connection, quirina: Held, cipher: SecretBox, noon: datetime
) -> None:
    assert await tables_with(connection, quirina.traces) == {
        "people",
        "templates",
        "attendance",
        "attendance_corrections",
        "credentials",
        "idempotency_keys",
        "memberships",
        "outbox",
        "unknown_faces",
        "unknown_face_members",
        "webhook_deliveries",
    }
    for trace in quirina.traces:
        if trace not in quirina.face[-1:]:  # the plain vector is nowhere, before as after
            assert await tables_with(connection, [trace]), trace
    before = {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in ("attendance", "punches")}

    await erase(connection, quirina.person_id, cipher, noon)

    assert await tables_with(connection, quirina.traces) == set()
    assert await tables_with(connection, [str(quirina.person_id)]) == set(STAYS)
    assert await tables_with(connection, [quirina.person_id.hex]) == set()
    for name, count in before.items():
        assert await connection.fetchval(f"SELECT count(*) FROM {name}") == count
    kept = await connection.fetch(
        "SELECT status, method, score, note FROM attendance WHERE person_id = $1 ORDER BY method", quirina.person_id
    )
    assert [tuple(row) for row in kept] == [("present", "face", None, None), ("present", "manual", None, None)]


async def test_an_erasure_leaves_others_as_they_were(
    connection: Connection, quirina: Held, cipher: SecretBox, noon: datetime
) -> None:
    others = ["Somebody Else", quirina.stranger, '"response": "fine"', "May we?"]
    before = [await tables_with(connection, [trace]) for trace in others]
    assert all(before)
    await erase(connection, quirina.person_id, cipher, noon)
    assert [await tables_with(connection, [trace]) for trace in others] == before


async def test_of_somebody_who_took_consent_back_no_trace_of_the_face_is_left(
    connection: Connection, quirina: Held, noon: datetime
) -> None:
    sealed = quirina.face[0]
    await people.update(connection, quirina.person_id, at=noon, consent=Consent.REVOKED)
    assert await tables_with(connection, [sealed]) == set()
    assert await connection.fetchval("SELECT count(*) FROM attendance WHERE score IS NOT NULL") == 0
    assert await connection.fetchval("SELECT count(*) FROM sightings") == 0
    near = await connection.fetchval("SELECT count(*) FROM review_candidates WHERE person_id = $1", quirina.person_id)
    assert near == 0
    assert await connection.fetchval("SELECT count(*) FROM attendance") == 2
