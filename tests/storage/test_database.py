import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from recognition.types import Sighting
from storage import attendance, people
from storage.database import Connection, Database, describe, driver_dsn, open_connection, storage_errors
from storage.embedded import EmbeddedPostgres
from storage.errors import Conflict, SchemaOutdated, StorageUnavailable
from tests.postgres import answers

PASSWORD = "s3cr3t-word"


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[int]:
    """A port where something answers like that (None: never) to whoever connects."""
    ended = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await ended.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()
        await server.wait_closed()


async def test_a_connection_is_lent_and_the_server_answers(database: Database) -> None:
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert await answers(database)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://rollcall:{PASSWORD}@127.0.0.1:1/rollcall",
        f"postgresql://rollcall:{PASSWORD}@host.invalid/rollcall",
        f"mysql://rollcall:{PASSWORD}@127.0.0.1/rollcall",
        f"postgresql://rollcall:{PASSWORD}@127.0.0.1:port/rollcall",
        f"postgresql://rollcall:{PASSWORD}@127.0.0.1:1/rollcall?sslmode=nonsense",
        f"{PASSWORD}",
        "postgresql://postgres@/rollcall?host=/nowhere",
    ],
)
async def test_a_server_that_cannot_be_reached_is_told_with_a_hint_and_without_the_password(dsn: str) -> None:
    with pytest.raises(StorageUnavailable) as away:
        await Database.connect(dsn, connect_timeout_s=2.0)
    assert away.value.hint
    told: BaseException | None = away.value
    while told is not None:
        assert PASSWORD not in f"{told} {told!r}"
        told = told.__cause__


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_something_else_behind_the_port_is_no_database(answer: bytes | None) -> None:
    async with listening(answer) as port:
        with pytest.raises(StorageUnavailable):
            await Database.connect(f"postgresql://u:p@127.0.0.1:{port}/x", connect_timeout_s=0.3)


async def test_a_missing_database_is_told_by_name(postgres_server: EmbeddedPostgres) -> None:
    dsn = postgres_server.dsn.replace("/rollcall?", "/nothing_here?")
    with pytest.raises(StorageUnavailable) as missing:
        await Database.connect(dsn)
    assert "nothing_here" in missing.value.detail
    assert "createdb" in missing.value.hint


async def test_a_database_without_tables_asks_for_the_upgrade(empty_database_dsn: str) -> None:
    with pytest.raises(SchemaOutdated) as outdated:
        await Database.connect(empty_database_dsn)
    assert outdated.value.hint == "run `rollcall db upgrade`"


@pytest.mark.parametrize(("revision", "word"), [("0000_before", "db upgrade"), ("9999_after", "update Rollcall")])
async def test_another_schema_is_refused(database_dsn: str, revision: str, word: str) -> None:
    connection = await open_connection(database_dsn)
    await connection.execute("UPDATE alembic_version SET version_num = $1", revision)
    await connection.close()
    with pytest.raises(SchemaOutdated) as refused:
        await Database.connect(database_dsn)
    assert revision in refused.value.detail
    assert word in refused.value.hint


async def test_a_connection_cut_in_the_middle_is_an_outage_and_the_pool_recovers(
    database: Database, database_dsn: str
) -> None:
    killer = await open_connection(database_dsn)

    async def work() -> None:
        async with database.acquire() as connection:
            await killer.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            await connection.fetchval("SELECT 1")

    with pytest.raises(StorageUnavailable):
        await work()
    await killer.close()
    assert await answers(database)


async def test_a_pool_that_is_exhausted_or_closed_is_an_outage(database_dsn: str) -> None:
    database = await Database.connect(database_dsn, pool_max=1, connect_timeout_s=0.2)
    async with database.acquire():
        assert not await answers(database)
    assert await answers(database)
    await database.close()
    assert not await answers(database)


async def test_a_statement_that_takes_too_long_is_an_outage(database_dsn: str) -> None:
    database = await Database.connect(database_dsn, command_timeout_s=0.1)
    with pytest.raises(StorageUnavailable) as slow:
        async with database.acquire() as connection:
            await connection.fetchval("SELECT pg_sleep(30)")
    assert "in time" in slow.value.detail
    assert await answers(database)
    await database.close()


async def test_closing_does_not_wait_for_a_connection_that_is_never_given_back(database_dsn: str) -> None:
    database = await Database.connect(database_dsn)

    async def hold() -> None:
        async with database.acquire() as connection:
            await database.close(timeout_s=0.05)
            await connection.fetchval("SELECT 1")

    with pytest.raises(StorageUnavailable):
        await hold()


async def test_a_wrong_statement_and_a_misused_connection_are_no_outage(database: Database) -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError):
        async with database.acquire() as connection:
            await connection.fetchval("SELECT FROM FROM")
    with pytest.raises(asyncpg.InterfaceError):
        async with database.acquire() as connection:
            await connection.fetchval("SELECT $1::int")


async def store(database: Database, sighting: Sighting) -> attendance.Outcome:
    async with database.acquire() as connection:
        return (await attendance.record_sighting(connection, sighting, ZoneInfo("UTC"))).outcome


async def test_a_migration_by_another_replica_costs_one_try_and_no_sighting(
    database: Database,
    database_dsn: str,
    ada: people.Person,
    make_sighting: Callable[..., Sighting],
) -> None:
    assert await store(database, make_sighting(ada.person_id)) is attendance.Outcome.FIRST
    migration = await open_connection(database_dsn)
    await migration.execute("ALTER TABLE people ALTER COLUMN name TYPE varchar(200)")
    await migration.close()

    late = make_sighting(ada.person_id)
    with pytest.raises(StorageUnavailable) as outdated:
        await store(database, late)
    assert "repeated" in outdated.value.hint
    assert await store(database, late) is attendance.Outcome.AGAIN


