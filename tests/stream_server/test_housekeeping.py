import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from recognition.types import Sighting
from storage import attendance, people, sightings, webhook_deliveries, webhooks
from storage.database import Connection, Database
from storage.errors import StorageUnavailable
from storage.webhook_deliveries import Attempt, Cause
from stream_server import housekeeping
from stream_server.accounts import Accounts
from stream_server.settings import Settings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def services(database: Database) -> Any:
    settings = Settings(_env_file=None)
    accounts = Accounts(database, None, settings.auth, now=lambda: NOON)  # type: ignore[arg-type]
    return SimpleNamespace(settings=settings, database=database, accounts=accounts, now=lambda: NOON)


async def see(connection: Connection, person: people.Person, at: datetime) -> None:
    sighting = Sighting(uuid4(), person.person_id, "door", at, 0.3, None, 0.9, 3, "model-a")
    await attendance.record_sighting(connection, sighting, ZoneInfo("UTC"))


async def count(connection: Connection, table: str) -> int:
    number: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
    return number


@pytest.mark.parametrize("batch", [1, 2, 100])
async def test_what_is_older_than_the_settings_allow_is_forgotten_in_batches_and_attendance_stays(
    services: Any, database: Database, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    async with database.acquire() as connection:
        ada = await people.create(connection, name="Ada", at=NOON, consent=people.Consent.GRANTED)
        for days in (0, 89, 91, 92, 93, 400):
            await see(connection, ada, NOON - timedelta(days=days))
        await connection.execute("UPDATE outbox SET created_at = $1", NOON - timedelta(days=31))
        prune = sightings.prune
        monkeypatch.setattr(sightings, "PRUNE_MAX", batch)
        monkeypatch.setattr(sightings, "prune", lambda connection, then: prune(connection, then, batch))

        await housekeeping.forget_the_old(services)

        assert await count(connection, "sightings") == 2
        assert await count(connection, "outbox") == 1
        assert await count(connection, "attendance") == 6


async def test_an_hour_without_the_database_is_left_out(services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = asyncio.Queue[int]()

    async def forget(_: Any) -> None:
        tries.put_nowait(1)
        raise StorageUnavailable("it is away")

    monkeypatch.setattr(housekeeping, "forget_the_old", forget)
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.0)
    running = asyncio.create_task(housekeeping.run(services))
    async with asyncio.timeout(10):
        await tries.get()
        await tries.get()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_deliveries_of_webhooks_that_are_too_old_are_forgotten(services: Any, database: Database) -> None:
    async with database.acquire() as connection:
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
        for days in (1, 29, 31):
            at = NOON - timedelta(days=days)
            attempt = Attempt(1, "session.opened", "msg_1", Cause.EVENT, 1, True, at)
            await webhook_deliveries.log(connection, webhook.webhook_id, attempt)
        await housekeeping.forget_the_old(services)
        assert await count(connection, "webhook_deliveries") == 2
