import hashlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recognition.types import Sighting
from storage import (
    attendance,
    audit,
    corrections,
    idempotency,
    outbox,
    people,
    punches,
    reviews,
    unknown_faces,
    user_sessions,
    users,
    webhook_deliveries,
    webhooks,
)
from storage.attendance_policy import AttendancePolicy
from storage.audit import Entry
from storage.database import Connection, Database
from storage.rooms import Direction
from storage.statuses import Method, Status
from storage.visibility import EVERYTHING
from storage.webhook_deliveries import Attempt, Cause
from stream_server.privacy import retention
from stream_server.privacy.secrets import SecretBox
from stream_server.settings import Settings, StorageSettings, UnknownFacesSettings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
# Each in a session of its own, the later ones older than the longest setting of these tests.
AGES_DAYS = (0, 9, 11, 29, 31, 89, 91, 399, 401)
TABLES = {
    "unknown faces": "unknown_face_members m JOIN unknown_faces f ON f.id = face_id WHERE ignored_at IS NULL",
    "pictures of unknown faces": "unknown_face_members WHERE crop IS NOT NULL",
    "faces to be ignored": "unknown_faces WHERE ignored_at IS NOT NULL",
    "events": "outbox",
    "deliveries of webhooks": "webhook_deliveries",
    "sightings": "sightings",
    "attendance records": "attendance",
    "comings and goings": "punches",
    "faces up for review": "reviews",
    "sessions of users": "user_sessions",
    "idempotency keys": "idempotency_keys",
    "wrong PINs": "punch_failures",
    "counts of attempts": "attempts",
    "audit entries": "audit_log",
    "answers of erased people": "consents",
}


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.acquire() as connection:
        yield connection


async def fill(connection: Connection) -> None:
    ada = await people.create(connection, name="Ada", at=NOW, consent=people.Consent.GRANTED)
    user = await users.add(
        connection,
        login="lee",
        name="Lee",
        role=users.Role.TEACHER,
        password_hash="x",
        created_by="owner-token",
        now=NOW,
    )
    webhook = await webhooks.create(
        connection,
        webhook_id=uuid4(),
        address="https://x.example",
        sealed=b"s",
        description="",
        event_types=(),
        include_names=False,
        webhooks_max=1,
    )
    for days in AGES_DAYS:
        at = NOW - timedelta(days=days)
        token = hashlib.sha256(str(days).encode()).digest()
        await user_sessions.begin(
            connection,
            user.user_id,
            password_hash="x",
            token_sha256=token,
            now=at,
            expires_at=NOW + timedelta(days=days + 1),
        )
        attempt = Attempt(1, "session.opened", f"msg_{days}", Cause.EVENT, 1, True, at)
        await webhook_deliveries.log(connection, webhook.webhook_id, attempt)
        await idempotency.remember(connection, f"kiosk:{days}", token, {}, at)
        await connection.execute("INSERT INTO punch_failures (place, at) VALUES ('kiosk', $1)", at)
        await connection.execute("INSERT INTO attempts VALUES ($1, 1, $2)", token, at)
        nearest = await people.create(connection, name="Alan", at=NOW, consent=people.Consent.GRANTED)
        await reviews.record(
            connection,
            camera_id="door",
            candidates=[(nearest.person_id, 0.5)],
            at=at,
            zone=ZoneInfo("UTC"),
            policy=AttendancePolicy(),
        )
        sighting = Sighting(uuid4(), ada.person_id, "door", at, 0.3, None, 0.9, 3, "model-a")
        await attendance.record_sighting(connection, sighting, ZoneInfo("UTC"))
        row = await connection.fetchrow(
            "SELECT session_id, id FROM attendance WHERE person_id = $1 ORDER BY first_seen_at LIMIT 1", ada.person_id
        )
        assert row is not None
        await corrections.correct(
            connection,
            EVERYTHING,
            row["id"],
            version=None,
            status=Status.LATE,
            by_whom="office",
            reason="the bus",
            at=at,
        )
        async with connection.transaction():
            await punches.punch(
                connection,
                session_id=row["session_id"],
                person_id=ada.person_id,
                person_name="Ada",
                direction=Direction.IN,
                method=Method.PIN,
                camera_id=None,
                at=at,
                seen_before_at=None,
                re_entry_s=0,
            )
        await audit.append(connection, Entry(at, "owner", "person.read", None, "r"))
        gone = await people.create(connection, name="Gone", at=at, consent=people.Consent.GRANTED)
        await people.erase(connection, gone.person_id, at=at)
        for ignored in (False, True):
            face_id = await unknown_faces.begin(connection, at)
            await unknown_faces.add_member(
                connection,
                face_id,
                cipher=SecretBox(bytes(32)),
                model_id="model-a",
                embedding=np.ones(128, np.float32),
                quality=0.5,
                camera_id="door",
                at=at,
                crop_jpeg=b"JPEG",
            )
            if ignored:
                await unknown_faces.ignore(connection, face_id, at, ignored_max=9)
    await connection.execute("DELETE FROM outbox")
    for days in reversed(AGES_DAYS):
        async with connection.transaction():
            event_id = await outbox.append(connection, "test.made", {})
        await connection.execute(
            "UPDATE outbox SET created_at = $1 WHERE id = $2", NOW - timedelta(days=days), event_id
        )


