import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from recognition.errors import UnavailableError
from storage.errors import StorageUnavailable
from stream_server.access.identities import Identities
from stream_server.access.principals import Kind, Principal, digest
from stream_server.access.rights import Right

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PHONE = Principal(
    Kind.DEVICE, UUID(int=1), "Phone", frozenset({Right.STREAM}), "door", subjects=frozenset({("device", UUID(int=1))})
)


class Table:
    """The tokens in the database, in place of a lookup, and the pool, in place of `Database`."""

    def __init__(self) -> None:
        self.rows = {digest("rcd_phone"): PHONE}
        self.away = False
        self.asked = 0
        self.mono = 0.0
        self.now = NOON
        self.gate: asyncio.Event | None = None
        self.at_once = self.most_at_once = 0

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Table"]:
        if self.away:
            raise StorageUnavailable("away")
        yield self

    async def look_up(self, connection: Any, key: bytes) -> Principal | None:
        self.asked += 1
        found = self.rows.get(key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.gate is not None:
            await self.gate.wait()
        self.at_once -= 1
        return found


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def identities(table: Any) -> Identities:
    return Identities(
        table,
        {"rcd_": table.look_up},
        now=lambda: table.now,
        fresh_s=60,
        cached_max=3,
        mono=lambda: table.mono,
    )


async def test_a_known_token_costs_one_query(table: Table, identities: Identities) -> None:
    for _ in range(5):
        assert await identities.of("rcd_phone") is PHONE
    assert table.asked == 1


async def test_what_is_no_token_of_ours_costs_none(table: Table, identities: Identities) -> None:
    for token in ("", "x", "phone", "RCD_phone", " rcd_phone"):
        assert await identities.of(token) is None
    assert table.asked == 0


async def test_a_token_that_is_unknown_is_asked_for_every_time(table: Table, identities: Identities) -> None:
    assert await identities.of("rcd_new") is None
    table.rows[digest("rcd_new")] = PHONE
    assert await identities.of("rcd_new") is PHONE


async def test_it_is_asked_for_again_after_a_while(table: Table, identities: Identities) -> None:
    await identities.of("rcd_phone")
    table.rows.clear()
    table.mono = 59.9
    assert await identities.of("rcd_phone") is PHONE
    table.mono = 60.0
    assert await identities.of("rcd_phone") is None


async def test_whoever_is_revoked_is_forgotten_at_once(table: Table, identities: Identities) -> None:
    await identities.of("rcd_phone")
    table.rows.clear()
    identities.forget("user", UUID(int=1))
    assert await identities.of("rcd_phone") is PHONE
    identities.forget("device", UUID(int=1))
    assert await identities.of("rcd_phone") is None


async def test_a_known_device_works_on_while_the_database_is_away_and_an_unknown_one_is_told(
    table: Table, identities: Identities
) -> None:
    await identities.of("rcd_phone")
    table.away = True
    table.mono = 10_000
    assert await identities.of("rcd_phone") is PHONE
    with pytest.raises(StorageUnavailable):
        await identities.of("rcd_other")
    identities.forget("device", UUID(int=1))
    with pytest.raises(StorageUnavailable):
        await identities.of("rcd_phone")


async def test_after_a_new_connection_nothing_is_believed_without_asking(table: Table, identities: Identities) -> None:
    await identities.of("rcd_phone")
    table.rows.clear()
    identities.look_again()
    assert await identities.of("rcd_phone") is None


async def test_a_revocation_in_the_middle_of_a_lookup_is_not_missed(table: Table, identities: Identities) -> None:
    table.gate = asyncio.Event()
    asking = asyncio.create_task(identities.of("rcd_phone"))
    while not table.at_once:
        await asyncio.sleep(0)
    table.rows.clear()
    identities.forget("device", UUID(int=1))
    table.gate.set()
    assert await asking is None
    assert await identities.of("rcd_phone") is None


async def test_access_that_changes_all_the_time_lets_nobody_in_and_keeps_nobody_busy(
    table: Table, identities: Identities
) -> None:
    look_up = table.look_up

    async def restless(connection: Any, key: bytes) -> Principal | None:
        identities.forget("device", UUID(int=9))
        return await look_up(connection, key)

    identities._lookups = {"rcd_": restless}
    with pytest.raises(UnavailableError):
        await identities.of("rcd_phone")
    assert table.asked == 10


async def test_an_expired_credential_is_nobody_even_while_the_database_is_away(
    table: Table, identities: Identities
) -> None:
    table.rows[digest("rcd_phone")] = replace(PHONE, expires_at=NOON + timedelta(minutes=5))
    assert await identities.of("rcd_phone") is not None
    table.away, table.now = True, NOON + timedelta(minutes=5)
    assert await identities.of("rcd_phone") is None


async def test_what_is_remembered_is_bounded_and_the_least_used_goes(table: Table, identities: Identities) -> None:
    for number in range(4):
        table.rows[digest(f"rcd_{number}")] = PHONE
        await identities.of(f"rcd_{number}")
        await identities.of("rcd_0")
    table.away = True
    assert await identities.of("rcd_0") is PHONE
    with pytest.raises(StorageUnavailable):
        await identities.of("rcd_1")


async def test_a_flood_of_unknown_tokens_holds_two_connections_at_most(table: Table, identities: Identities) -> None:
    table.gate = asyncio.Event()
    flood = [asyncio.create_task(identities.of(f"rcd_{number}")) for number in range(50)]
    for _ in range(200):
        await asyncio.sleep(0)
    table.gate.set()
    await asyncio.gather(*flood)
    assert (table.asked, table.most_at_once) == (50, 2)
