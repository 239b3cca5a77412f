import asyncio
from datetime import timedelta

from storage import attempts
from storage.attempts import Counted, Counter, Full
from storage.database import Connection, Database


def counter(number: int, most: int = 3, window_s: int = 60) -> Counter:
    return Counter(bytes([number]) * 32, most, window_s)


async def counts(connection: Connection) -> dict[int, int]:
    rows = await connection.fetch("SELECT counter, count FROM attempts WHERE count > 0")
    return {row["counter"][0]: row["count"] for row in rows}


async def pass_time(connection: Connection, seconds: int) -> None:
    await connection.execute("UPDATE attempts SET ends_at = ends_at - $1::interval", timedelta(seconds=seconds))


async def test_so_many_are_let_through_and_no_more_until_the_time_is_over(connection: Connection) -> None:
    for _ in range(3):
        assert isinstance(await attempts.take(connection, [counter(1)]), list)
    await pass_time(connection, 20)
    for _ in range(3):
        full = await attempts.take(connection, [counter(1)])
        assert isinstance(full, Full)
        assert 30 < full.left_s <= 40
    assert await counts(connection) == {1: 3}
    await pass_time(connection, 41)
    assert isinstance(await attempts.take(connection, [counter(1)]), list)
    assert await counts(connection) == {1: 1}


async def test_an_attempt_is_counted_by_all_counters_or_by_none(connection: Connection) -> None:
    await attempts.take(connection, [counter(1), counter(2, most=1)])
    assert isinstance(await attempts.take(connection, [counter(2, most=1), counter(1)]), Full)
    assert await counts(connection) == {1: 1, 2: 1}


async def test_what_is_given_back_is_not_counted_and_belongs_to_its_own_time(connection: Connection) -> None:
    counted = await attempts.take(connection, [counter(1), counter(2)])
    assert not isinstance(counted, Full)
    await attempts.give_back(connection, counted)
    assert await counts(connection) == {}
    await attempts.give_back(connection, counted)
    assert await counts(connection) == {}
    counted = await attempts.take(connection, [counter(1)])
    assert not isinstance(counted, Full)
    await pass_time(connection, 61)
    await attempts.take(connection, [counter(1)])
    await attempts.give_back(connection, counted)
    assert await counts(connection) == {1: 1}


async def test_many_at_once_are_counted_one_by_one_and_nobody_waits_in_a_circle(
    database: Database, connection: Connection
) -> None:
    async def one(number: int) -> bool:
        both = [counter(1, most=5), counter(2, most=5)]
        async with database.acquire() as own:
            counted = await attempts.take(own, both if number % 2 else both[::-1])
            if isinstance(counted, Full):
                return False
            if number % 5 == 0:
                await attempts.give_back(own, counted[::-1])
                return False
            return True

    let_through = sum(await asyncio.gather(*(one(number) for number in range(60))))
    assert let_through <= 5
    assert await counts(connection) == {1: let_through, 2: let_through}


async def test_what_is_over_is_forgotten_a_few_at_a_time(connection: Connection) -> None:
    for number in range(5):
        await attempts.take(connection, [counter(number)])
    now = await connection.fetchval("SELECT now()")
    assert await attempts.prune(connection, now) == 0
    assert await attempts.prune(connection, now + timedelta(minutes=2), limit=3) == 3
    assert await attempts.prune(connection, now + timedelta(minutes=2), limit=3) == 2
    assert await counts(connection) == {}


async def test_a_counter_that_was_forgotten_meanwhile_is_not_given_back(connection: Connection) -> None:
    now = await connection.fetchval("SELECT now()")
    await attempts.give_back(connection, [Counted(bytes(32), now)])
    assert await counts(connection) == {}
