"""Phones through a tunnel, the whole way: a real server, the real SDK of ngrok, stand-ins for providers' servers."""

import asyncio
import json
import os
import re
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import psutil
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stream_server.child import ChildServer, temporary_folder
from stream_server.client import SKIP_INTERSTITIAL, ServerAway, ServerClient
from tests.partners import cloudflared
from tests.partners.ngrok_edge import NgrokEdge
from tests.partners.tunnel_edge import INTERSTITIAL, certified
from tests.partners.webrtc_client import Client, Pictures, needs_address

pytest.importorskip("ngrok")

TOKEN = "2integration_token"
OPEN = {"GET /healthz", "GET /api/v1/setup", "POST /api/v1/login", "POST /api/v1/pair"}


class Tunnelled:
    """A server with an open tunnel through ngrok, and what a phone outside sees of it."""

    def __init__(self, edge: NgrokEdge, server: ChildServer, ca: Path) -> None:
        self.edge, self.server, self.ca = edge, server, ca

    @property
    def address(self) -> str:
        return f"https://localhost:{self.edge.public.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def phone(self, **headers: str) -> httpx.AsyncClient:
        """A browser on a phone: sends what the camera page sends."""
        return httpx.AsyncClient(
            base_url=self.address, verify=self.trust, headers=SKIP_INTERSTITIAL | headers, timeout=20
        )

    def client(self, token: str) -> ServerClient:
        return ServerClient(self.address, token, ca_file=self.ca, timeout_s=20)

    async def state(self) -> dict[str, Any]:
        async with self.server.client() as owner:
            return dict(await owner.call("GET", "/api/v1/tunnel"))

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while not holds(state := await self.state()):
                await asyncio.sleep(0.1)
        return state

    async def pair(self, code: str) -> str:
        async with self.phone() as phone:
            answer = await phone.post("/api/v1/pair", json={"code": code, "device_name": "Pixel 6"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def new_code(self, camera_id: str) -> str:
        async with self.server.client() as owner:
            body = {"camera_id": camera_id, "name": camera_id, "create_camera": True}
            return str((await owner.call("POST", "/api/v1/pairings", body=body))["code"])


Make = Callable[..., ChildServer]


@asynccontextmanager
async def tunnelled(make: Make, folder: Path, **settings: str) -> AsyncIterator[Tunnelled]:
    context, ca = certified(folder / "edge")
    async with NgrokEdge(context, TOKEN) as edge:
        server = make(
            NGROK_AUTHTOKEN=TOKEN,
            ROLLCALL_TUNNEL__PROVIDER="ngrok",
            ROLLCALL_TUNNEL__NGROK_SERVER=edge.agents,
            ROLLCALL_TUNNEL__NGROK_CA=str(ca),
            ROLLCALL_TUNNEL__RETRY_FIRST_S="0.1",
            ROLLCALL_PHONES__SHOW_CODE="always",
            **settings,
        )
        await asyncio.to_thread(server.upgrade)
        await server.start()
        bench = Tunnelled(edge, server, ca)
        try:
            await bench.until(lambda state: state["state"] == "open")
            yield bench
        finally:
            code = await server.stop()
        log = server.log_path.read_text()
        assert code == 0, log
        assert "Traceback" not in log, log
        assert TOKEN not in log
        assert server.token not in log


@pytest_asyncio.fixture
async def tunnel(own_server: Make, tmp_path: Path) -> AsyncIterator[Tunnelled]:
    """For a test that harms it, or counts what goes through."""
    async with tunnelled(own_server, tmp_path) as bench:
        yield bench


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_tunnel(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tunnelled]:
    """For those that do not."""
    with temporary_folder() as folder:

        def make(**settings: str) -> ChildServer:
            return ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)

        async with tunnelled(make, tmp_path_factory.mktemp("shared")) as bench:
            yield bench


shared = pytest.mark.asyncio(loop_scope="module")


async def stream(
    client: ServerClient, camera: str, views: list[bytes], marked: "asyncio.Future[dict[str, Any]]"
) -> int:
    """Send pictures at the pace that is asked for until somebody is marked; returns how many were sent."""
    sent = 0
    async with client.socket(f"/ws/v1/camera/{camera}") as connection:
        pace_fps = json.loads(await connection.recv())["pace_fps"]

        async def read() -> None:
            async for text in connection:
                message = json.loads(text)
                if message["type"] == "attendance" and not marked.done():
                    marked.set_result(message)

        reading = asyncio.create_task(read())
        try:
            while not marked.done():
                await connection.send(views[sent % len(views)])
                sent += 1
                await asyncio.sleep(1 / pace_fps)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return sent


async def test_a_phone_pairs_by_the_code_on_the_terminal_streams_and_somebody_is_marked(
    tunnel: Tunnelled, pictures: Any
) -> None:
    async with tunnel.server.client() as owner:
        person_id = await owner.add_person("Ada", consent=True)
        await owner.enrol(person_id, pictures.crop("sample1.jpg", 0))
        async with asyncio.timeout(10):
            while (await owner.readiness())["gallery"]["people"] < 1:
                await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        while "#code=" not in (said := tunnel.server.log_path.read_text()):
            await asyncio.sleep(0.05)
    assert f"Phones reach Rollcall at {tunnel.address}\n" in said
    link = re.search(r"(https://localhost:\d+)/camera#code=(\S+)", said)
    assert link is not None
    assert link[1] == tunnel.address
    assert "▀" in said
    token = await tunnel.pair(link[2])
    # Half a megabit: what a phone at the edge of a cell has.
    tunnel.edge.public.bytes_per_s = 64_000
    views = pictures.view("sample1.jpg", frames=5)
    marked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    async with tunnel.client(token) as phone, asyncio.timeout(60):
        sent = await stream(phone, "phone", views, marked)
    assert marked.result()["person"]["name"] == "Ada"
    assert marked.result()["camera"] == "phone"
    state = await tunnel.state()
    assert state["address"] == tunnel.address
    assert (state["bytes_allowed"], state["requests_allowed"]) == (1_000_000_000, 20_000)
    assert state["requests"] == 2  # the pairing and the socket; what the owner asks on the LAN is not counted
    assert 0 < state["bytes_in"] <= sent * max(map(len, views)) + 5000
    assert state["bytes_in"] > len(views[0])
    assert 0 < state["share_used"] < 1
    # A code is good once.
    async with tunnel.phone() as phone:
        answer = await phone.post("/api/v1/pair", json={"code": link[2], "device_name": "a thief's"})
    assert (answer.status_code, answer.json()["code"]) == (403, "pairing_refused")


async def test_when_the_line_is_cut_the_server_serves_on_and_the_phone_comes_back(
    tunnel: Tunnelled, blank_jpeg: bytes
) -> None:
    token = await tunnel.pair(await tunnel.new_code("phone-2"))
    async with tunnel.client(token) as phone:
        async with phone.socket("/ws/v1/camera/phone-2") as connection:
            await connection.recv()
            tunnel.edge.turns_away = True
            tunnel.edge.drop()
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(connection.recv(), 20)
        await tunnel.until(lambda state: state["state"] == "reopening" and state["failures"] >= 3)
        async with tunnel.server.client() as owner:
            readiness = await owner.readiness()
        assert readiness["tunnel"]["state"] == "reopening"
        assert any(reason.startswith("the tunnel is reopening: ngrok") for reason in readiness["reasons"])
        with pytest.raises(ServerAway):
            await phone.call("GET", "/api/v1/me")
        tunnel.edge.turns_away = False
        state = await tunnel.until(lambda state: state["state"] == "open")
        assert state["opened"] == 2
        async with phone.socket("/ws/v1/camera/phone-2") as connection, asyncio.timeout(20):
            assert json.loads(await connection.recv())["type"] == "welcome"
            await connection.send(blank_jpeg)
            assert json.loads(await connection.recv())["type"] == "faces"
    async with asyncio.timeout(20):
        while f"The tunnel is open again: {tunnel.address}" not in tunnel.server.log_path.read_text():
            await asyncio.sleep(0.05)


@shared
async def test_through_the_tunnel_nothing_is_open_but_life_and_pairing(shared_tunnel: Tunnelled) -> None:
    described = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())["paths"]
    asked = 0
    async with shared_tunnel.phone() as phone:
        for path, methods in described.items():
            for method in methods:
                filled = re.sub(r"\{\w+\}", "x", path)
                answer = await phone.request(method.upper(), filled)
                asked += 1
                if f"{method.upper()} {path}" in OPEN:
                    assert answer.status_code in (200, 422), path
                else:
                    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
    assert asked > 25
    for path in ("/ws/v1/events", "/ws/v1/camera/phone"):
        url = f"wss://localhost:{shared_tunnel.edge.public.port}{path}"
        with pytest.raises(InvalidStatus, match="401"):
            await connect(url, ssl=shared_tunnel.trust, additional_headers=SKIP_INTERSTITIAL)


