"""What has to be done now and then: what is old is forgotten, and free memory is given back."""

import asyncio
import logging

from recognition.errors import UnavailableError
from stream_server import memory, retention
from stream_server.services import Services

log = logging.getLogger("rollcall.housekeeping")

EVERY_S = 3600.0
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
