"""Webhooks: receivers outside that are told of events, and the log of what was sent to them."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from storage import webhook_deliveries, webhooks
from storage.event_types import EVENT_TYPES
from stream_server.api.audited import AuditOf
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.messages.webhooks import (
    Deliveries,
    DeliveryBody,
    EventKind,
    SecretRotation,
    WebhookBody,
    WebhookCreate,
    Webhooks,
    WebhookUpdate,
    WebhookWithSecret,
)
from stream_server.privacy.auditing import Action

router = APIRouter(prefix="/webhooks", tags=["webhooks"], responses=PROBLEMS)


@router.get("", summary="List webhooks")
async def list_webhooks(services: ServicesOf) -> Webhooks:
    """All of them and how they do, oldest first; their number is bounded."""
    async with services.database.acquire() as connection:
        rows = await webhooks.list_webhooks(connection)
    kinds = tuple(EventKind(type=type_, about=about) for type_, about in EVENT_TYPES.items())
    return Webhooks(webhooks=tuple(map(_webhook, rows)), event_kinds=kinds)


@router.post("", status_code=201, summary="Add a webhook", responses=CONFLICT)
async def add_webhook(body: WebhookCreate, services: ServicesOf, audit: AuditOf) -> WebhookWithSecret:
    """The answer holds the secret that messages are signed with; it is never shown again."""
    webhook, secret = await services.webhooks.add(
        body.url.get_secret_value(),
        description=body.description,
        event_types=body.event_types,
        include_names=body.include_names,
        audit=audit,
    )
    return WebhookWithSecret(**_webhook(webhook).model_dump(), secret=secret)


@router.get("/{webhook_id}", summary="One webhook", responses=NOT_FOUND)
async def get_webhook(webhook_id: UUID, services: ServicesOf) -> WebhookBody:
    """How it does."""
    async with services.database.acquire() as connection:
        return _webhook(await webhooks.get(connection, webhook_id))


@router.patch("/{webhook_id}", summary="Change a webhook", responses=NOT_FOUND)
async def change_webhook(webhook_id: UUID, body: WebhookUpdate, services: ServicesOf, audit: AuditOf) -> WebhookBody:
    """What is not given stays. To send to another address, add another webhook."""
    webhook = await services.webhooks.change(
        webhook_id,
        description=body.description,
        event_types=body.event_types,
        include_names=body.include_names,
        enabled=body.enabled,
        skip=webhooks.Skip(body.skip),
        audit=audit,
    )
    return _webhook(webhook)


@router.delete("/{webhook_id}", status_code=204, summary="Remove a webhook", responses=NOT_FOUND)
async def remove_webhook(webhook_id: UUID, services: ServicesOf, audit: AuditOf) -> None:
    """Its address, secrets and log are deleted."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.WEBHOOK_REMOVED, subject=f"webhook:{webhook_id}")
        await webhooks.remove(connection, webhook_id)


@router.post("/{webhook_id}/secret", summary="Give a webhook a new secret", responses={**NOT_FOUND, **CONFLICT})
async def rotate_secret(
    webhook_id: UUID, body: SecretRotation, services: ServicesOf, audit: AuditOf
) -> WebhookWithSecret:
    """Until the overlap is over every message carries a signature of each secret."""
    webhook, secret = await services.webhooks.rotate(webhook_id, overlap_s=body.overlap_s, audit=audit)
    return WebhookWithSecret(**_webhook(webhook).model_dump(), secret=secret)


@router.post("/{webhook_id}/test", summary="Send a test message", responses=NOT_FOUND)
async def test_webhook(webhook_id: UUID, services: ServicesOf) -> DeliveryBody:
    """Sends `webhook.test` at once and says what came, also to a webhook that is switched off."""
    return _delivery(await services.webhooks.test(webhook_id))


@router.get("/{webhook_id}/deliveries", summary="What was sent to a webhook", responses=NOT_FOUND)
async def list_deliveries(
    webhook_id: UUID,
    services: ServicesOf,
    delivered: Annotated[bool | None, Query(description="Only those that were, or were not, taken.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Deliveries:
    """Every attempt, the latest first."""
    async with services.database.acquire() as connection:
        await webhooks.get(connection, webhook_id)
        page = await webhook_deliveries.list_deliveries(
            connection, webhook_id, delivered=delivered, limit=limit, cursor=cursor
        )
    return Deliveries(deliveries=tuple(map(_delivery, page.items)), next_cursor=page.next_cursor)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    summary="Send an event again",
    responses={**NOT_FOUND, **CONFLICT},
)
async def redeliver(webhook_id: UUID, delivery_id: UUID, services: ServicesOf, audit: AuditOf) -> DeliveryBody:
    """At once and out of turn, with the same message id; the answer says what came."""
    async with services.database.acquire() as connection:
        await audit.changed(connection, Action.WEBHOOK_SENT, subject=f"webhook:{webhook_id}")
    return _delivery(await services.webhooks.redeliver(webhook_id, delivery_id))


def _webhook(webhook: webhooks.Webhook) -> WebhookBody:
    return WebhookBody(
        id=webhook.webhook_id,
        address=webhook.address,
        description=webhook.description,
        event_types=webhook.event_types,
        include_names=webhook.include_names,
        enabled=webhook.enabled,
        disabled_reason=webhook.disabled_reason,
        last_event_id=webhook.cursor,
        failures=webhook.failures,
        failing_since=webhook.failing_since,
        next_attempt_at=webhook.next_attempt_at,
        old_secret_until=webhook.old_secret_until,
        created_at=webhook.created_at,
    )


def _delivery(delivery: webhook_deliveries.Delivery) -> DeliveryBody:
    content = asdict(delivery)
    del content["webhook_id"]
    return DeliveryBody(id=content.pop("delivery_id"), **content)
