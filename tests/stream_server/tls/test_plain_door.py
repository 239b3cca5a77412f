from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from stream_server.settings.access import HttpsSettings
from stream_server.tls.identity import TlsIdentity
from stream_server.tls.machine import this_machine
from stream_server.tls.plain_door import PlainDoor, fingerprint_in_words, https_base
from stream_server.tls.renewal import renew


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> TlsIdentity:
    return TlsIdentity(HttpsSettings(cert="auto"), tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def own_identity(tmp_path_factory: pytest.TempPathFactory) -> TlsIdentity:
    folder = tmp_path_factory.mktemp("own")
    renew(folder, this_machine(), datetime.now(UTC))
    return TlsIdentity(HttpsSettings(cert=str(folder / "server.crt"), key=folder / "server.key"), folder)


async def ask(identity: TlsIdentity, method: str, path: str, host: str = "localhost:8080") -> httpx.Response:
    door = PlainDoor(identity, https_port=8443, https_host="192.168.1.20")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url=f"http://{host}") as http:
        return await http.request(method, path)


async def test_the_authoritys_certificate_is_given_out_and_never_a_key(identity: TlsIdentity) -> None:
    response = await ask(identity, "GET", "/ca.crt")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-x509-ca-cert"
    assert 'filename="rollcall-ca.crt"' in response.headers["content-disposition"]
    certificate = x509.load_der_x509_certificate(response.content)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    for path in ("/ca.key", "/tls/ca.key", "/../ca.key", "/server.key", "/server.crt"):
        assert (await ask(identity, "GET", path)).status_code == 308


async def test_the_page_says_how_to_install_it_and_what_to_compare(identity: TlsIdentity) -> None:
    assert identity.known is not None
    response = await ask(identity, "GET", "/phone")
    for words in ("iPhone", "Android", "Certificate Trust Settings", "/ca.crt", "https://localhost:8443/camera"):
        assert words in response.text
    assert fingerprint_in_words(identity.known.authority_sha256) in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("localhost:8080", "https://localhost:8443"),
        ("127.0.0.1", "https://127.0.0.1:8443"),
        ("[::1]:8080", "https://[::1]:8443"),
        # Never where the sender would have others led to.
        ("evil.example", "https://192.168.1.20:8443"),
        ("localhost.evil.example:8080", "https://192.168.1.20:8443"),
    ],
)
async def test_everything_else_is_led_to_https_at_a_host_of_ours(identity: TlsIdentity, host: str, place: str) -> None:
    response = await ask(identity, "GET", "/camera?a=1%20b", host=host)
    assert (response.status_code, response.headers["location"]) == (308, f"{place}/camera?a=1%20b")


async def test_what_is_no_page_is_refused_for_its_token_was_in_the_open(identity: TlsIdentity) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        response = await ask(identity, method, "/api/v1/people")
        assert (response.status_code, response.json()["code"]) == (403, "https_required")


async def test_a_socket_is_refused(identity: TlsIdentity) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": "/ws/v1/events",
        "headers": [(b"host", b"localhost")],
        "extensions": {"websocket.http.response": {}},
    }
    await PlainDoor(identity, https_port=1, https_host="x")(scope, receive, send)
    assert sent[0]["status"] == 403


async def test_with_a_certificate_of_ones_own_there_is_nothing_to_install(own_identity: TlsIdentity) -> None:
    for path in ("/ca.crt", "/phone"):
        assert (await ask(own_identity, "GET", path)).status_code == 404
    assert (await ask(own_identity, "GET", "/camera")).headers["location"] == "https://192.168.1.20:8443/camera"


def test_the_usual_port_is_not_written() -> None:
    assert https_base("room5.local", 443) == "https://room5.local"
    assert https_base("fd00::5", 8000) == "https://[fd00::5]:8000"


def test_a_fingerprint_is_written_as_phones_show_it(tmp_path: Path) -> None:
    assert fingerprint_in_words("ab12cd") == "AB:12:CD"
