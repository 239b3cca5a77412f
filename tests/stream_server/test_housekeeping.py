import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from storage import webhook_deliveries, webhooks
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.webhook_deliveries import Attempt, Cause
from stream_server import housekeeping
from stream_server.access.accounts import Accounts
from stream_server.privacy import retention
from stream_server.settings import Settings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def services(database: Database) -> Any:
    settings = Settings(_env_file=None)
    accounts = Accounts(database, None, settings.auth, attempts=None, now=lambda: NOON)  # type: ignore[arg-type]
    return SimpleNamespace(settings=settings, database=database, accounts=accounts, now=lambda: NOON)


async def test_every_kind_of_data_is_looked_at(services: Any) -> None:
    counts = await housekeeping.forget_the_old(services)
    assert set(counts.values()) == {0}
    assert set(counts) == {kind.name for kind in retention.KINDS if not kind.zero_keeps}


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
        assert await connection.fetchval("SELECT count(*) FROM webhook_deliveries") == 2
