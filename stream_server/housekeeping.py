"""What has to be done now and then: what is old is forgotten, and free memory is given back."""

import asyncio
import logging

from recognition.errors import UnavailableError
from stream_server import loaded_code, memory
from stream_server.privacy import retention
from stream_server.services import Services

log = logging.getLogger("rollcall.housekeeping")

EVERY_S = 3600.0
GIVE_BACK_EVERY_S = 5.0
# First when the start is over; then the pages that are in use come back within milliseconds, a few a frame.
LET_GO_AFTER_S, LET_GO_EVERY_S = 2.0, 60.0


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


async def let_go_of_code() -> None:
    """Let go of pages of code that nobody runs, after the start and now and then, for ever."""
    await asyncio.sleep(LET_GO_AFTER_S)
    while True:
        await asyncio.to_thread(loaded_code.let_go)
        await asyncio.sleep(LET_GO_EVERY_S)
