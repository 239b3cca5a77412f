"""Where the database is; without an address, a PostgreSQL of the server's own, which it looks after."""

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from recognition.errors import UnavailableError
from storage.embedded import EmbeddedPostgres
from stream_server.settings import Settings
from stream_server.supervision import Supervisor, cancelled

log = logging.getLogger("rollcall.postgres")

LOOK_EVERY_S = 2.0
# For each of asking, insisting and killing: containers are given 10 s.
STOP_S = 4.0


async def database_dsn(settings: Settings, stack: AsyncExitStack, supervisor: Supervisor) -> str:
    """The address of the database. An embedded one runs from now until the stack is taken down."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    server = EmbeddedPostgres(Path(settings.data_dir) / "postgres")
    await asyncio.to_thread(server.start)
    stack.push_async_callback(asyncio.to_thread, server.stop, STOP_S)
    watching = supervisor.start("postgres", partial(keep_running, server))
    stack.push_async_callback(cancelled, watching)
    return server.dsn


async def keep_running(server: EmbeddedPostgres) -> None:
    """Start the embedded PostgreSQL again when it has died, for ever: nobody else looks after it."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            if await asyncio.to_thread(server.revive):
                log.error("the embedded PostgreSQL had died and was started again")
        except UnavailableError as error:
            log.error("the embedded PostgreSQL has died and does not start: %s", error)