async def test_only_the_tunnel_says_who_the_client_is(tunnel: Tunnelled) -> None:
    async def attempts(http: httpx.AsyncClient, count: int, **headers: str) -> list[int]:
        body = {"code": "AAAA-AAAA", "device_name": "x"}
        return [(await http.post("/api/v1/pair", json=body, headers=headers)).status_code for _ in range(count)]

    # On the LAN a forged header does not make another client: ten attempts a minute, whoever it says it is.
    async with httpx.AsyncClient(base_url=tunnel.server.url) as lan:
        codes = []
        for number in range(12):
            forged = f"203.0.113.{number}"
            headers = {"X-Forwarded-For": forged, "Forwarded": f"for={forged}", "X-Real-IP": forged}
            codes += await attempts(lan, 1, **headers)
        assert codes == [403] * 10 + [429] * 2
    async with tunnel.phone() as phone:
        # Two phones behind the tunnel are two clients, and neither is the one on the LAN.
        for source in ("198.51.100.1", "198.51.100.2"):
            tunnel.edge.public.adds_address = source
            forged = {"X-Forwarded-For": "203.0.113.77", "Forwarded": "for=203.0.113.78"}
            assert await attempts(phone, 11, **forged) == [403] * 10 + [429]


@shared
async def test_pages_of_the_public_address_may_open_sockets_and_those_of_others_may_not(
    shared_tunnel: Tunnelled,
) -> None:
    token = await shared_tunnel.pair(await shared_tunnel.new_code("phone-3"))
    url = f"wss://localhost:{shared_tunnel.edge.public.port}/ws/v1/camera/phone-3"

    async def opens(origin: str, **more: str) -> bool:
        headers = SKIP_INTERSTITIAL | {"Authorization": f"Bearer {token}", "Origin": origin} | more
        try:
            async with connect(url, ssl=shared_tunnel.trust, additional_headers=headers) as connection:
                return bool(await connection.recv())
        except InvalidStatus as refused:
            return refused.response.status_code != 403

    assert await opens(shared_tunnel.address)
    assert not await opens("https://evil.example")
    assert not await opens("https://evil.example", **{"X-Forwarded-Host": "evil.example"})
    assert not await opens("null")


