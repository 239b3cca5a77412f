"""FFmpeg behind the relay: it never connects anywhere but to the address that was checked."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stream_server.ingest.pull import address
from stream_server.ingest.pull.address import AddressNotAllowed, AddressRules, parse
from stream_server.ingest.pull.job import Ended, Job, Order
from stream_server.ingest.pull.rtsp_answers import ELSEWHERE
from stream_server.ingest.pull.rtsp_relay import RtspRelay
from stream_server.ingest.pull.video import rtsp_pictures
from tests.partners.rtsp_cameras import TalkingCamera, Trap, free_port

RULES = AddressRules(allow_loopback=True)


def moved(to: str, code: int = 302) -> str:
    return f"RTSP/1.0 {code} Found\r\nCSeq: {{cseq}}\r\nLocation: {to}\r\n\r\n"


def order(url: str, **more: object) -> Order:
    return Order("door", 1, url, allow_loopback=True, open_s=3.0, read_s=1.0, **more)  # type: ignore[arg-type]


def end_of(job: Job) -> Ended:
    """How reading the camera ends."""
    with pytest.raises(Ended) as end:
        for _ in rtsp_pictures(job):
            pass
    return end.value


def relays() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "rtsp-relay"]


@pytest.fixture(autouse=True)
def _no_relay_is_left() -> Iterator[None]:
    yield
    assert relays() == []


def test_ffmpeg_alone_would_follow_a_redirect() -> None:
    """What the relay is there for; without it this is what the other tests would see."""
    with Trap() as trap, TalkingCamera({"DESCRIBE": moved(trap.url)}) as camera:
        with contextlib.suppress(av.FFmpegError), av.open(camera.url, timeout=(2.0, 1.0)):
            pass
        assert trap.visitors() == ["tcp"]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER"])
def test_a_camera_that_redirects_is_refused_and_nobody_goes_there(method: str, transport: str) -> None:
    with Trap() as trap, TalkingCamera({method: moved(trap.url)}, keep_alive_s=2) as camera:
        end = end_of(Job(order(camera.url, transport=transport)))
        assert trap.visitors() == []
        # FFmpeg asks this one only to keep a long stream alive; a camera that is silent is left before.
        if method != "GET_PARAMETER":
            assert method in camera.asked
            assert (end.reason, end.refused) == (ELSEWHERE, True)


def test_a_camera_cannot_make_us_send_udp_elsewhere() -> None:
    with Trap() as trap:
        transport = f";source=127.0.0.2;destination=127.0.0.2;server_port={trap.port}-{trap.port + 1}"
        with TalkingCamera(transport=transport) as camera:
            end_of(Job(order(camera.url, transport="udp")))
            assert "PLAY" in camera.asked
            assert trap.visitors() == []
        with TalkingCamera(transport=transport) as camera:  # without the relay
            options = {"rtsp_transport": "udp"}
            with contextlib.suppress(av.FFmpegError), av.open(camera.url, options=options, timeout=(2.0, 1.0)):
                pass
            assert "udp" in trap.visitors()


def test_a_name_is_resolved_once_and_what_was_checked_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer of the name server leads elsewhere."""
    asked: list[str] = []

    def answer(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    monkeypatch.setattr(address, "_resolve", answer)
    with TalkingCamera() as camera:
        end_of(Job(order(camera.url.replace("127.0.0.1", "camera.example"))))
        assert asked == ["camera.example"]
        assert "PLAY" in camera.asked


def test_a_name_with_one_forbidden_address_is_not_connected_to_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "_resolve", lambda host, port: ["127.0.0.1", "169.254.169.254"])
    with TalkingCamera() as camera:
        with pytest.raises(AddressNotAllowed):
            list(rtsp_pictures(Job(order(camera.url.replace("127.0.0.1", "camera.example")))))
        assert camera.asked == []


def test_the_next_address_of_a_name_is_tried_when_the_first_does_not_answer() -> None:
    with TalkingCamera() as camera:
        parsed = parse(camera.url.replace("127.0.0.1", "camera.example"), RULES)[0]
        with RtspRelay(parsed, ["127.0.0.3", "127.0.0.1"], open_s=3.0) as relay:
            assert relay.url("a user", "p:w").startswith("rtsp://a%20user:p%3Aw@127.0.0.1:")


def test_a_port_where_nothing_listens_is_said_so() -> None:
    end = end_of(Job(order(f"rtsp://127.0.0.1:{free_port()}/x")))
    assert (end.reason, end.refused) == ("nothing listens at the camera's address", False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of nobody in particular, as cameras have them; with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1)).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    path: Path = tmp_path_factory.mktemp("tls") / "camera.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def with_tls(certificate: Path) -> Callable[[TalkingCamera], str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def switch(camera: TalkingCamera) -> str:
        camera.tls = context
        return camera.url.replace("rtsp:", "rtsps:")

    return switch


def test_rtsps_checks_the_certificate_unless_told_not_to(with_tls: Callable[[TalkingCamera], str]) -> None:
    with TalkingCamera() as camera:
        url = with_tls(camera)
        assert "ROLLCALL_PULL__VERIFY_TLS" in end_of(Job(order(url))).reason
        assert camera.asked == []
        end_of(Job(order(url, verify_tls=False)))
        assert "PLAY" in camera.asked


def test_a_redirect_within_tls_is_refused_too(with_tls: Callable[[TalkingCamera], str]) -> None:
    with Trap() as trap, TalkingCamera({"DESCRIBE": moved(trap.url)}) as camera:
        end = end_of(Job(order(with_tls(camera), verify_tls=False)))
        assert (end.reason, trap.visitors()) == (ELSEWHERE, [])
