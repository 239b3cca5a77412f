"""https in the local network: a client that trusts the authority streams, one that does not is not served."""

import asyncio
import base64
import hashlib
import json
import re
import shutil
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stream_server.child import ChildServer
from stream_server.client import ServerAway, ServerClient, ServerSaidNo
from stream_server.demo.feed import open_feed
from stream_server.tls.plain_door import fingerprint_in_words
from tests.partners import chromium
from tests.partners.tunnel_edge import certified


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Secured:
    def __init__(self, server: ChildServer, plain_port: int) -> None:
        self.server = server
        self.plain = f"http://127.0.0.1:{plain_port}"

    @property
    def tls(self) -> Path:
        return self.server.data_dir / "tls"


@pytest_asyncio.fixture
async def secured(own_server: Callable[..., ChildServer]) -> AsyncIterator[Secured]:
    plain_port = free_port()
    server = own_server(ROLLCALL_HTTPS__CERT="auto", ROLLCALL_HTTPS__PLAIN_PORT=str(plain_port))
    await asyncio.to_thread(server.upgrade)
    await server.start()
    yield Secured(server, plain_port)
    assert await server.stop() == 0
    assert "Traceback" not in server.log_path.read_text()


async def test_a_camera_streams_over_wss_and_somebody_is_marked(secured: Secured, pictures: Any) -> None:
    marked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def on_message(message: dict[str, Any]) -> None:
        if message["type"] == "attendance" and not marked.done():
            marked.set_result(message)

    async with secured.server.client() as client, asyncio.timeout(60):
        assert client.base_url.startswith("https://")
        person_id = await client.add_person("Ada", consent=True)
        await client.enrol(person_id, pictures.crop("sample1.jpg", 0))
        while (await client.readiness())["gallery"]["people"] < 1:
            await asyncio.sleep(0.05)
        views = pictures.view("sample1.jpg", frames=5)
        async with open_feed(client, "door", on_message) as feed:
            while not marked.done():
                await feed.send(views[feed.sent % 5])
                await asyncio.sleep(1 / feed.pace_fps)
    assert marked.result()["person"]["name"] == "Ada"


