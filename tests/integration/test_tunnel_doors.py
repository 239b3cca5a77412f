"""What a tunnel opens to the world, and what it does not."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from stream_server.child import ChildServer, temporary_folder
from stream_server.client import SKIP_INTERSTITIAL
from tests.partners.tunnel_edge import INTERSTITIAL
from tests.partners.tunnelled import Tunnelled, tunnelled
from tests.partners.webrtc_client import Client, Pictures, needs_address

pytest.importorskip("ngrok")

OPEN = {"GET /healthz", "GET /api/v1/setup", "POST /api/v1/login", "POST /api/v1/pair"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_tunnel(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tunnelled]:
    """For those that do not."""
    with temporary_folder() as folder:

        def make(**settings: str) -> ChildServer:
            return ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)

        async with tunnelled(make, tmp_path_factory.mktemp("shared")) as bench:
            yield bench


shared = pytest.mark.asyncio(loop_scope="module")


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
