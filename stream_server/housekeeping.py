"""What has to be done now and then: old events are forgotten."""

import asyncio
import logging
from datetime import timedelta

from recognition.errors import UnavailableError
from storage import outbox
from stream_server.services import Services

log = logging.getLogger("rollcall.housekeeping")

EVERY_S = 3600.0


async def run(services: Services) -> None:
    """Tidy up every hour, for ever; an hour in which the database is away is left out."""
    keep = timedelta(days=services.settings.storage.outbox_keep_days)
    while True:
        try:
            async with services.database.acquire() as connection:
                pruned = await outbox.prune(connection, services.now() - keep)
            if pruned:
                log.info("%d events are older than %d days and were forgotten", pruned, keep.days)
        except UnavailableError as error:
            log.info("old events stay for now: %s", error)
        await asyncio.sleep(EVERY_S)
