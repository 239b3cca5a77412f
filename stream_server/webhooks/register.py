"""Webhooks as people deal with them: adding, changing, testing, sending again."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from recognition.errors import RequestError, UnavailableError
from storage import outbox, webhook_deliveries, webhooks
from storage.database import Database
from storage.webhook_deliveries import Attempt, Cause, Delivery
from storage.webhooks import Webhook
from stream_server.ingest.pull.address import CameraAddress, Resolver
from stream_server.privacy.auditing import Action, Auditor
from stream_server.privacy.secrets import SecretBox
from stream_server.settings.webhooks import WebhookSettings
from stream_server.webhooks.address import shown_address, webhook_address, where_to
from stream_server.webhooks.message import send_event, send_test
from stream_server.webhooks.secrets import Sealed, new_secret
from stream_server.webhooks.sender import RESOLVE_TIMEOUT_S, Sender

BY_HAND_MAX = 4


class WebhooksBusy(UnavailableError):
    """Too many messages are being sent by hand."""

    code = "webhooks_busy"


class EventForgotten(RequestError):
    """The event of a delivery is no longer kept."""

    code = "event_forgotten"


class WebhookRegister:
    """Keeps webhooks, with their addresses and secrets sealed, and sends what somebody asks for."""

    def __init__(
        self,
        database: Database,
        settings: WebhookSettings,
        box: SecretBox,
        sender: Sender,
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None],
        resolver: Resolver | None = None,
    ) -> None:
        """`changed` is called when there may be something to deliver."""
        self._database = database
        self._settings = settings
        self._box = box
        self._sender = sender
        self._now = now
        self._changed = changed
        self._resolver = resolver
        self._by_hand = asyncio.Semaphore(BY_HAND_MAX)

    async def add(
        self, url: str, *, description: str, event_types: Iterable[str], include_names: bool, audit: Auditor
    ) -> tuple[Webhook, str]:
        """A webhook and its secret, which is shown this once. Told of what happens from now on.

        Raises WebhookAddressInvalid, AddressInvalid, AddressNotAllowed, NameUnknown, and as `storage.webhooks.create`.
        """
        address = webhook_address(url, self._settings)
        await self._check_name(address)
        webhook_id, secret = uuid4(), new_secret()
        async with self._database.acquire() as connection, connection.transaction():
            await audit.changed(connection, Action.WEBHOOK_ADDED, subject=f"webhook:{webhook_id}", names=include_names)
            webhook = await webhooks.create(
                connection,
                webhook_id=webhook_id,
                address=shown_address(address),
                sealed=Sealed(address.url, secret).seal(self._box, webhook_id),
                description=description,
                event_types=event_types,
                include_names=include_names,
                webhooks_max=self._settings.max_webhooks,
            )
        return webhook, secret

    async def rotate(self, webhook_id: UUID, *, overlap_s: float, audit: Auditor) -> tuple[Webhook, str]:
        """A new secret, shown this once; the one before it signs too until the overlap is over. One that is older
        still no longer does. Raises NotFound, Conflict, SecretUnreadable.
        """
        async with self._database.acquire() as connection:
            before = await webhooks.get(connection, webhook_id)
        sealed, secret = Sealed.opened(self._box, webhook_id, before.sealed), new_secret()
        old_secret = sealed.secret if overlap_s > 0 else None
        until = self._now() + timedelta(seconds=overlap_s) if overlap_s > 0 else None
        async with self._database.acquire() as connection, connection.transaction():
            await audit.changed(connection, Action.WEBHOOK_CHANGED, subject=f"webhook:{webhook_id}", fields=["secret"])
            webhook = await webhooks.replace_secrets(
                connection,
                webhook_id,
                sealed=Sealed(sealed.url, secret, old_secret).seal(self._box, webhook_id),
                was=before.sealed,
                old_secret_until=until,
            )
        self._changed()
        return webhook, secret

    async def change(
        self,
        webhook_id: UUID,
        *,
        description: str | None,
        event_types: Iterable[str] | None,
        include_names: bool | None,
        enabled: bool | None,
        skip: webhooks.Skip,
        audit: Auditor,
    ) -> Webhook:
        """Change what is given. Raises as `storage.webhooks.update`."""
        given = {
            "description": description,
            "event_types": event_types,
            "include_names": include_names,
            "enabled": enabled,
        }
        async with self._database.acquire() as connection, connection.transaction():
            await audit.changed(
                connection,
                Action.WEBHOOK_CHANGED,
                subject=f"webhook:{webhook_id}",
                fields=[name for name, value in given.items() if value is not None],
                names=include_names,
            )
            webhook = await webhooks.update(
                connection,
                webhook_id,
                description=description,
                event_types=event_types,
                include_names=include_names,
                enabled=enabled,
                skip=skip,
            )
        self._changed()
        return webhook

    async def test(self, webhook_id: UUID) -> Delivery:
        """Send a message that tells of nothing. Raises NotFound, WebhooksBusy."""
        async with self._database.acquire() as connection:
            webhook = await webhooks.get(connection, webhook_id)
        async with self._place():
            attempt = await send_test(self._sender, self._box, webhook, at=self._now())
        return await self._logged(webhook_id, attempt)

    async def redeliver(self, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """Send the event of an earlier delivery again, out of turn, also to a webhook that is switched off.

        Raises NotFound, EventForgotten, WebhooksBusy.
        """
        async with self._database.acquire() as connection:
            webhook = await webhooks.get(connection, webhook_id)
            delivery = await webhook_deliveries.get(connection, webhook_id, delivery_id)
            event = None if delivery.event_id is None else await outbox.get(connection, delivery.event_id)
        if event is None:
            raise EventForgotten(
                "there is no event to send again", hint="events are kept ROLLCALL_STORAGE__OUTBOX_KEEP_DAYS days"
            )
        async with self._place():
            attempt, _ = await send_event(
                self._sender, self._box, webhook, event, cause=Cause.REDELIVERY, number=1, at=self._now()
            )
        return await self._logged(webhook_id, attempt)

    async def _logged(self, webhook_id: UUID, attempt: Attempt) -> Delivery:
        async with self._database.acquire() as connection:
            delivery = await webhook_deliveries.log(connection, webhook_id, attempt)
            if delivery is None:
                await webhooks.get(connection, webhook_id)  # removed meanwhile: says so
                raise EventForgotten("the webhook was removed meanwhile")
        return delivery

    def _place(self) -> asyncio.Semaphore:
        if self._by_hand.locked():
            raise WebhooksBusy("other messages are being sent by hand", hint="try again in a few seconds")
        return self._by_hand

    async def _check_name(self, address: CameraAddress) -> None:
        """Refuse now what could never be delivered; it is checked again at every attempt."""
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                await asyncio.to_thread(where_to, address, self._settings, self._resolver)
        except TimeoutError:
            raise UnavailableError("the name in the address was not resolved in time", hint="try again") from None
