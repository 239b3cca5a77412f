"""What has to be done now and then: old events and sightings are forgotten, and an embedded PostgreSQL that died is
started again.
"""

import asyncio
import logging
from datetime import timedelta

from recognition.errors import UnavailableError
from storage import idempotency, outbox, reviews, sightings, webhook_deliveries
from storage.embedded import EmbeddedPostgres
from stream_server import memory
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
            log.info("old events and sightings stay for now: %s", error)
        await asyncio.sleep(EVERY_S)


async def forget_the_old(services: Services) -> None:
    """Delete the events and sightings that are older than the settings let them be. Raises UnavailableError."""
    settings, now = services.settings.storage, services.now()
    async with services.database.acquire() as connection:
        await webhook_deliveries.prune(connection, now - timedelta(days=services.settings.webhooks.keep_days))
        events = await outbox.prune(connection, now - timedelta(days=settings.outbox_keep_days))
    if events:
        log.info("%d events are older than %d days and were forgotten", events, settings.outbox_keep_days)
    await services.accounts.prune_sessions()
    async with services.database.acquire() as connection:
        await idempotency.prune(connection, now)
        hours = services.settings.attendance.review_keep_hours
        if unsettled := await reviews.prune(connection, now - timedelta(hours=hours)):
            log.info("%d faces up for review are older than %d hours and were forgotten", unsettled, hours)
    seen = 0
    pruned = sightings.PRUNE_MAX
    while pruned == sightings.PRUNE_MAX:
        # A connection for each batch, so that others get their turn.
        async with services.database.acquire() as connection:
            pruned = await sightings.prune(connection, now - timedelta(days=settings.sightings_keep_days))
        seen += pruned
    if seen:
        log.info("%d sightings are older than %d days and were forgotten", seen, settings.sightings_keep_days)


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