@shared
async def test_without_the_header_ngrok_shows_its_own_page_and_our_client_sends_it(shared_tunnel: Tunnelled) -> None:
    async with httpx.AsyncClient(base_url=shared_tunnel.address, verify=shared_tunnel.trust) as browser:
        assert (await browser.get("/healthz")).content == INTERSTITIAL
    async with shared_tunnel.client(shared_tunnel.server.token) as client:
        assert (await client.readiness())["tunnel"]["state"] == "open"


@needs_address
@shared
async def test_the_session_of_a_webrtc_offer_is_under_the_public_address(
    shared_tunnel: Tunnelled, blank_jpeg: bytes
) -> None:
    import av
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(blank_jpeg, np.uint8), cv2.IMREAD_COLOR)
    token = await shared_tunnel.pair(await shared_tunnel.new_code("phone-4"))
    camera = Client(video=Pictures([av.VideoFrame.from_ndarray(image, format="bgr24")]))
    try:
        async with shared_tunnel.phone(Authorization=f"Bearer {token}") as phone:
            headers = {"Content-Type": "application/sdp"}
            answer = await phone.post("/whip/phone-4", content=await camera.offer(), headers=headers)
            assert answer.status_code == 201
            place = urljoin(str(answer.url), answer.headers["location"])
            assert place.startswith(f"{shared_tunnel.address}/whip/phone-4/")
            assert (await phone.delete(place)).status_code == 200
    finally:
        await camera.connection.close()


async def test_what_was_used_of_the_allowance_is_not_forgotten_by_a_restart_and_nine_tenths_are_told(
    own_server: Callable[..., ChildServer], tmp_path: Path
) -> None:
    async with tunnelled(own_server, tmp_path, ROLLCALL_TUNNEL__NGROK_MONTHLY_REQUESTS="10") as tunnel:
        async with tunnel.phone() as phone:
            for _ in range(8):
                await phone.get("/healthz")
        async with tunnel.server.client() as owner:
            assert not [reason for reason in (await owner.readiness())["reasons"] if "tunnel" in reason]
        await tunnel.server.stop()
        await tunnel.server.start()
        state = await tunnel.until(lambda state: state["state"] == "open")
        assert (state["requests"], state["share_used"]) == (8, 0.8)
        async with asyncio.timeout(20):
            while "8 of 10 requests this month (80% of the allowance)" not in tunnel.server.log_path.read_text():
                await asyncio.sleep(0.05)
        async with tunnel.phone() as phone:
            for _ in range(3):
                assert (await phone.get("/healthz")).status_code == 200  # warned of, and served on
        async with tunnel.server.client() as owner:
            reasons = (await owner.readiness())["reasons"]
        assert any("11 of 10 requests" in reason for reason in reasons)


