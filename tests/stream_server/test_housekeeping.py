import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from storage.database import Database
from storage.errors import StorageUnavailable
from stream_server import housekeeping, retention
from stream_server.accounts import Accounts
from stream_server.settings import Settings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def services(database: Database) -> Any:
    settings = Settings(_env_file=None)
    accounts = Accounts(database, None, settings.auth, now=lambda: NOON)  # type: ignore[arg-type]
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
