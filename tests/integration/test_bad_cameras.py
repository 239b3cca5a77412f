"""Everything that a camera should not do, to one server: each is refused in words, and nothing of it is left."""

import asyncio
import fractions
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import httpx
import pytest
import pytest_asyncio

from benchmarks.processes import count_of
from stream_server.child import ChildServer
from stream_server.client import ServerClient, ServerSaidNo
from tests.partners import http_cameras, rtsp_cameras
from tests.partners.webrtc_client import Client, Pictures, needs_address

pytestmark = [needs_address, pytest.mark.timeout(240)]
SDP = {"Content-Type": "application/sdp"}
WIDTH, HEIGHT = 7680, 4320


class Bad:
    """A server, ways to ask it, and what it held before."""

    def __init__(self, server: ChildServer, client: ServerClient, http: httpx.AsyncClient) -> None:
        self.client = client
        self.http = http
        self._server = server

    async def held(self) -> dict[str, int]:
        process = (await self.client.readiness())["process"]
        return {**process, "readers": count_of(self._server.pid, "reader")}

    async def refused(self, camera: str, address: str) -> str:
        """Add a camera and wait until it is refused; gives the reason."""
        await self.client.call("PUT", f"/api/v1/cameras/{camera}", body={"address": address})
        async with asyncio.timeout(60):
            while True:
                pull = (await self.client.call("GET", f"/api/v1/cameras/{camera}"))["pull"]
                if pull["state"] in ("refused", "reconnecting"):
                    assert pull["frames"] == 0
                    return f"{pull['state']}: {pull['reason']}"
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def bad(own_server: Callable[..., ChildServer]) -> AsyncIterator[Bad]:
    server = own_server(
        ROLLCALL_PULL__ALLOW_LOOPBACK="true",
        ROLLCALL_WEBRTC__CONNECT_TIMEOUT_S="3",
        ROLLCALL_WEBRTC__IDLE_TIMEOUT_S="60",  # a busy machine takes long to encode a picture of 8K
    )
    await asyncio.to_thread(server.upgrade)
    await server.start()
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        server.client() as client,
        httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http,
    ):
        yield Bad(server, client, http)
    assert await server.stop() == 0
    assert "Traceback" not in server.log_path.read_text()


async def settled(bad: Bad) -> dict[str, int]:
    """What the server holds when it has held the same for three seconds: a baseline taken too early hides a leak."""
    loop = asyncio.get_running_loop()
    held, since = await bad.held(), loop.time()
    async with asyncio.timeout(60):
        while loop.time() - since < 3.0:
            await asyncio.sleep(0.2)
            if (now := await bad.held()) != held:
                held, since = now, loop.time()
    return held


async def back_to(bad: Bad, before: dict[str, int]) -> None:
    """Wait until the server holds no more than before; its connections to PostgreSQL, one to four, come and go."""
    now: dict[str, int] = {}
    try:
        async with asyncio.timeout(60):
            while True:
                now = await bad.held()
                if all(now[name] <= before[name] + (3 if name == "open_files" else 0) for name in before):
                    return
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"before {before}, now {now}") from None


