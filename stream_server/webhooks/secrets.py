"""The secrets that messages are signed with, and the signatures (Standard Webhooks 1.0, symmetric).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from storage.webhooks import context
from stream_server.privacy.secrets import SecretBox

SECRET_BYTES = 32  # the specification asks for 24 to 64


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is secret about a webhook: the whole address, the secret, and the one before it while it is still valid."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)

    @classmethod
    def opened(cls, box: SecretBox, webhook_id: UUID, sealed: bytes) -> Self:
        """What was sealed for this webhook. Raises SecretUnreadable."""
        return cls(**json.loads(box.open(sealed, context(webhook_id))))

    def seal(self, box: SecretBox, webhook_id: UUID) -> bytes:
        """Encrypted, bound to this webhook."""
        content = {"url": self.url, "secret": self.secret, "old_secret": self.old_secret}
        return box.seal(json.dumps(content), context(webhook_id))

    def valid(self, old_secret_until: datetime | None, at: datetime) -> tuple[str, ...]:
        """The secrets that a message sent at that time is signed with."""
        if self.old_secret is None or old_secret_until is None or at >= old_secret_until:
            return (self.secret,)
        return (self.secret, self.old_secret)


def new_secret() -> str:
    """A fresh secret, as receivers' libraries take it: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature_headers(message_id: str, at: datetime, body: bytes, valid_secrets: tuple[str, ...]) -> dict[str, str]:
    """The three headers that a receiver checks. `at` is in UTC."""
    from standardwebhooks import Webhook

    text = body.decode()
    signatures = [Webhook(secret).sign(message_id, at, text) for secret in valid_secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
