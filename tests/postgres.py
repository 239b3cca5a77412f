"""Fixtures with a real PostgreSQL: one embedded server for the whole run, a fresh migrated database for each test."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from storage import migrate
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import StorageUnavailable

T = TypeVar("T")

TEMPLATE = "migrated"
# Durability is tested on a server of its own; everything else only wants to be quick.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the server's own user may enter: pytest closes its own to all but the one who runs it."""
    folder = Path(tempfile.mkdtemp(prefix="rollcall-test-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine from synchronous code, whether or not a loop runs in this thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: asyncio.run(work())).result()


def on_database(dsn: str, name: str) -> str:
    """The same server's address with another database."""
    parts = urlsplit(dsn)
    # urlunsplit would drop the empty host of a socket address.
    return f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def answers(database: Database) -> bool:
    """Whether the database can be used now."""
    try:
        async with database.acquire() as connection:
            await connection.fetchval("SELECT 1")
    except StorageUnavailable:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The embedded PostgreSQL, with a database that is migrated once and copied for each test."""
    with open_folder() as folder:
        server = EmbeddedPostgres(folder, settings=QUICK)
        try:
            dsn = server.start()
        except StorageUnavailable as error:
            pytest.skip(f"no embedded PostgreSQL: {error}")
        try:
            run_async(lambda: execute(dsn, f"CREATE DATABASE {TEMPLATE}"))
            run_async(lambda: migrate.upgrade(on_database(dsn, TEMPLATE)))
            yield server
        finally:
            server.stop()


def _fresh(server: EmbeddedPostgres, source: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    run_async(lambda: execute(server.dsn, f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY FILE_COPY"))
    yield on_database(server.dsn, name)
    run_async(lambda: execute(server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def database_dsn(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The address of a fresh database with all tables."""
    yield from _fresh(postgres_server, TEMPLATE)


@pytest.fixture
def empty_database_dsn(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The address of a fresh database without any table."""
    yield from _fresh(postgres_server, "template0")


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    """A pool on a fresh database with all tables."""
    database = await Database.connect(database_dsn, pool_max=4)
    yield database
    await database.close()
