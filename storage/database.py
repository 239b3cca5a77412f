"""The pool of connections, and the one place where the driver's errors become ours."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Self, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from storage.errors import SchemaOutdated, StorageUnavailable, TextUnstorable

HEAD_REVISION = "0011_attempts"
"""The migration that this code is written for. Kept here so that a running server never imports Alembic."""

Record: TypeAlias = asyncpg.Record
Connection: TypeAlias = "asyncpg.Connection[Record] | asyncpg.pool.PoolConnectionProxy[Record]"
Pool: TypeAlias = "asyncpg.Pool[Record]"

# Few distinct statements exist; the driver's default of 100 a connection would only hold memory.
_STATEMENT_CACHE_SIZE = 48
# A connection that nobody used for this long is closed, so that a quiet night holds one and not four.
_IDLE_CONNECTION_S = 120.0

_AWAY: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, starting up, dropped database, cancelled
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.TransactionRollbackError,  # deadlock or serialisation: nothing was stored
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a managed database over its quota
    asyncpg.ObjectNotInPrerequisiteStateError,  # a lock that was not got in time, an object in use
    asyncpg.PostgresSystemError,  # the server's disk
    asyncpg.InternalServerError,
    # Another replica migrates, or an administrator is at work: what waits in the spool must outlast both.
    asyncpg.InvalidCachedStatementError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
    # A pooler that hands out another server connection than the one a statement was prepared on.
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ClientConfigurationError,
    asyncpg.InternalClientError,  # the protocol state after a line that was cut in the middle
    OSError,
    TimeoutError,
    ssl.SSLError,
)

_DETAIL = "\nDETAIL:"

# The driver has one error for a closed connection or pool and for misuse; only the words tell them apart.
_CLOSED = re.compile(r"\b(is|was) (closed|closing)\b|released back to the pool")


def describe(dsn: str) -> str:
    """Where a DSN points to, without user and password: `host:port/database`."""
    try:
        parts = urlsplit(dsn)
        where = parts.hostname or "a local socket"
        return f"{where}:{parts.port}{parts.path}" if parts.port else f"{where}{parts.path}"
    except ValueError:
        return "the configured address"


def driver_dsn(dsn: str) -> str:
    """The DSN as asyncpg wants it: `postgresql+asyncpg://` and the like lose their driver part."""
    scheme, separator, rest = dsn.partition("://")
    return f"{scheme.split('+')[0]}{separator}{rest}"


@contextmanager
def storage_errors(where: str = "the database") -> Iterator[None]:
    """Turn every failure inside the block that a later try may cure into StorageUnavailable: of connection, login,
    server, rights, or of tables that are being migrated. A text that cannot be stored is TextUnstorable.

    OSError and TimeoutError are among them: do nothing but database work inside the block. What leaves it says nothing
    of the values that an error was about.
    """
    try:
        with _details_forgotten():
            yield
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
        # The last line of defence, for texts of requests that no rule of their own keeps free of it.
        raise TextUnstorable("a text holds a character that cannot be stored", hint="leave NUL out") from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, _AWAY) or _CLOSED.search(str(error)):
            raise _unavailable(error, where) from _without_secrets(error)
        raise  # a misuse of the driver is our defect and must not look like an outage
    except _AWAY as error:
        raise _unavailable(error, where) from _without_secrets(error)


@contextmanager
def _details_forgotten() -> Iterator[None]:
    """Take PostgreSQL's details from errors: they quote the row, and errors end up in logs."""
    try:
        yield
    except BaseException as error:
        seen: set[int] = set()
        todo: list[BaseException | None] = [error]
        while todo:
            one = todo.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            todo += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                todo += one.exceptions
            if isinstance(one, asyncpg.PostgresError):
                one.detail = None
            if one.args and isinstance(one.args[0], str) and _DETAIL in one.args[0]:
                one.args = (one.args[0].partition(_DETAIL)[0], *one.args[1:])
        raise


def _without_secrets(error: BaseException) -> BaseException | None:
    # The driver quotes the address it could not parse, password included.
    return None if isinstance(error, asyncpg.ClientConfigurationError | ValueError) else error


def _unavailable(error: BaseException, where: str) -> StorageUnavailable:
    hint = "check that PostgreSQL runs and can be reached from here"
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            detail = f"PostgreSQL at {where} refused the login"
            hint = "check user and password in DATABASE_URL"
        case asyncpg.InvalidCatalogNameError():
            detail = f"the database at {where} does not exist"
            hint = "create it (createdb), or correct the name in DATABASE_URL"
        case asyncpg.ClientConfigurationError():
            detail = "DATABASE_URL cannot be understood"
            hint = "write postgresql://user:password@host:5432/name; percent-encode special characters"
        case asyncpg.TooManyConnectionsError():
            detail = f"PostgreSQL at {where} has no connection left"
            hint = "raise its max_connections, or lower the size of the pool"
        case asyncpg.DiskFullError():
            detail, hint = f"the disk of PostgreSQL at {where} is full", "free some space there"
        case asyncpg.ReadOnlySQLTransactionError():
            detail, hint = f"PostgreSQL at {where} is read-only", "point DATABASE_URL to the primary server"
        case asyncpg.TransactionRollbackError():
            detail, hint = "PostgreSQL rolled the transaction back", "the same call may be repeated"
        case asyncpg.InvalidCachedStatementError():
            detail, hint = f"the tables at {where} have just been changed", "the same call may be repeated"
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedColumnError() | asyncpg.InvalidSchemaNameError():
            detail = f"the database at {where} lacks a table or column that is needed"
            hint = "run `rollcall db upgrade`, and let all servers on this database be of one version"
        case asyncpg.InsufficientPrivilegeError():
            detail = f"PostgreSQL at {where} does not let this user do what is needed"
            hint = "let the user of DATABASE_URL own the tables, or GRANT it the rights"
        case asyncpg.InvalidSQLStatementNameError() | asyncpg.DuplicatePreparedStatementError():
            detail = f"a pooler before PostgreSQL at {where} mixes up prepared statements"
            hint = "use the pooler's address for sessions"
        case TimeoutError():
            detail = f"PostgreSQL at {where} did not answer in time"
        case OSError():
            detail = f"PostgreSQL at {where} cannot be reached: {error.strerror or type(error).__name__}"
        case _:
            detail = f"PostgreSQL at {where} is not available: {type(error).__name__}"
    return StorageUnavailable(detail, hint=hint)


