import pytest

from recognition.errors import RequestError
from stream_server.settings.webhooks import WebhookSettings
from stream_server.webhooks.address import shown_address, webhook_address, where_to

STRICT = WebhookSettings()
OPEN = WebhookSettings(allow_http=True, allow_private=True, allow_loopback=True)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("http://school.example/x", "webhook_address_invalid", "ALLOW_HTTP"),
        ("rtsp://school.example/x", "webhook_address_invalid", "https"),
        ("file:///etc/passwd", "webhook_address_invalid", "https"),
        ("school.example", "webhook_address_invalid", "https"),
        ("", "webhook_address_invalid", "https"),
        ("https://user:geheim@school.example/", "webhook_address_invalid", "signed"),
        ("https://school.example/\r\nHost: x", "address_invalid", "percent-encode"),
        ("https:///path", "address_invalid", "host"),
        ("https://10.0.0.7/", "address_not_allowed", "ROLLCALL_WEBHOOKS__ALLOW_PRIVATE"),
        ("https://127.0.0.1/", "address_not_allowed", "ROLLCALL_WEBHOOKS__ALLOW_LOOPBACK"),
        ("https://[::ffff:127.0.0.1]/", "address_not_allowed", "ROLLCALL_WEBHOOKS__ALLOW_LOOPBACK"),
        ("https://169.254.169.254/latest", "address_not_allowed", "secrets"),
        ("https://[::]/", "address_not_allowed", "no single machine"),
    ],
)
def test_an_address_that_may_not_be_sent_to_is_refused_with_the_way_out(text: str, code: str, words: str) -> None:
    with pytest.raises(RequestError) as error:
        webhook_address(text, STRICT)
    assert error.value.code == code
    assert words in f"{error.value.detail} {error.value.hint}"
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("ip", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fd00:ec2::254"])
def test_no_setting_opens_the_addresses_of_nobody_and_of_cloud_secrets(ip: str) -> None:
    with pytest.raises(RequestError):
        where_to(webhook_address("https://school.example/", OPEN), OPEN, lambda *_: [ip])


def test_every_address_that_a_name_stands_for_must_be_allowed() -> None:
    address = webhook_address("https://school.example/", STRICT)
    assert where_to(address, STRICT, lambda *_: ["93.184.216.34"]) == "93.184.216.34"
    with pytest.raises(RequestError, match="private network"):
        where_to(address, STRICT, lambda *_: ["93.184.216.34", "192.168.1.5"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://school.example/hooks", "https://school.example/hooks"),
        ("https://chat.example/services/T0/B0/XYZ", "https://chat.example/services/…"),
        ("https://school.example/in?key=abc", "https://school.example/in/…"),
        ("https://school.example", "https://school.example/"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_shown(text: str, shown: str) -> None:
    assert shown_address(webhook_address(text, STRICT)) == shown
