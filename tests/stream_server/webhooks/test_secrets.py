from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from stream_server.privacy.secrets import SecretBox, SecretUnreadable
from stream_server.webhooks.secrets import Sealed, new_secret, signature_headers

BODY = '{"type":"webhook.test","data":{"name":"Åsa"}}'.encode()


def test_a_receiver_that_checks_signatures_accepts_ours_and_no_other_body() -> None:
    secret = new_secret()
    headers = signature_headers("msg_1", datetime.now(UTC), BODY, (secret,))
    assert Webhook(secret).verify(BODY, headers)["type"] == "webhook.test"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the specification's own libraries.
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signature_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)
    )
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_changes_both_are_good_and_then_only_the_new_one() -> None:
    noon = datetime.now(UTC)
    sealed = Sealed("https://x.example", new_secret(), new_secret())
    assert sealed.old_secret is not None
    headers = signature_headers("msg_1", noon, BODY, sealed.valid(noon + timedelta(seconds=1), noon))
    assert Webhook(sealed.secret).verify(BODY, headers)
    assert Webhook(sealed.old_secret).verify(BODY, headers)
    assert sealed.valid(noon, noon) == (sealed.secret,)
    assert sealed.valid(None, noon) == (sealed.secret,)


def test_what_is_sealed_opens_for_its_own_webhook_only_and_shows_nothing() -> None:
    box, webhook_id = SecretBox(b"k" * 32), uuid4()
    sealed = Sealed("https://x.example/geheim", new_secret())
    content = sealed.seal(box, webhook_id)
    assert b"geheim" not in content
    assert "geheim" not in repr(sealed)
    assert Sealed.opened(box, webhook_id, content) == sealed
    with pytest.raises(SecretUnreadable):
        Sealed.opened(box, uuid4(), content)
