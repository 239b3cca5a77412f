import asyncio
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from storage import outbox
from storage.database import Connection, Database
from storage.errors import StorageUnavailable

WRITERS = 8
EVENTS_EACH = 40


async def put(connection: Connection, *numbers: int) -> list[int]:
    async with connection.transaction():
        return [await outbox.append(connection, "test", {"n": number}) for number in numbers]


async def test_events_are_read_in_order_after_the_last_one_seen(connection: Connection) -> None:
    assert (await outbox.oldest_id(connection), await outbox.latest_id(connection)) == (0, 0)
    ids = await put(connection, *range(5))
    assert ids == sorted(ids)
    assert (await outbox.oldest_id(connection), await outbox.latest_id(connection)) == (ids[0], ids[-1])
    events = await outbox.read_after(connection, ids[1], limit=2)
    assert [(event.event_id, event.payload) for event in events] == [(ids[2], {"n": 2}), (ids[3], {"n": 3})]


async def test_an_event_outside_a_transaction_is_a_defect(connection: Connection) -> None:
    with pytest.raises(RuntimeError):
        await outbox.append(connection, "test", {})


async def test_a_reader_that_polls_misses_no_event_of_eight_writers(database_dsn: str) -> None:
    database = await Database.connect(database_dsn, pool_max=WRITERS + 1)
    chance = random.Random(7)
    writing = True

    async def write(writer: int) -> None:
        for number in range(EVENTS_EACH):
            async with database.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await outbox.append(connection, "test", {"n": writer * EVENTS_EACH + number})
                # Transactions that last unequally long, and some that fail, are what lets numbers overtake.
                for _ in range(chance.randrange(3)):
                    await connection.fetchval("SELECT pg_sleep($1)", chance.random() / 500)
                await (transaction.rollback() if number % 10 == 9 else transaction.commit())

    async def read() -> list[int]:
        seen: list[int] = []
        last_id = 0
        async with database.acquire() as connection:
            while True:
                ended = not writing
                events = await outbox.read_after(connection, last_id, limit=7)
                for event in events:
                    assert event.event_id > last_id
                    last_id = event.event_id
                    seen.append(event.payload["n"])
                if ended and not events:
                    return seen

    try:
        reading = asyncio.ensure_future(read())
        await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
        writing = False
        seen = await reading
    finally:
        await database.close()
    expected = {n for n in range(WRITERS * EVENTS_EACH) if n % 10 != 9}
    assert sorted(seen) == sorted(expected)


async def test_a_number_that_is_drawn_holds_back_the_next_until_it_is_visible(database: Database) -> None:
    async with database.acquire() as slow, database.acquire() as quick:
        await slow.execute("BEGIN")
        first = await outbox.append(slow, "test", {"n": 1})
        waiting = asyncio.ensure_future(put(quick, 2))
        # The second one is known to wait when PostgreSQL says so.
        async with database.acquire() as watching:
            while not await watching.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"):
                assert not waiting.done()
        await slow.execute("COMMIT")
        (second,) = await waiting
    assert second > first


async def test_listeners_hear_of_events_when_they_are_committed(database_dsn: str, connection: Connection) -> None:
    heard: asyncio.Queue[int] = asyncio.Queue()
    async with outbox.listen(database_dsn, heard.put_nowait) as listener:
        await listener.check()
        await connection.execute(f"NOTIFY {outbox.CHANNEL}, 'no number'")
        async with connection.transaction():
            event_id = await outbox.append(connection, "test", {})
            await listener.check()
            assert heard.empty()
        assert await heard.get() == event_id


async def test_a_listener_is_told_when_its_line_is_cut(database_dsn: str, connection: Connection) -> None:
    lost = asyncio.Event()
    async with outbox.listen(database_dsn, lambda _: None, lost.set) as listener:
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        await lost.wait()
        with pytest.raises(StorageUnavailable):
            await listener.check()


async def test_a_listener_that_ends_by_itself_is_not_reported_as_lost(database_dsn: str) -> None:
    lost: list[None] = []
    async with outbox.listen(database_dsn, lambda _: None, lambda: lost.append(None)):
        pass
    assert lost == []


async def set_age(connection: Connection, days: int, *ids: int) -> None:
    then = datetime.now(UTC) - timedelta(days=days)
    await connection.execute("UPDATE outbox SET created_at = $1 WHERE id = ANY ($2)", then, ids)


async def kept(connection: Connection) -> list[int]:
    return [event.event_id for event in await outbox.read_after(connection, 0)]


async def test_pruning_keeps_what_is_young_and_of_the_old_only_the_newest_event(connection: Connection) -> None:
    ids = await put(connection, *range(10))
    limit = datetime.now(UTC) - timedelta(days=30)
    assert await outbox.prune(connection, limit) == 0
    await set_age(connection, 40, *ids[:7])

    assert await outbox.prune(connection, limit) == 7
    assert await kept(connection) == ids[7:]
    assert await outbox.prune(connection, datetime.now(UTC) + timedelta(days=1)) == 2
    assert await kept(connection) == ids[9:]
    assert await outbox.prune(connection, datetime.now(UTC) + timedelta(days=1)) == 0
    assert await outbox.latest_id(connection) == ids[9]


async def test_pruning_nothing_is_fine(connection: Connection) -> None:
    assert await outbox.prune(connection, datetime.now(UTC)) == 0
    assert await outbox.latest_id(connection) == 0


async def test_a_clock_that_was_wrong_neither_holds_old_events_back_nor_leaves_a_hole(connection: Connection) -> None:
    ids = await put(connection, *range(6))
    await set_age(connection, -3650, ids[0])
    await set_age(connection, 40, ids[1], ids[3])
    assert await outbox.prune(connection, datetime.now(UTC) - timedelta(days=30)) == 4
    assert await kept(connection) == ids[4:]


async def test_a_payload_that_is_no_json_is_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        async with connection.transaction():
            await outbox.append(connection, "test", {"n": float("nan")})
    with pytest.raises(asyncpg.CheckViolationError):
        async with connection.transaction():
            await outbox.append(connection, "", {})
