"""Messages sent over real sockets to receivers that behave badly."""

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stream_server.settings.webhooks import WebhookSettings
from stream_server.webhooks.sender import Answer, Sender
from tests.stream_server.webhooks import receiver as receivers
from tests.stream_server.webhooks.receiver import answer, receiver

OPEN = WebhookSettings(allow_http=True, allow_loopback=True)


async def sent(then: receivers.Answer, settings: WebhookSettings = OPEN) -> tuple[Answer, list[receivers.Got]]:
    async with receiver(then) as hook:
        return await Sender(settings).post(hook.url, {"webhook-id": "msg_1"}, b'{"type":"x"}'), hook.got


async def test_a_message_arrives_whole_with_its_headers() -> None:
    got_answer, (got,) = await sent(answer(204, b""))
    assert got_answer.taken
    assert got_answer.status == 204
    assert got.body == b'{"type":"x"}'
    assert got.path == "/hook"
    assert got.headers["webhook-id"] == "msg_1"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("Rollcall/")


@pytest.mark.parametrize(
    ("then", "status", "words"),
    [
        (answer(500, b"<h1>oops</h1>"), 500, "answered 500"),
        (answer(404), 404, "answered 404"),
        (answer(302, Location="http://127.0.0.1:1/elsewhere"), 302, "redirects are not followed"),
        (answer(307, Location="http://169.254.169.254/latest"), 307, "redirects are not followed"),
        (receivers.hang_up, None, "no proper HTTP|broke the connection"),
        (receivers.no_http, None, "no proper HTTP"),
        (receivers.endless_header, None, "no proper HTTP"),
    ],
)
async def test_what_is_not_taken_says_why(then: receivers.Answer, status: int | None, words: str) -> None:
    got_answer, got = await sent(then)
    assert not got_answer.taken
    assert got_answer.status == status
    assert any(word in got_answer.problem for word in words.split("|")), got_answer.problem
    assert len(got) == 1


async def test_a_receiver_that_says_nothing_is_not_waited_for() -> None:
    got_answer, _ = await sent(receivers.silence, OPEN.model_copy(update={"timeout_s": 0.3}))
    assert got_answer.status is None
    assert "did not answer within 0.3 s" in got_answer.problem


async def test_of_an_answer_without_end_only_the_beginning_is_read() -> None:
    got_answer, _ = await sent(receivers.endless_body)
    assert got_answer.taken
    assert got_answer.response == "x" * 500


async def test_a_message_is_taken_also_when_the_answer_never_comes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_server.webhooks.sender.EXCERPT_TIMEOUT_S", 0.2)
    got_answer, _ = await sent(receivers.drip)
    assert got_answer.taken
    assert got_answer.response == "so"


async def test_the_excerpt_of_an_answer_holds_no_control_characters() -> None:
    got_answer, _ = await sent(answer(400, b"a\x00b\x1b[31m\xff\nc"))
    assert got_answer.response == "a\ufffdb\ufffd[31m\ufffd\nc"


async def test_a_receiver_says_when_to_come_again() -> None:
    assert (await sent(answer(503, Retry_After="120")))[0].retry_after_s == 120
    assert (await sent(answer(503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")))[0].retry_after_s is None


async def test_nothing_is_sent_to_an_address_that_is_no_longer_allowed() -> None:
    got_answer, got = await sent(answer(), WebhookSettings(allow_http=True))
    assert "this machine itself" in got_answer.problem
    assert got == []


async def test_a_name_that_suddenly_stands_for_a_private_address_is_not_sent_to() -> None:
    async with receiver() as hook:
        sender = Sender(WebhookSettings(allow_http=True), resolver=lambda *_: ["127.0.0.1"])
        got_answer = await sender.post(f"http://school.example:{hook.port}/", {}, b"{}")
        assert "this machine itself" in got_answer.problem
        assert hook.got == []


async def test_nobody_at_home_is_told_apart_from_no_such_name() -> None:
    async with receiver() as hook:
        url = hook.url
    assert "nothing answers" in (await Sender(OPEN).post(url, {}, b"{}")).problem

    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    got_answer = await Sender(OPEN, resolver=unknown).post("https://nobody.example/", {}, b"{}")
    assert "cannot be resolved" in got_answer.problem


def _certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    path.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return path, server


async def test_a_certificate_is_checked_against_the_name_though_an_address_is_connected_to(tmp_path: Path) -> None:
    path, server = _certificate(tmp_path, "school.example")
    async with receiver(tls=server) as hook:

        def sender(trusted: ssl.SSLContext) -> Sender:
            return Sender(OPEN, resolver=lambda *_: ["127.0.0.1"], tls=lambda: trusted)

        trusting = ssl.create_default_context(cafile=str(path))
        url = f"https://school.example:{hook.port}/hook"
        assert (await sender(trusting).post(url, {}, b"{}")).taken
        assert hook.got[0].headers["host"] == f"school.example:{hook.port}"
        other = await sender(trusting).post(url.replace("school", "other"), {}, b"{}")
        assert "certificate" in other.problem
        unknown = await sender(ssl.create_default_context()).post(url, {}, b"{}")
        assert "certificate" in unknown.problem
        plain = await sender(trusting).post(url.replace("https", "http"), {}, b"{}")
        assert not plain.taken
        assert len(hook.got) == 1


async def test_cancelling_ends_an_attempt_at_once() -> None:
    async with receiver(receivers.silence) as hook:
        sending = asyncio.create_task(Sender(OPEN).post(hook.url, {}, b"{}"))
        await hook.until(1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
