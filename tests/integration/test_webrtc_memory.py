"""What a first WebRTC peer costs, and that it is not let in where that does not fit."""

from collections.abc import Callable
from typing import Any

import av
import httpx

from benchmarks.processes import webrtc_files
from stream_server.child import ChildServer
from stream_server.demo.feed import open_feed
from stream_server.demo.views import MovingView
from stream_server.ingest.webrtc import CODE_BYTES, PEER_BYTES
from tests.integration.test_overload import readiness_where, started
from tests.partners.webrtc_client import Client, Pictures, needs_address

pytestmark = needs_address


def sent(server: ChildServer, offer: str) -> httpx.Response:
    return httpx.post(
        f"{server.url}/whip/rtc",
        content=offer,
        headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/sdp"},
        timeout=30,
    )


async def test_on_a_host_of_256_mb_a_peer_is_refused_in_words_and_nothing_is_loaded_for_it(
    own_server: Callable[..., ChildServer],
) -> None:
    server = await started(own_server(ROLLCALL_GOVERNOR__MEMORY_MAX_MB="268"))
    peer = Client(video=Pictures([]))
    async with server.client() as client:
        await client.add_camera("rtc")
        refused = sent(server, await peer.offer())
        await peer.close()
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        problem = refused.json()
        assert problem["code"] == "memory_full"
        assert "of 268 MB" in problem["detail"]
        assert not webrtc_files(server.pid)
        assert (await client.readiness())["status"] != "not_ready"


async def test_where_it_fits_a_peer_is_served_and_costs_no_more_than_was_reckoned(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    server = await started(own_server(ROLLCALL_GOVERNOR__MEMORY_MAX_MB="336"))
    view = MovingView(pictures.image("sample3.jpg"))
    images = [view.frame(n / 15) for n in range(8)]
    frames = [av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p") for image in images]
    async with server.client() as client:
        await client.add_camera("rtc")
        async with open_feed(client, "door") as feed:  # what recognition takes, it has taken by then
            for jpeg in pictures.view("sample1.jpg") + pictures.view("sample3.jpg"):
                await feed.send(jpeg)
                await readiness_where(client, lambda body: body["recognition"]["waiting"] == 0)
        before = await client.readiness()
        peer = Client(video=Pictures(frames))
        answer = sent(server, await peer.offer())
        assert answer.status_code == 201, answer.text
        await peer.take(answer.text)
        await peer.connected()
        seen = before["frames"]["processed"] + 20
        after = await readiness_where(client, lambda body: body["frames"]["processed"] >= seen)
        await peer.close()
    took_mb = after["memory"]["rss_mb"] - before["memory"]["rss_mb"]
    assert took_mb < (CODE_BYTES + PEER_BYTES) / 1e6
    assert webrtc_files(server.pid)
