"""Bring the tables to the state this code needs. The only module that imports Alembic and SQLAlchemy.

Run it as a step of its own (`rollcall db upgrade`): what it imports then never stays in the server's memory.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.database import describe as describe_dsn
from storage.database import open_connection, read_revision, storage_errors

if TYPE_CHECKING:
    import asyncpg
    from alembic.config import Config
    from sqlalchemy import Connection as SqlAlchemyConnection

MIGRATIONS = Path(__file__).parent / "migrations"

# Any number will do, as long as nothing else in the same database uses it; this one spells "rollc" in ASCII.
_MIGRATION_LOCK = 0x726F6C6C63
# A migration may rewrite a big table; it is no request that somebody waits for.
_MIGRATION_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Migrated:
    """The revision before and after; None is an empty database."""

    before: str | None
    after: str | None


async def current(dsn: str) -> str | None:
    """The revision that the database is at, or None. Raises StorageUnavailable."""
    connection = await open_connection(dsn)
    with storage_errors(describe_dsn(dsn)):
        try:
            return await read_revision(connection)
        finally:
            await connection.close(timeout=5.0)


async def upgrade(dsn: str, revision: str = "head") -> Migrated:
    """Apply the migrations that are missing, in one transaction. Safe to start from several places at once.

    Raises StorageUnavailable. Doing nothing because all is applied is the normal case and costs one
    connection.
    """
    return await _migrate(dsn, revision, down=False)


async def downgrade(dsn: str, revision: str = "base") -> Migrated:
    """Take migrations back, down to `revision` ("base": all of them, and with them all data)."""
    return await _migrate(dsn, revision, down=True)


def head_revision() -> str | None:
    """The newest migration among the scripts; `database.HEAD_REVISION` must be the same."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # ini files interpolate %
    return config


async def _migrate(dsn: str, revision: str, *, down: bool) -> Migrated:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        # Our own address parsing: SQLAlchemy's differs in sockets, TLS options and percent signs.
        return await open_connection(dsn, command_timeout_s=_MIGRATION_TIMEOUT_S)

    def run(connection: "SqlAlchemyConnection") -> None:
        from alembic import command

        config = _config()
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)

    before = await current(dsn)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    with storage_errors(describe_dsn(dsn)):
        try:
            async with engine.begin() as connection:
                # The second of two replicas waits here, then finds nothing left to do.
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
                await connection.run_sync(run)
        finally:
            await engine.dispose()
    return Migrated(before=before, after=await current(dsn))
