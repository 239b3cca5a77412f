"""What has to be done now and then: what is old is forgotten, and an embedded PostgreSQL that died is started again."""

import asyncio
import logging

from recognition.errors import UnavailableError
from storage.embedded import EmbeddedPostgres
from stream_server import memory, retention
from stream_server.services import Services

log = logging.getLogger("rollcall.housekeeping")

EVERY_S = 3600.0
LOOK_AT_POSTGRES_EVERY_S = 2.0
GIVE_BACK_EVERY_S = 5.0


async def run(services: Services) -> None:
    """Tidy up every hour, for ever; an hour in which the database is away is left out."""
    while True:
        try:
            await forget_the_old(services)
        except UnavailableError as error:
            log.info("what is too old stays for now: %s", error)
        await asyncio.sleep(EVERY_S)


async def forget_the_old(services: Services) -> dict[str, int]:
    """Delete what is older than the settings let it be; how many of each kind. Raises UnavailableError."""
    return await retention.forget_the_old(services.database, services.settings, services.now())


async def give_back_memory() -> None:
    """Give free memory back to the kernel now and then, for ever."""
    while True:
        await asyncio.sleep(GIVE_BACK_EVERY_S)
        await asyncio.to_thread(memory.give_back)


async def keep_postgres_running(server: EmbeddedPostgres) -> None:
    """Start the embedded PostgreSQL again when it has died, for ever: nobody else looks after it."""
    while True:
        await asyncio.sleep(LOOK_AT_POSTGRES_EVERY_S)
        try:
            if await asyncio.to_thread(server.revive):
                log.error("the embedded PostgreSQL had died and was started again")
        except UnavailableError as error:
            log.error("the embedded PostgreSQL has died and does not start: %s", error)