@pytest.mark.parametrize(
    ("away", "back"),
    [
        ("sightings RENAME TO elsewhere", "elsewhere RENAME TO sightings"),
        ("sightings RENAME quality TO elsewhere", "sightings RENAME elsewhere TO quality"),
    ],
)
async def test_a_table_or_column_that_is_missing_is_an_outage_until_it_is_there(
    database: Database,
    database_dsn: str,
    ada: people.Person,
    make_sighting: Callable[..., Sighting],
    away: str,
    back: str,
) -> None:
    migration = await open_connection(database_dsn)
    await migration.execute(f"ALTER TABLE {away}")
    with pytest.raises(StorageUnavailable) as missing:
        await store(database, make_sighting(ada.person_id))
    assert "db upgrade" in missing.value.hint
    await migration.execute(f"ALTER TABLE {back}")
    await migration.close()
    assert await store(database, make_sighting(ada.person_id)) is attendance.Outcome.FIRST


@pytest.fixture
async def clerk_dsn(database_dsn: str) -> AsyncIterator[str]:
    """The address for a user who may use the tables but does not own them."""
    admin = await open_connection(database_dsn)
    await admin.execute("CREATE ROLE clerk LOGIN")
    await admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
    yield database_dsn.replace("postgres@", "clerk@")
    await admin.execute("DROP OWNED BY clerk")
    await admin.execute("DROP ROLE clerk")
    await admin.close()


async def test_a_right_that_was_taken_away_is_an_outage_until_it_is_given_back(
    database_dsn: str, clerk_dsn: str, ada: people.Person, make_sighting: Callable[..., Sighting]
) -> None:
    database = await Database.connect(clerk_dsn)
    admin = await open_connection(database_dsn)
    await admin.execute("REVOKE INSERT ON sightings FROM clerk")
    with pytest.raises(StorageUnavailable) as refused:
        await store(database, make_sighting(ada.person_id))
    assert "GRANT" in refused.value.hint
    await admin.execute("GRANT INSERT ON sightings TO clerk")
    await admin.close()
    assert await store(database, make_sighting(ada.person_id)) is attendance.Outcome.FIRST
    await database.close()


async def test_a_lock_that_is_not_got_in_time_is_an_outage(database: Database, connection: Connection) -> None:
    async def lock() -> None:
        async with database.acquire() as other, other.transaction():
            await other.execute("SET LOCAL lock_timeout = '10ms'")
            await other.execute("LOCK TABLE people")

    async with connection.transaction():
        await connection.execute("LOCK TABLE people")
        with pytest.raises(StorageUnavailable):
            await lock()


@pytest.mark.parametrize(
    "sqlstate",
    [
        "08006",
        "25006",
        "26000",
        "40001",
        "42P05",
        "53100",
        "53400",
        "55000",
        "57014",
        "57P05",
        "58030",
        "XX000",
        "XX001",
    ],
)
def test_what_a_later_try_may_cure_is_an_outage(sqlstate: str) -> None:
    with pytest.raises(StorageUnavailable) as away, storage_errors():
        raise asyncpg.PostgresError.new({"S": "ERROR", "C": sqlstate, "M": "so it is"})
    assert away.value.hint


@pytest.mark.parametrize("sqlstate", ["0A000", "22003", "23505", "23514", "42601", "42883"])
def test_what_no_later_try_will_cure_is_no_outage(sqlstate: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as error, storage_errors():
        raise asyncpg.PostgresError.new({"S": "ERROR", "C": sqlstate, "M": "so it is"})
    assert error.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    ("dsn", "text"),
    [
        ("postgresql://u:p@db.example:5433/school", "db.example:5433/school"),
        ("postgresql://u:p@db.example/school?sslmode=require", "db.example/school"),
        ("postgresql://postgres@/rollcall?host=/run", "a local socket/rollcall"),
        ("postgresql://u:p@h:port/x", "the configured address"),
    ],
)
def test_an_address_is_described_without_user_and_password(dsn: str, text: str) -> None:
    assert describe(dsn) == text


def test_an_address_with_a_driver_is_understood() -> None:
    assert driver_dsn("postgresql+asyncpg://u@h/d") == "postgresql://u@h/d"
    assert urlsplit(driver_dsn("postgres://u@h/d")).scheme == "postgres"


async def test_what_a_row_holds_does_not_leave_with_an_error(database: Database) -> None:
    async def add(name: str, consent: str) -> None:
        async with database.acquire() as connection:
            await connection.execute(
                "INSERT INTO people (id, name, consent) VALUES (gen_random_uuid(), $1, $2)", name, consent
            )

    async def add_again(external_id: str) -> None:
        async with database.acquire() as connection:
            await people.create(connection, name="Ada", external_id=external_id, at=datetime.now(UTC))

    with pytest.raises(asyncpg.CheckViolationError) as plain:
        await add("Lovelace", "x")
    assert "Lovelace" not in "".join(traceback.format_exception(plain.value)).replace('add("Lovelace"', "")

    await add_again("s-1815")
    with pytest.raises(Conflict) as chained:
        await add_again("s-1815")
    cause = chained.value.__cause__
    assert isinstance(cause, asyncpg.UniqueViolationError)
    assert "s-1815" not in str(cause)


def test_details_that_another_library_has_copied_do_not_leave_either() -> None:
    # As SQLAlchemy does, around the driver's error.
    with pytest.raises(ValueError, match="violates") as error, storage_errors():
        raise ValueError("<class 'X'>: violates a constraint\nDETAIL:  Key (name)=(Ada)") from ValueError("a cause")
    assert str(error.value) == "<class 'X'>: violates a constraint"