async def test_a_new_address_is_shown_with_a_new_code(tunnel: Tunnelled) -> None:
    async with asyncio.timeout(20):
        while not (before := set(re.findall(r"#code=(\S+)", tunnel.server.log_path.read_text()))):
            await asyncio.sleep(0.05)
    tunnel.edge.url = f"https://127.0.0.1:{tunnel.edge.public.port}"
    tunnel.edge.drop()
    await tunnel.until(lambda state: state["address"] == tunnel.edge.url)
    async with asyncio.timeout(20):
        while not (new := set(re.findall(r"#code=(\S+)", tunnel.server.log_path.read_text())) - before):
            await asyncio.sleep(0.05)
    assert await tunnel.pair(new.pop())


async def test_a_wrong_token_is_said_without_showing_it_and_the_lan_is_served(
    own_server: Callable[..., ChildServer], tmp_path: Path
) -> None:
    context, ca = certified(tmp_path / "edge")
    async with NgrokEdge(context, TOKEN) as edge:
        server = own_server(
            NGROK_AUTHTOKEN="2somebody_elses",
            ROLLCALL_TUNNEL__PROVIDER="ngrok",
            ROLLCALL_TUNNEL__NGROK_SERVER=edge.agents,
            ROLLCALL_TUNNEL__NGROK_CA=str(ca),
        )
        await asyncio.to_thread(server.upgrade)
        await server.start()
        async with server.client() as owner, asyncio.timeout(30):
            while (state := await owner.call("GET", "/api/v1/tunnel"))["state"] != "refused":
                await asyncio.sleep(0.1)
        assert "ERR_NGROK_105" in state["reason"]
        assert "somebody_elses" not in server.log_path.read_text() + json.dumps(state)
        await server.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tunnel", "ngrok"), "set NGROK_AUTHTOKEN"),
        (("--tunnel", "cloudflared"), "install cloudflared"),
        (("--https", "/nowhere.pem", "--key", "/nowhere.key"), "/nowhere.pem cannot be read"),
        (("--https", "/nowhere.pem"), "KEY is missing"),
        (("--key", "/nowhere.key"), "CERT of your own"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_served(
    own_server: Callable[..., ChildServer], arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    settings = {"NGROK_AUTHTOKEN": "", "ROLLCALL_TUNNEL__CLOUDFLARED_PATH": str(tmp_path / "cloudflared")}
    done = own_server(**settings).run_command("serve", *arguments)
    assert done.returncode in (1, 2, 3)
    assert words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


async def test_cloudflared_is_started_again_when_it_dies_and_ends_with_the_server(
    own_server: Callable[..., ChildServer], tmp_path: Path
) -> None:
    program = cloudflared.install(tmp_path / "bin")
    server = own_server(
        ROLLCALL_TUNNEL__PROVIDER="cloudflared",
        ROLLCALL_TUNNEL__CLOUDFLARED_PATH=str(program),
        ROLLCALL_TUNNEL__RETRY_FIRST_S="0.1",
    )
    await asyncio.to_thread(server.upgrade)
    await server.start()
    home = server.data_dir / "cloudflared"
    bench = Tunnelled(None, server, home / "edge-tls" / "ca.crt")  # type: ignore[arg-type]
    state = await bench.until(lambda state: state["state"] == "open")
    assert (state["address"], state["bytes_allowed"], state["share_used"]) == (cloudflared.ADDRESS, None, None)

    async def through() -> httpx.Response:
        url = f"https://localhost:{(home / 'edge').read_text()}/healthz"
        async with httpx.AsyncClient(verify=bench.trust) as http:
            return await http.get(url)

    assert (await through()).json() == {"status": "ok"}
    first = int((home / "pid").read_text())
    os.kill(first, signal.SIGKILL)
    await bench.until(lambda state: state["state"] == "open" and state["opened"] == 2)
    assert (await through()).json() == {"status": "ok"}
    assert (await bench.state())["requests"] == 2
    second = int((home / "pid").read_text())
    assert second != first
    assert await server.stop() == 0
    assert not psutil.pid_exists(second)
    # No terminal reads along: no code in the log.
    log = server.log_path.read_text()
    assert cloudflared.ADDRESS in log
    assert "#code=" not in log
