"""One event as a signed message to one receiver, and the attempt as it is logged."""

from datetime import datetime
from uuid import uuid4

from storage.outbox import Event
from storage.webhook_deliveries import Attempt, Cause
from storage.webhooks import Webhook
from stream_server.privacy.secrets import SecretBox, SecretUnreadable
from stream_server.webhooks.payload import message_body, message_id
from stream_server.webhooks.secrets import Sealed, signature_headers
from stream_server.webhooks.sender import Answer, Sender

TEST_TYPE = "webhook.test"


async def send_event(
    sender: Sender, box: SecretBox, webhook: Webhook, event: Event, *, cause: Cause, number: int, at: datetime
) -> tuple[Attempt, Answer]:
    """Sign and send an event at that time; what the receiver does wrong is part of the answer."""
    body = message_body(event.type, event.created_at, event.payload, include_names=webhook.include_names)
    identity = message_id(webhook.webhook_id, event.event_id, event.created_at)
    answer = await _send(sender, box, webhook, identity, body, at)
    return _attempt(event.event_id, event.type, identity, cause, number, at, answer), answer


async def send_test(sender: Sender, box: SecretBox, webhook: Webhook, *, at: datetime) -> Attempt:
    """Sign and send a message that tells of nothing, and say what came."""
    body = message_body(TEST_TYPE, at, {"webhook_id": str(webhook.webhook_id)}, include_names=False)
    identity = f"msg_{uuid4().hex}"
    answer = await _send(sender, box, webhook, identity, body, at)
    return _attempt(None, TEST_TYPE, identity, Cause.TEST, 1, at, answer)


async def _send(sender: Sender, box: SecretBox, webhook: Webhook, identity: str, body: bytes, at: datetime) -> Answer:
    try:
        sealed = Sealed.opened(box, webhook.webhook_id, webhook.sealed)
    except SecretUnreadable:
        return Answer(None, 0, "its secret was sealed under another key: remove this webhook and add it anew")
    headers = signature_headers(identity, at, body, sealed.valid(webhook.old_secret_until, at))
    return await sender.post(sealed.url, headers, body)


def _attempt(
    event_id: int | None, type_: str, identity: str, cause: Cause, number: int, at: datetime, answer: Answer
) -> Attempt:
    return Attempt(
        event_id=event_id,
        event_type=type_,
        message_id=identity,
        cause=cause,
        attempt=number,
        delivered=answer.taken,
        at=at,
        status=answer.status,
        latency_ms=answer.latency_ms,
        problem=answer.problem,
        response=answer.response,
    )