async def test_who_does_not_trust_the_authority_does_not_send_its_token(secured: Secured) -> None:
    async with ServerClient(secured.server.url, secured.server.token) as stranger:
        with pytest.raises(ServerAway, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.call("GET", "/api/v1/people")
        with pytest.raises(ServerAway, match="CERTIFICATE_VERIFY_FAILED"):
            async with stranger.socket("/ws/v1/events"):
                pass


async def test_what_a_phone_downloads_is_what_the_terminal_says_and_it_is_enough_to_connect(secured: Secured) -> None:
    async with httpx.AsyncClient(base_url=secured.plain) as anybody:
        downloaded = (await anybody.get("/ca.crt")).content
        page = (await anybody.get("/phone")).text
        led = await anybody.get("/readyz")
        refused = await anybody.post("/api/v1/pair", json={"code": "AAAA-AAAA", "device_name": "x"})
    assert led.headers["location"] == f"{secured.server.url}/readyz"
    assert refused.json()["code"] == "https_required"
    fingerprint = fingerprint_in_words(hashlib.sha256(downloaded).hexdigest())
    assert fingerprint in page
    log = secured.server.log_path.read_text()
    assert fingerprint in log
    assert f"{secured.plain}/phone" in log
    assert f"Phones reach Rollcall at {secured.server.url}\n" in log
    trust = ssl.create_default_context(cadata=downloaded)
    async with httpx.AsyncClient(verify=trust) as phone:
        assert (await phone.get(f"{secured.server.url}/healthz")).json() == {"status": "ok"}
        url = f"https://localhost:{secured.server.port}/healthz"
        assert (await phone.get(url)).status_code == 200


async def test_no_key_is_ever_served(secured: Secured) -> None:
    keys = [(secured.tls / name).read_text() for name in ("ca.key", "server.key")]
    async with httpx.AsyncClient(base_url=secured.plain) as anybody, secured.server.client() as owner:
        for path in ("/ca.key", "/tls/ca.key", "/%2e%2e/tls/ca.key", "/server.key"):
            assert (await anybody.get(path)).status_code == 308
            with pytest.raises(ServerSaidNo, match="nothing at this address"):
                await owner.call("GET", path)
    log = secured.server.log_path.read_text()
    assert not [key for key in keys if key.splitlines()[1] in log]


async def test_a_restart_keeps_the_authority_that_phones_trust(secured: Secured) -> None:
    before = (secured.tls / "ca.crt").read_bytes()
    await secured.server.stop()
    (secured.tls / "server.crt").unlink()
    await secured.server.start()
    assert (secured.tls / "ca.crt").read_bytes() == before
    assert (secured.tls / "server.crt").exists()


async def test_the_commands_of_this_machine_find_and_trust_it(secured: Secured) -> None:
    server = secured.server
    for named in ((), ("--server", server.url)):
        done = await asyncio.to_thread(server.run_command, "people", "list", "--json", *named)
        assert (done.returncode, json.loads(done.stdout)) == (0, {"people": []}), done.stderr
    done = await asyncio.to_thread(server.run_command, "devices", "pair", "phone-x", "--json")
    local, phones = (server.data_dir / "address").read_text().splitlines()
    assert local == server.url
    assert json.loads(done.stdout)["address"].startswith(f"{phones}/camera#code="), done.stderr
    await server.stop()
    assert not (server.data_dir / "address").exists()
    await server.start()


async def test_who_speaks_plain_http_to_it_is_asked_whether_it_speaks_https(secured: Secured, tmp_path: Path) -> None:
    plain = secured.server.url.replace("https:", "http:")
    (tmp_path / "video.mp4").write_bytes(b"none")
    for command in (("people", "list"), ("watch", str(tmp_path / "video.mp4"))):
        done = await asyncio.to_thread(secured.server.run_command, *command, "--server", plain)
        assert done.returncode == 3
        assert done.stderr.splitlines()[-1] == f"  does it speak https? Try --server {secured.server.url}"
    async with ServerClient(plain, secured.server.token) as client:
        with pytest.raises(ServerAway, match="does it speak https"):
            async with client.socket("/ws/v1/events"):
                pass


async def test_who_speaks_https_to_plain_http_is_asked_whether_it_speaks_that(running_server: ChildServer) -> None:
    secure = running_server.url.replace("http:", "https:")
    done = await asyncio.to_thread(running_server.run_command, "people", "list", "--server", secure)
    assert done.stderr.splitlines()[-1] == f"  does it speak plain http? Try --server {running_server.url}"


@pytest.mark.skipif(chromium.path() is None, reason="there is no Chromium")
async def test_a_browser_that_trusts_the_certificate_gives_the_page_its_camera(
    secured: Secured, tmp_path: Path
) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("there is no ffmpeg, which makes the camera's picture")
    camera = tmp_path / "cam.mjpeg"
    source = "testsrc=size=320x240:rate=5:duration=2"
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuvj420p", "-f", "mjpeg", str(camera)
    )
    assert await process.wait() == 0
    leaf = x509.load_pem_x509_certificate((secured.tls / "server.crt").read_bytes())
    public = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(public).digest()).decode()
    url = f"{secured.server.url}/healthz"
    flags = (f"--ignore-certificate-errors-spki-list={pin}",)
    async with chromium.open_page(url, camera=camera, folder=tmp_path / "profile", flags=flags) as page:
        assert await page.run("window.isSecureContext") is True
        width = await page.run(
            "navigator.mediaDevices.getUserMedia({video: true}).then(s => s.getVideoTracks()[0].getSettings().width)"
        )
        assert width > 0
        # A socket with a wrong token is answered over TLS, and refused.
        opened = "new Promise(done => { const s = new WebSocket(URL, ['rollcall.v1', 'rollcall.bearer.TOKEN']);"
        opened += "s.onopen = () => done('open'); s.onerror = () => done('refused'); })"
        socket_url = json.dumps(secured.server.url.replace("https", "wss") + "/ws/v1/events")
        for token, outcome in ((secured.server.token, "open"), ("wrong", "refused")):
            assert await page.run(opened.replace("URL", socket_url).replace("TOKEN", token)) == outcome


async def test_a_certificate_of_ones_own_is_served(own_server: Callable[..., ChildServer], tmp_path: Path) -> None:
    _, ca = certified(tmp_path)
    server = own_server(ROLLCALL_HTTPS__PLAIN_PORT="")
    await asyncio.to_thread(server.upgrade)
    arguments = ("--https", str(tmp_path / "server.crt"), "--key", str(tmp_path / "server.key"))
    log = tmp_path / "own.log"
    trust = ssl.create_default_context(cafile=str(ca))
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stream_server", "serve", *arguments, env=server._environment, stderr=file
        )
    try:
        async with httpx.AsyncClient(verify=trust) as http, asyncio.timeout(90):
            while True:
                try:
                    answer = await http.get(f"https://localhost:{server.port}/healthz")
                    break
                except httpx.TransportError:
                    assert process.returncode is None, log.read_text()
                    await asyncio.sleep(0.1)
        assert answer.json() == {"status": "ok"}
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0
    assert re.search(r"Rollcall listens on https://127\.0\.0\.1:\d+; ", log.read_text())
    assert not (server.data_dir / "tls").exists()
