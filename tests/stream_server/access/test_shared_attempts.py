from contextlib import suppress

import pytest

from recognition.errors import RequestError, UnavailableError
from storage.database import Database
from stream_server.access.attempts import AttemptLimit, TooManyAttempts
from stream_server.access.shared_attempts import SharedAttempts
from stream_server.people.credentials import CredentialMaker


class Wrong(RequestError):
    code = "wrong"


class Server:
    """One of several servers on a database."""

    def __init__(self, database: Database, *, in_all: int = 100, from_one: int = 3) -> None:
        self.limit = AttemptLimit("tests", in_all=in_all, from_one=from_one)
        self.attempts = SharedAttempts(database, CredentialMaker([bytes(32)]).digest)

    async def guess(self, source: str, error: Exception | None = None) -> None:
        async with self.attempts.attempt((self.limit, source), wrong=Wrong):
            if error is not None:
                raise error

    async def let_through(self, source: str, tries: int) -> int:
        count = 0
        for _ in range(tries):
            with suppress(TooManyAttempts):
                try:
                    await self.guess(source, Wrong("wrong"))
                except Wrong:
                    count += 1
        return count


async def test_all_servers_together_let_so_many_through_from_one_source(database: Database) -> None:
    one, other = Server(database), Server(database)
    assert await one.let_through("a", 2) == 2
    assert await other.let_through("a", 20) == 1
    assert await one.let_through("a", 20) == 0
    assert await one.let_through("b", 20) == 3


async def test_all_servers_together_let_so_many_through_in_all(database: Database) -> None:
    servers = [Server(database, in_all=5) for _ in range(2)]
    assert sum([await servers[number % 2].let_through(f"source-{number}", 2) for number in range(10)]) == 5


async def test_it_says_when_to_try_again(database: Database) -> None:
    one, other = Server(database, from_one=1), Server(database, from_one=1)
    await one.let_through("a", 1)
    with pytest.raises(TooManyAttempts) as refused:
        await other.guess("a")
    assert 1 <= refused.value.retry_after_s <= 60


@pytest.mark.parametrize("error", [None, UnavailableError("away"), KeyError("a defect")])
async def test_only_a_wrong_guess_stays_counted(database: Database, error: Exception | None) -> None:
    one, other = Server(database), Server(database)
    for _ in range(10):
        with suppress(UnavailableError, KeyError):
            await one.guess("a", error)
    assert await other.let_through("a", 9) == 3


async def test_who_is_refused_for_another_servers_sake_uses_nothing_up_here(database: Database) -> None:
    one, other = Server(database), Server(database)
    assert await one.let_through("a", 3) == 3
    for _ in range(20):
        with pytest.raises(TooManyAttempts):
            await other.guess("a")
    async with database.acquire() as connection:
        await connection.execute("DELETE FROM attempts")
    assert await other.let_through("a", 9) == 3


async def test_without_the_database_each_server_counts_for_itself(database: Database) -> None:
    one, other = Server(database), Server(database)
    await database.close()
    assert await one.let_through("a", 9) == 3
    await other.guess("a")
    assert await other.let_through("a", 9) == 3


async def test_nobody_reads_in_the_table_who_tried(database: Database) -> None:
    server = Server(database)
    await server.let_through("192.0.2.7", 1)
    async with database.acquire() as connection:
        rows = await connection.fetch("SELECT counter FROM attempts")
    unkeyed = SharedAttempts(database, CredentialMaker([bytes([1]) * 32]).digest)
    assert len(rows) == 2
    assert all(b"192.0.2.7" not in row["counter"] for row in rows)
    assert server.attempts._digest("attempts", "x") != unkeyed._digest("attempts", "x")
