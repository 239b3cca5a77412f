"""WHIP as clients see it, through the whole application, with real peers and without recognition."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from storage.errors import NotFound
from stream_server.app import create_app
from stream_server.ingest.conversation import welcome
from stream_server.ingest.webrtc import WebRtcPeers
from stream_server.session import TooManyCameras
from stream_server.settings import AuthSettings, HttpSettings, Settings, WebRtcSettings
from tests.partners.webrtc_client import Client, Pictures

SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}
PAGE = "https://school.example"


class Hub:
    full = False

    def check_room(self, camera_id: str) -> None:
        if self.full:
            raise TooManyCameras("no room")


class Cameras:
    async def require(self, camera_id: str) -> None:
        if camera_id != "door":
            raise NotFound("there is no such camera", code="unknown_camera")


@pytest_asyncio.fixture
async def services() -> AsyncIterator[Any]:
    settings = Settings(
        _env_file=None,
        webrtc=WebRtcSettings(
            connect_timeout_s=0.5,
            stun_urls=("stun:127.0.0.1:9",),
            turn_urls=("turn:127.0.0.1:9", "turns:127.0.0.1:9?transport=tcp"),
            turn_secret=None,
        ),
    )
    hub = Hub()
    peers = WebRtcPeers(
        settings=settings.webrtc.model_copy(update={"stun_urls": ()}),
        hub=hub,  # type: ignore[arg-type]
        welcome=lambda camera: welcome(settings.cameras, camera, pace_fps=1.0, now=datetime.now(UTC)),
    )
    yield SimpleNamespace(settings=settings, hub=hub, cameras=Cameras(), webrtc=peers, access=None)
    await peers.close_all()


@pytest_asyncio.fixture
async def http(services: Any, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        auth=AuthSettings(token=SecretStr("open-sesame-1234")),
        http=HttpSettings(allowed_origins=(PAGE,)),
    )
    app = create_app(settings)
    app.state.services = services
    headers = {"authorization": "Bearer open-sesame-1234"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers) as client:
        yield client


@pytest_asyncio.fixture
async def offer() -> AsyncIterator[str]:
    client = Client(video=Pictures([]))
    yield await client.offer()
    await client.close()


async def test_an_offer_is_answered_as_rfc_9725_says(http: httpx.AsyncClient, services: Any, offer: str) -> None:
    answer = await http.post("/whip/door", content=offer, headers=SDP)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/sdp"
    assert re.fullmatch(r"/whip/door/[\w-]{20,}", answer.headers["location"])
    assert re.fullmatch(r'"[\w-]{16}"', answer.headers["etag"])
    assert answer.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    assert answer.text.startswith("v=0\r\n")
    assert services.webrtc.count == 1
    ended = await http.delete(answer.headers["location"])
    assert (ended.status_code, ended.content) == (200, b"")
    assert services.webrtc.count == 0
    # The server may have ended it just before the client did.
    assert (await http.delete(answer.headers["location"])).status_code == 200
    of_another = answer.headers["location"].replace("/door/", "/yard/")
    assert (await http.delete(of_another)).status_code == 404
    assert (await http.delete("/whip/door/other")).status_code == 404


async def test_ice_servers_are_told_in_links(
    http: httpx.AsyncClient, services: Any, offer: str, monkeypatch: Any
) -> None:
    with_servers = services.settings.webrtc.model_copy(update={"turn_secret": SecretStr("s")})
    told = WebRtcPeers(settings=with_servers, hub=services.hub, welcome=lambda _: None)  # type: ignore[arg-type,return-value]
    monkeypatch.setattr(services.webrtc, "ice_servers", told.ice_servers)

    # No such servers are here, and nobody should wait for them.
    monkeypatch.setattr("aioice.ice.Connection.gather_candidates", await asyncio.to_thread(_host_only))
    answer = await http.post("/whip/door", content=offer, headers=SDP)
    links = answer.headers.get_list("link")
    assert links[0] == '<stun:127.0.0.1:9>; rel="ice-server"'
    pattern = r'<turns?:[^>]+>; rel="ice-server"; username="\d+:door"; credential="[^"]+="; credential-type="password"'
    assert [bool(re.fullmatch(pattern, link)) for link in links[1:]] == [True, True]


def _host_only() -> Any:
    from aioice.ice import Connection

    gather = Connection.gather_candidates

    async def gather_candidates(self: Any) -> None:
        self.stun_server = self.turn_server = None
        await gather(self)

    return gather_candidates


async def test_ice_servers_that_are_silent_are_said_to_be(
    http: httpx.AsyncClient, services: Any, offer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: object) -> None:
        await asyncio.Event().wait()

    await asyncio.to_thread(__import__, "aioice.ice")
    monkeypatch.setattr("aioice.ice.Connection.gather_candidates", never)
    answer = await http.post("/whip/door", content=offer, headers=SDP)
    assert (answer.status_code, answer.json()["code"]) == (503, "ice_servers_silent")
    assert services.webrtc.count == 0


async def test_what_an_endpoint_takes_can_be_asked(http: httpx.AsyncClient) -> None:
    answer = await http.options("/whip/door")
    assert (answer.status_code, answer.headers["accept-post"]) == (204, "application/sdp")
    assert (await http.options("/whip/yard")).status_code == 404
    for method in ("GET", "PUT", "HEAD"):
        assert (await http.request(method, "/whip/door")).status_code == 405


async def test_the_ice_servers_can_be_asked_for_before_an_offer_is_made(http: httpx.AsyncClient, services: Any) -> None:
    services.webrtc = WebRtcPeers(
        settings=services.settings.webrtc.model_copy(update={"turn_secret": SecretStr("shared")}),
        hub=services.hub,
        welcome=lambda camera: welcome(services.settings.cameras, camera, pace_fps=1.0, now=datetime.now(UTC)),
    )
    links = (await http.options("/whip/door")).headers.get_list("link", split_commas=True)
    assert [link.partition(";")[0] for link in links] == [
        "<stun:127.0.0.1:9>", "<turn:127.0.0.1:9>", "<turns:127.0.0.1:9?transport=tcp>"
    ]  # fmt: skip
    assert ':door"' in links[1]
    assert (await http.options("/whip/door", headers={"authorization": ""})).status_code == 401
    asked = {"origin": PAGE, "access-control-request-method": "OPTIONS"}
    assert (await http.options("/whip/door", headers=asked)).status_code == 200


async def test_a_page_of_an_allowed_origin_can_read_what_it_needs(http: httpx.AsyncClient, offer: str) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "PATCH", "access-control-request-headers": "if-match"}
    assert (await http.options("/whip/door/x", headers=asked)).status_code == 200
    answer = await http.post("/whip/door", content=offer, headers={**SDP, "origin": PAGE})
    shown = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"location", "etag", "link"} <= shown


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("v=0", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ("v=0", {}, 415, "unsupported_media_type"),
        ("", SDP, 400, "sdp_invalid"),
        ("nonsense", SDP, 400, "sdp_invalid"),
        (b"\xff\xfe\x00", SDP, 400, "sdp_invalid"),
        ("v=0\r\n" + "a=x\r\n" * 200_000, SDP, 413, "content_too_large"),
        ("500 candidates", SDP, 422, "too_many_candidates"),
        ("sound", SDP, 422, "sdp_no_video"),
        ("two transports", SDP, 422, "sdp_not_bundled"),
        ("no codec", SDP, 400, "sdp_invalid"),
        ("no mux", SDP, 400, "sdp_invalid"),
    ],
)
async def test_a_bad_offer_is_a_problem_that_says_so(
    http: httpx.AsyncClient, services: Any, offer: str, body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    changed = {
        "500 candidates": offer.replace(
            "a=end-of", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 500 + "a=end-of"
        ),
        "sound": offer.replace("m=video", "m=audio"),
        "two transports": re.sub("a=group:BUNDLE.*\r\n", "", offer),
        "no codec": offer.replace("VP8/90000", "VP9/90000").replace("H264/90000", "AV1/90000"),
        "no mux": offer.replace("a=rtcp-mux\r\n", ""),
    }
    answer = await http.post("/whip/door", content=changed.get(body, body), headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    assert problem["hint"]
    assert services.webrtc.count == 0


async def test_who_and_what_is_not_known_is_refused(http: httpx.AsyncClient, offer: str) -> None:
    unknown = await http.post("/whip/hall", content=offer, headers=SDP)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_camera")
    stranger = await http.post("/whip/door", content=offer, headers={**SDP, "authorization": "Bearer wrong"})
    assert stranger.status_code == 401
    assert stranger.headers["www-authenticate"].startswith("Bearer")


async def test_a_full_server_says_when_to_come_back(http: httpx.AsyncClient, services: Any, offer: str) -> None:
    services.hub.full = True
    answer = await http.post("/whip/door", content=offer, headers=SDP)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_cameras")
    assert int(answer.headers["retry-after"]) > 0


async def test_candidates_are_trickled_to_the_session_they_are_for(http: httpx.AsyncClient, offer: str) -> None:
    answer = await http.post("/whip/door", content=offer, headers=SDP)
    place, tag = answer.headers["location"], {"if-match": answer.headers["etag"]}
    candidate = "a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
    restart = "a=ice-ufrag:new1\r\na=ice-pwd:0123456789012345678901\r\n"
    for body, headers, status, code in (
        (candidate, {**FRAGMENT, **tag}, 204, ""),
        ("a=candidate:1 1 udp 1 no-address 9 typ host\r\n", {**FRAGMENT, **tag}, 204, ""),
        (candidate, {**SDP, **tag}, 415, "unsupported_media_type"),
        (candidate, FRAGMENT, 428, "etag_missing"),
        (candidate, {**FRAGMENT, "if-match": '"other"'}, 412, "etag_mismatch"),
        (restart, {**FRAGMENT, "if-match": '"*"'}, 422, "ice_restart_unsupported"),
        ("nonsense", {**FRAGMENT, **tag}, 400, "sdp_invalid"),
        ("a=candidate:nonsense\r\n", {**FRAGMENT, **tag}, 400, "sdp_invalid"),
    ):
        patched = await http.patch(place, content=body, headers=headers)
        assert patched.status_code == status, (body, patched.text)
        assert (patched.json()["code"] if code else "") == code
    missing = await http.patch("/whip/door/other", content=candidate, headers={**FRAGMENT, **tag})
    assert (missing.status_code, missing.json()["code"]) == (404, "whip_session_not_found")