async def open_connection(
    dsn: str, *, connect_timeout_s: float = 5.0, command_timeout_s: float | None = 10.0
) -> "asyncpg.Connection[Record]":
    """Open one connection outside the pool, for migrations and for listening. Raises StorageUnavailable."""
    with storage_errors(describe(dsn)):
        try:
            return await asyncpg.connect(
                driver_dsn(dsn),
                timeout=connect_timeout_s,
                command_timeout=command_timeout_s,
                statement_cache_size=_STATEMENT_CACHE_SIZE,
                server_settings={"application_name": "rollcall"},
            )
        except ValueError as error:  # from the parser of the address; it may quote the password
            raise asyncpg.ClientConfigurationError("invalid address") from _without_secrets(error)


async def read_revision(connection: Connection) -> str | None:
    """The migration that the database is at, or None when it was never migrated."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


class Database:
    """A small pool. Make it with `connect`; every use goes through `acquire`."""

    def __init__(self, pool: Pool, *, dsn: str, acquire_timeout_s: float) -> None:
        self._pool = pool
        self._dsn = dsn
        self._where = describe(dsn)
        self._acquire_timeout_s = acquire_timeout_s

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        pool_max: int = 4,
        connect_timeout_s: float = 5.0,
        command_timeout_s: float = 10.0,
        on_query: Callable[[str, float], None] | None = None,
    ) -> Self:
        """Open the pool and check the schema. `on_query` is told each statement, without its values, and its seconds.

        Raises StorageUnavailable when the server is away, refuses the login or has no such database, and
        SchemaOutdated when `rollcall db upgrade` has to run first.
        """
        where = describe(dsn)
        # One plain connection first: it fails quickly and plainly, a pool would wrap its error.
        probe = await open_connection(dsn, connect_timeout_s=connect_timeout_s, command_timeout_s=command_timeout_s)
        with storage_errors(where):
            try:
                revision = await read_revision(probe)
            finally:
                await probe.close(timeout=connect_timeout_s)
            _check_revision(revision, where)
            pool = await asyncpg.create_pool(
                driver_dsn(dsn),
                init_size=1,
                min_size=0,  # with a floor the pool reconnects by itself, and logs a traceback each time it fails
                max_size=pool_max,
                max_inactive_connection_lifetime=_IDLE_CONNECTION_S,
                timeout=connect_timeout_s,
                command_timeout=command_timeout_s,
                statement_cache_size=_STATEMENT_CACHE_SIZE,
                server_settings={"application_name": "rollcall"},
                init=None if on_query is None else partial(_tell_queries, on_query),
            )
        return cls(pool, dsn=dsn, acquire_timeout_s=connect_timeout_s)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises StorageUnavailable, also for what goes wrong inside the block.

        Waits at most the connect timeout for a free one. Do nothing but database work inside the block.
        """
        with storage_errors(self._where):
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                yield connection

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Connection]:
        """A connection of its own, outside the pool and without a limit on time, for what may take minutes.

        Raises StorageUnavailable, also for what goes wrong inside the block. Callers bound how many there are.
        """
        connection = await open_connection(self._dsn, connect_timeout_s=self._acquire_timeout_s, command_timeout_s=None)
        try:
            with storage_errors(self._where):
                yield connection
        finally:
            connection.terminate()  # whatever it was doing is of no use to anybody any more

    async def close(self, timeout_s: float = 2.0) -> None:
        """Close the pool; connections that do not end within that time are cut."""
        try:
            with storage_errors(self._where):
                await _closed_within(self._pool, timeout_s)
        except StorageUnavailable:
            self._pool.terminate()


async def _tell_queries(on_query: Callable[[str, float], None], connection: Connection) -> None:
    connection.add_query_logger(lambda record: on_query(record.query, record.elapsed))


async def _closed_within(pool: Pool, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        await pool.close()


def _check_revision(revision: str | None, where: str) -> None:
    if revision == HEAD_REVISION:
        return
    if revision is None:
        raise SchemaOutdated(f"the database at {where} has no tables yet", hint="run `rollcall db upgrade`")
    # Revisions are numbered, so that their order can be told without reading the migrations.
    if revision > HEAD_REVISION:
        raise SchemaOutdated(
            f"the database at {where} is at {revision}, newer than this Rollcall ({HEAD_REVISION})",
            hint="update Rollcall to the version that migrated the database",
        )
    raise SchemaOutdated(
        f"the database at {where} is at {revision}, this Rollcall needs {HEAD_REVISION}",
        hint="run `rollcall db upgrade`",
    )