def film(path: Path) -> Path:
    """Some pictures of 8K."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1, options={"preset": "ultrafast", "crf": "40", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        coded = stream.encode(av.VideoFrame(WIDTH, HEIGHT, "yuv420p")) or stream.encode(None)
        data = bytes(coded[0])
        for number in range(30):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, fractions.Fraction(1), True
            packet.pts = packet.dts = number
            out.mux(packet)
    return path


async def test_addresses_and_cameras_that_are_no_good_are_refused_and_leave_nothing(bad: Bad, tmp_path: Path) -> None:
    await bad.client.call("PUT", "/api/v1/cameras/taken", body={"name": "Taken"})
    before = await settled(bad)
    for address in (
        "rtsp://127.0.0.1/a\nb",
        "rtsp://127.0.0.1/a\r\nDESCRIBE x",
        "file:///etc/passwd",
        "gopher://127.0.0.1",
    ):
        with pytest.raises(ServerSaidNo) as refused:
            await bad.client.call("PUT", "/api/v1/cameras/new", body={"address": address})
        assert refused.value.code in ("address_invalid", "address_not_allowed")
    taken = await bad.http.put("/api/v1/cameras/taken", json={"name": "Mine"}, headers={"If-None-Match": "*"})
    assert (taken.status_code, taken.json()["code"]) == (409, "camera_exists")

    elsewhere = http_cameras.status(302, Location="http://10.0.0.1/")
    answers = {"/moved": elsewhere, "/endless": http_cameras.endless_header}
    answers["/8k"] = http_cameras.playing([http_cameras.picture(1, WIDTH, HEIGHT)], fps=1)
    moved = b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://10.0.0.1/\r\n\r\n"
    mounts = {
        "/8k": {"launch": rtsp_cameras.played(film(tmp_path / "8k.mp4"))},
        "/sound": {"launch": rtsp_cameras.audio()},
    }
    with (
        http_cameras.http_camera(answers) as http,
        rtsp_cameras.scripted_rtsp(moved) as elsewhere_rtsp,
        rtsp_cameras.gst_server(mounts) as rtsp,
    ):
        said = await asyncio.gather(
            bad.refused("redirect", f"{http}/moved"),
            bad.refused("endless", f"{http}/endless"),
            bad.refused("large-jpeg", f"{http}/8k"),
            bad.refused("redirect-rtsp", elsewhere_rtsp),
            bad.refused("sound", rtsp.url("/sound")),
            bad.refused("large", rtsp.url("/8k")),
        )
        for words, expected in zip(
            said,
            (
                "refused: the address is in a private network",
                "reconnecting: the camera's answer is no proper HTTP, or never ends",
                f"refused: the pictures have {WIDTH}x{HEIGHT} pixels",
                "refused: the camera sends us to another address",
                "refused: there is no video at the address",
                f"refused: the pictures have {WIDTH}x{HEIGHT} pixels",
            ),
            strict=True,
        ):
            assert words.startswith(expected), said
        for camera in (await bad.client.call("GET", "/api/v1/cameras"))["cameras"]:
            await bad.client.call("DELETE", f"/api/v1/cameras/{camera['id']}")
    await back_to(bad, before)


async def test_offers_and_videos_that_are_no_good_are_refused_and_leave_nothing(bad: Bad) -> None:
    await bad.client.add_camera("rtc")
    small = [av.VideoFrame(320, 240, "yuv420p")]
    first = Client(video=Pictures(small))
    await first.take(await bad.client.whip("rtc", await first.offer()))
    await first.until("welcome")  # what is loaded once is loaded
    await first.close()
    async with asyncio.timeout(30):
        while (await bad.client.readiness())["sockets"]["webrtc_peers"]:
            await asyncio.sleep(0.1)
    before = await settled(bad)

    clients = {"video": Client(video=Pictures(small)), "sound": Client(audio=True)}
    offer = await clients["video"].offer()
    candidates = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n + 1} typ host\r\n" for n in range(500))
    for text, code in (
        (offer + "a=x:" + "y" * 2**20, "content_too_large"),
        ("nonsense", "sdp_invalid"),
        (offer.replace("a=end-of", candidates + "a=end-of"), "too_many_candidates"),
        (await clients["sound"].offer(), "sdp_no_video"),
    ):
        answer = await bad.http.post("/whip/rtc", content=text, headers=SDP)
        assert 400 <= answer.status_code < 500
        assert answer.json()["code"] == code

    large = Client(video=Pictures([av.VideoFrame(WIDTH, HEIGHT, "yuv420p")], fps=1))
    await large.take(await bad.client.whip("rtc", await large.offer()))
    error = await large.until("error", within_s=90)
    assert error["code"] == "video_too_large"
    assert f"{WIDTH}x{HEIGHT}" in error["detail"]
    for client in (*clients.values(), large):
        await client.close()
    await back_to(bad, before)
