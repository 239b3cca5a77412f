"""Tells receivers of events: at least once, in order for each, and each for itself.

Nothing is held in memory but what is being sent. What waits is in the outbox, how far a receiver has come is in its
row, and that one replica at a time delivers to it is a lease on that row. A receiver that hangs holds one of a few
places for the time limit at most, and is then left alone for longer and longer.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from recognition.errors import UnavailableError
from storage import outbox, webhook_deliveries
from storage.database import Database
from storage.outbox import Event
from storage.webhook_deliveries import Attempt, Cause, Claim
from stream_server.messages.wire import Event as BusEvent
from stream_server.privacy.secrets import SecretBox
from stream_server.settings.webhooks import WebhookSettings
from stream_server.webhooks.message import send_event
from stream_server.webhooks.schedule import next_attempt, why_disable
from stream_server.webhooks.sender import Sender

log = logging.getLogger("rollcall.webhooks")

# Another replica may have been given something to do, or have died.
LOOK_EVERY_S = 30.0
EVENTS_A_TURN = 20
LEASE_SPARE_S = 15.0


@dataclass(slots=True)
class Deliveries:
    """What became of the attempts of this server. `failing` are the webhooks whose last one failed."""

    taken: int = 0
    failed: int = 0
    failing: set[UUID] = field(default_factory=set)


class Dispatcher:
    """Delivers what waits, as long as `run` runs."""

    def __init__(
        self,
        database: Database,
        settings: WebhookSettings,
        box: SecretBox,
        sender: Sender,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._settings = settings
        self._box = box
        self._sender = sender
        self._now = now
        self._wake = asyncio.Event()
        self.counts = Deliveries()
        self._sending: set[asyncio.Task[None]] = set()
        # It is renewed with every event, and so must outlive one attempt only, and what is done around it.
        self._lease_s = settings.timeout_s + LEASE_SPARE_S

    def on_event(self, _: BusEvent) -> None:
        """Look soon: something happened."""
        self._wake.set()

    def look(self) -> None:
        """Look soon: a webhook was added, changed or switched on."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver, for ever. Whoever cancels this ends the attempts under way; they are made again later."""
        try:
            while True:
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type(UnavailableError),
                    wait=wait_exponential_jitter(multiplier=0.5, max=15.0),
                ):
                    with attempt:
                        wait_s = await self._start_what_is_due()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def _start_what_is_due(self) -> float:
        """Begin with as many receivers as there are places for; return how long nothing more is due."""
        self._wake.clear()
        free = self._settings.concurrency - len(self._sending)
        if free == 0:
            return LOOK_EVERY_S  # whoever ends wakes us
        async with self._database.acquire() as connection:
            claims = await webhook_deliveries.claim_due(connection, at=self._now(), lease_s=self._lease_s, limit=free)
            due = await webhook_deliveries.next_due(connection)
        for claim in claims:
            task = asyncio.create_task(self._serve(claim), name="webhook")
            self._sending.add(task)
            task.add_done_callback(self._done)
        if due is None or len(claims) == free:
            return LOOK_EVERY_S
        return min(LOOK_EVERY_S, max(0.05, (due - self._now()).total_seconds()))

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._wake.set()  # there is a free place
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, UnavailableError):
                log.info("deliveries to a webhook wait: %s", error)
            else:
                log.error("deliveries to a webhook have failed", exc_info=error)

    async def _serve(self, claim: Claim) -> None:
        """Send the next events to one receiver until it fails, nothing waits or its turn is over."""
        try:
            await self._send_waiting(claim)
        finally:
            # Also when the server stops: the next one then need not wait for the lease to end.
            async with self._database.acquire() as connection:
                await webhook_deliveries.release(connection, claim)

    async def _send_waiting(self, claim: Claim) -> None:
        webhook = claim.webhook
        async with self._database.acquire() as connection:
            waiting = await outbox.read_matching(connection, webhook.cursor, webhook.event_types, limit=EVENTS_A_TURN)
            oldest_id = await outbox.oldest_id(connection)
        if webhook.failures and oldest_id > webhook.cursor + 1:
            await self._note_gap(claim, oldest_id)
        failures = webhook.failures
        for event in waiting.events:
            if not await self._send(claim, event, failures):
                return
            failures = 0
        async with self._database.acquire() as connection:
            await webhook_deliveries.note_delivered(
                connection, claim, (), cursor=waiting.looked_to, until=self._lease_end()
            )

    async def _send(self, claim: Claim, event: Event, failures: int) -> bool:
        """Send one event and note what came of it. False when this replica is not to go on."""
        webhook = claim.webhook
        attempt, answer = await send_event(
            self._sender, self._box, webhook, event, cause=Cause.EVENT, number=failures + 1, at=self._now()
        )
        if answer.taken:
            self.counts.taken += 1
            self.counts.failing.discard(webhook.webhook_id)
            async with self._database.acquire() as connection:
                return await webhook_deliveries.note_delivered(
                    connection, claim, (attempt,), cursor=event.event_id, until=self._lease_end()
                )
        self.counts.failed += 1
        self.counts.failing.add(webhook.webhook_id)
        failing_since = webhook.failing_since if failures else None
        reason = why_disable(attempt.at, failing_since, answer.status, self._settings.disable_after_h)
        async with self._database.acquire() as connection:
            await webhook_deliveries.note_failed(
                connection,
                claim,
                attempt,
                next_attempt_at=next_attempt(attempt.at, failures + 1, retry_after_s=answer.retry_after_s),
                disable=reason,
            )
        if reason:
            self.counts.failing.discard(webhook.webhook_id)  # nothing is sent to it any more
            log.warning("webhook %s is switched off: %s", webhook.webhook_id, reason)
        return False

    async def _note_gap(self, claim: Claim, oldest_id: int) -> None:
        problem = f"events before {oldest_id} were forgotten while it did not take them"
        gap = Attempt(None, "gap", "", Cause.GAP, 1, False, self._now(), problem=problem)
        async with self._database.acquire() as connection:
            await webhook_deliveries.log(connection, claim.webhook.webhook_id, gap)

    def _lease_end(self) -> datetime:
        return self._now() + timedelta(seconds=self._lease_s)