async def counted(connection: Connection) -> dict[str, int]:
    return {name: await connection.fetchval(f"SELECT count(*) FROM {table}") for name, table in TABLES.items()}


def older_than(days: int) -> int:
    return sum(age > days for age in AGES_DAYS)


def test_every_kind_is_tested() -> None:
    assert set(TABLES) == {kind.name for kind in retention.KINDS}


@pytest.mark.parametrize("batch", [1, 2, 1000])
async def test_of_each_kind_what_is_older_than_its_setting_goes_in_batches_and_is_counted(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch, batch: int,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(retention, "BATCH", batch)
    settings = Settings(
        _env_file=None,
        storage=StorageSettings(
            outbox_keep_days=10, sightings_keep_days=90, attendance_keep_days=400, audit_keep_days=30
        ),
        unknown_faces=UnknownFacesSettings(keep_days=10, crops=True, ignored_keep_days=90),
    )
    await fill(connection)
    before = await counted(connection)

    gone = await retention.forget_the_old(database, settings, NOW)

    assert gone["sightings"] == older_than(90)
    assert gone["attendance records"] == older_than(400)
    assert gone["comings and goings"] == older_than(400)
    assert gone["faces up for review"] == older_than(3)
    assert gone["sessions of users"] == gone["idempotency keys"] == gone["wrong PINs"] == older_than(1)
    assert await connection.fetchval("SELECT count(*) FROM attendance_corrections") == len(AGES_DAYS) - older_than(400)
    assert gone["deliveries of webhooks"] == older_than(30)
    assert gone["audit entries"] == older_than(30)
    assert gone["events"] == gone["unknown faces"] == older_than(10)
    assert gone["pictures of unknown faces"] == 0  # they went with their faces
    assert gone["faces to be ignored"] == older_than(90)
    assert gone["answers of erased people"] == 2 * older_than(30)
    after = await counted(connection)
    gone["pictures of unknown faces"] = older_than(10)
    del gone["events"]  # the others' end is told by new ones
    assert {name: before[name] - after[name] for name in gone} == gone
    assert f"{older_than(90)} sightings are older than 90 days and were forgotten" in caplog.text
    again = await retention.forget_the_old(database, settings, NOW)
    assert {name: count for name, count in again.items() if name != "events"} == dict.fromkeys(
        set(again) - {"events"}, 0
    )


async def test_attendance_is_kept_for_ever_unless_the_site_says_otherwise(
    database: Database, connection: Connection
) -> None:
    await fill(connection)
    gone = await retention.forget_the_old(
        database, Settings(_env_file=None, storage=StorageSettings(audit_keep_days=9999)), NOW + timedelta(days=3650)
    )
    assert "attendance records" not in gone
    assert (await counted(connection))["attendance records"] == len(AGES_DAYS)
    assert gone["sightings"] == len(AGES_DAYS)


async def test_a_session_that_has_not_ended_long_ago_keeps_its_records(
    database: Database, connection: Connection
) -> None:
    await fill(connection)
    await retention.forget_the_old(
        database, Settings(_env_file=None, storage=StorageSettings(attendance_keep_days=401)), NOW
    )
    assert (await counted(connection))["attendance records"] == len(AGES_DAYS)


@pytest.mark.parametrize(
    ("keep_days", "crops", "kept"), [(0, True, (0, 0)), (5000, False, (9, 0)), (5000, True, (9, 9))]
)
async def test_what_is_switched_off_is_not_kept_any_longer(
    database: Database, connection: Connection, keep_days: int, crops: bool, kept: tuple[int, int]
) -> None:
    await fill(connection)
    settings = Settings(
        _env_file=None,
        unknown_faces=UnknownFacesSettings.model_construct(keep_days=keep_days, crops=crops, ignored_keep_days=9999),
    )
    await retention.forget_the_old(database, settings, NOW + timedelta(seconds=1))
    after = await counted(connection)
    assert (after["unknown faces"], after["pictures of unknown faces"]) == kept
    assert after["faces to be ignored"] == len(AGES_DAYS)
