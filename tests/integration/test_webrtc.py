"""WebRTC against a real server: a camera that changes transport, and what is left of many peers."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from stream_server.child import ChildServer
from stream_server.client import ServerClient
from stream_server.demo.views import MovingView
from tests.partners.webrtc_client import Client, Pictures, needs_address

pytestmark = needs_address
SDP = {"Content-Type": "application/sdp"}


@pytest.fixture(scope="module")
def frames(pictures: Any) -> list[av.VideoFrame]:
    view = MovingView(pictures.image("sample3.jpg"))
    return [
        av.VideoFrame.from_ndarray(view.frame(n / 15), format="bgr24").reformat(format="yuv420p") for n in range(30)
    ]


@pytest.fixture
async def http(running_server: ChildServer) -> AsyncIterator[httpx.AsyncClient]:
    async with _http(running_server) as http:
        yield http


def _http(server: ChildServer) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, timeout=30)


async def stream(http: httpx.AsyncClient, peer: Client, camera: str) -> str:
    """Connect a peer; returns where its session is."""
    answer = await http.post(f"/whip/{camera}", content=await peer.offer(), headers=SDP)
    assert answer.status_code == 201, answer.text
    await peer.take(answer.text)
    await peer.connected()
    return str(answer.headers["location"])


async def test_faces_come_back_over_the_data_channel_and_attendance_is_stored(
    client: ServerClient, http: httpx.AsyncClient, frames: list[av.VideoFrame], pictures: Any, enrol: Any
) -> None:
    person_id = await enrol("Right of one", pictures.crop("sample1.jpg", 2))
    await client.add_camera("rtc")
    peer = Client(video=Pictures(frames))
    place = await stream(http, peer, "rtc")
    assert (await peer.until("welcome"))["camera"] == "rtc"
    assert (await peer.until("faces"))["faces"]
    attendance = await peer.until("attendance")
    assert attendance["person"]["id"] == str(person_id)
    stored = [record for record in await client.attendance() if record["person"]["id"] == str(person_id)]
    assert [record["id"] for record in stored] == [attendance["attendance_id"]]
    assert (await http.delete(place)).status_code == 200
    await peer.close()


async def test_a_camera_may_change_transport_and_stays_the_same_camera(
    client: ServerClient,
    http: httpx.AsyncClient,
    running_server: ChildServer,
    frames: list[av.VideoFrame],
    pictures: Any,
    enrol: Any,
) -> None:
    person_id = await enrol("Right of one", pictures.crop("sample1.jpg", 2))
    await client.add_camera("changes")
    url = f"ws://127.0.0.1:{running_server.port}/ws/v1/camera/changes"
    headers = {"Authorization": f"Bearer {running_server.token}"}
    view = pictures.view("sample3.jpg", frames=30)
    async with connect(url, additional_headers=headers) as socket:
        faces = await _named(socket, view)
        peer = Client(video=Pictures(frames))
        await stream(http, peer, "changes")
        with pytest.raises(ConnectionClosed) as closed:
            await _named(socket, view, never=True)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4409
    later = await peer.until("faces")
    assert later["frame"] > faces["frame"]
    while not (named := _names(later)):
        later = await peer.until("faces")
    assert named == _names(faces)  # the same person in the same track
    async with connect(url, additional_headers=headers) as socket:
        assert (await peer.until("error"))["code"] == "replaced"
        assert _names(await _named(socket, view)) == named
    records = [record for record in await client.attendance() if record["person"]["id"] == str(person_id)]
    assert len(records) == 1
    await peer.close()


async def test_a_camera_that_is_removed_is_told_so(
    client: ServerClient, http: httpx.AsyncClient, frames: list[av.VideoFrame]
) -> None:
    await client.add_camera("short")
    peer = Client(video=Pictures(frames))
    await stream(http, peer, "short")
    await peer.until("faces")
    await client.call("DELETE", "/api/v1/cameras/short")
    assert (await peer.until("error"))["code"] == "removed"
    await _no_peers(client)
    late = Client(video=Pictures(frames))
    assert (await http.post("/whip/short", content=await late.offer(), headers=SDP)).status_code == 404
    for one in (peer, late):
        await one.close()


async def test_nothing_is_left_of_peers_that_came_and_went(
    own_server: Callable[..., ChildServer], frames: list[av.VideoFrame]
) -> None:
    if sys.platform != "linux":
        pytest.skip("the kernel does not say what the server holds")
    server = own_server(ROLLCALL_WEBRTC__CONNECT_TIMEOUT_S="1", ROLLCALL_WEBRTC__IDLE_TIMEOUT_S="2")
    await asyncio.to_thread(server.upgrade)
    await server.start()
    assert not _loaded(server.pid, "pylibsrtp")
    async with server.client() as client, _http(server) as http:
        await client.add_camera("rtc")
        await _come_and_go(http, frames)  # what is loaded and kept once is not counted
        await _no_peers(client)
        assert _loaded(server.pid, "pylibsrtp")
        before = await _held(client)
        assert before["open_files"]
        for _ in range(3):
            await _come_and_go(http, frames)
        await _no_peers(client)
        async with asyncio.timeout(20):
            while any(now > before[name] for name, now in (await _held(client)).items()):
                await asyncio.sleep(0.1)
    assert await server.stop() == 0
    assert "Traceback" not in server.log_path.read_text()


async def test_a_server_that_stops_tells_its_peers(
    own_server: Callable[..., ChildServer], frames: list[av.VideoFrame]
) -> None:
    server = own_server()
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client, _http(server) as http:
        await client.add_camera("rtc")
        peer = Client(video=Pictures(frames))
        await stream(http, peer, "rtc")
        await peer.until("faces")
        stopping = asyncio.create_task(server.stop())
        assert (await peer.until("error"))["code"] == "going_away"
        await peer.close()
    assert await stopping == 0


async def _come_and_go(http: httpx.AsyncClient, frames: list[av.VideoFrame]) -> None:
    """One peer that says goodbye, one that is replaced by it, one that never connects, and a bad offer."""
    first, second, third = (Client(video=Pictures(frames)) for _ in range(3))
    await stream(http, first, "rtc")
    await first.until("faces")
    place = await stream(http, second, "rtc")
    assert (await first.until("error"))["code"] == "replaced"
    await second.until("faces")
    assert (await http.delete(place)).status_code == 200
    offer = await third.offer()
    assert (await http.post("/whip/rtc", content=offer, headers=SDP)).status_code == 201
    assert (await http.post("/whip/rtc", content=offer.replace("VP8", "VP7"), headers=SDP)).status_code in (201, 400)
    for peer in (first, second, third):
        await peer.close()


async def _no_peers(client: ServerClient) -> None:
    async with asyncio.timeout(30):
        while (await client.readiness())["sockets"]["webrtc_peers"]:
            await asyncio.sleep(0.1)


async def _held(client: ServerClient) -> dict[str, int]:
    """Tasks, threads and open files. The threads of pools, which come with work and then stay, do not count."""
    held = (await client.readiness())["process"]
    return {name: held[name] for name in ("tasks", "threads", "open_files")}


def _loaded(pid: int, name: str) -> bool:
    return name in Path(f"/proc/{pid}/maps").read_text()


def _names(faces: dict[str, Any]) -> set[tuple[str, int]]:
    return {(face["person"]["name"], face["track"]) for face in faces["faces"] if face["person"] is not None}


async def _named(socket: Any, view: list[bytes], *, never: bool = False) -> dict[str, Any]:
    """Send pictures until somebody is named."""
    async with asyncio.timeout(30):
        while True:
            for picture in view:
                await socket.send(picture)
                await asyncio.sleep(0.1)
                message = json.loads(await socket.recv())
                if message["type"] == "faces" and _names(message) and not never:
                    return dict(message)
