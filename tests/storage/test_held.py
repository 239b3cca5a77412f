import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4
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
    held,
    idempotency,
    memberships,
    outbox,
    people,
    punches,
    reviews,
    sessions,
    templates,
    webhook_deliveries,
    webhooks,
)
from storage.attendance_policy import AttendancePolicy
from storage.audit import Entry
from storage.database import Connection
from storage.rooms import Direction
from storage.statuses import Method, Status
from storage.visibility import EVERYTHING
from storage.webhook_deliveries import Attempt, Cause
from stream_server.privacy.secrets import SecretBox

SECTION = {section.name: section for section in held.SECTIONS}


async def test_every_table_that_points_at_people_is_shown(connection: Connection) -> None:
    rows = await connection.fetch(
        """
        SELECT conrelid::regclass::text AS table_name FROM pg_constraint
        WHERE contype = 'f' AND confrelid = ANY (ARRAY['people', 'attendance']::regclass[])
        UNION
        SELECT table_name::text FROM information_schema.columns JOIN pg_tables ON tablename = table_name
        WHERE table_schema = 'public' AND column_name LIKE '%person_id'
        """
    )
    pointing = {row["table_name"] for row in rows}
    assert {"attendance", "sightings", "templates", "consents", "reviews", "attendance_corrections"} <= pointing
    assert pointing <= {section.table for section in held.SECTIONS}


async def fill_roster(connection: Connection, person: people.Person, noon: datetime) -> None:
    """A class, a PIN, a doubtful face, having come, and what a kiosk was answered."""
    group = await groups.create(connection, name=f"Class of {person.name}", external_id=None)
    await memberships.add(
        connection,
        group_id=group.group_id,
        person_id=person.person_id,
        role=memberships.Role.STUDENT,
        starts_on=None,
        ends_on=None,
    )
    digest = hashlib.sha256(person.name.encode()).digest()
    await credentials.set_digest(connection, person.person_id, credentials.CredentialKind.PIN, digest)
    answer = {"person": {"id": str(person.person_id), "name": person.name}}
    await idempotency.remember(connection, f"kiosk:{person.name}", digest, answer, noon)
    day = noon + timedelta(days=1)
    await reviews.record(
        connection,
        camera_id="door",
        candidates=[(person.person_id, 0.5)],
        at=day,
        zone=ZoneInfo("UTC"),
        policy=AttendancePolicy(),
    )
    session = await sessions.ensure_open_session(connection, noon, ZoneInfo("UTC"))
    async with connection.transaction():
        await punches.punch(
            connection,
            session_id=session.session_id,
            person_id=person.person_id,
            person_name=person.name,
            direction=Direction.IN,
            method=Method.PIN,
            camera_id=None,
            at=noon,
            seen_before_at=None,
            re_entry_s=0,
        )


async def test_no_section_is_without_its_rows_or_with_those_of_others(
    connection: Connection,
    ada: people.Person,
    make_sighting: Callable[..., Sighting],
    cipher: SecretBox,
    noon: datetime,
) -> None:
    await consents.publish_text(connection, "Nobody asked this", at=noon, actor="owner")
    await consents.publish_text(connection, "May we?", at=noon, actor="owner")
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
        await fill_roster(connection, person, noon)
        await attendance.record_sighting(connection, make_sighting(person.person_id), ZoneInfo("UTC"))
        record = await connection.fetchval("SELECT id FROM attendance WHERE person_id = $1", person.person_id)
        await corrections.correct(
            connection,
            EVERYTHING,
            record,
            version=None,
            status=Status.LATE,
            by_whom="office",
            reason="the bus",
            at=noon,
        )
        (*_, event) = [
            one for one in await outbox.read_after(connection, 0) if str(person.person_id) in str(one.payload)
        ]
        for response in (f"thanks for {person.name}", ""):
            attempt = Attempt(event.event_id, event.type, "msg", Cause.EVENT, 1, True, noon, response=response)
            await webhook_deliveries.log(connection, webhook.webhook_id, attempt)
        await audit.append(connection, Entry(noon, "owner", "person.read", audit.of_person(person.person_id), "r"))
    for name, section in SECTION.items():
        rows, after = await held.piece(connection, section, ada.person_id, None)
        assert rows, name
        assert after is None
        text = repr(rows)
        assert str(eve.person_id) not in text, name
        assert not re.search("sealed|digest", text)
        if name == "answers_of_receivers":
            assert [row["response"] for row in rows] == ["thanks for Ada"]
        elif name not in ("consent_texts", "attendance_corrections", "reviews"):
            assert str(ada.person_id) in text, name
        assert (await held.piece(connection, section, uuid4(), None))[0] == []
    texts, _ = await held.piece(connection, SECTION["consent_texts"], ada.person_id, None)
    assert [text["text"] for text in texts] == ["May we?"]
    events, _ = await held.piece(connection, SECTION["events"], ada.person_id, None)
    assert [event["type"] for event in events] == [
        "gallery.changed",
        "attendance.punched",
        "attendance.marked",
        "attendance.corrected",
    ]


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
