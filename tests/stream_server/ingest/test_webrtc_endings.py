"""How peers end: by themselves, by being replaced, refused or removed, and by the server; nothing is left of them."""

import asyncio
import math

import av
import pytest

from stream_server.session import CLOSE_REMOVED, CLOSE_REPLACED
from tests.partners.webrtc_client import Client, Pictures, needs_address
from tests.stream_server.ingest.peers import Hub, connect, make_peers, pictures, settled

pytestmark = needs_address


async def test_a_client_that_never_connects_is_ended(hub: Hub) -> None:
    peers, client = make_peers(hub, connect_timeout_s=0.2), Client(video=Pictures(pictures()))
    await peers.open("door", await client.offer())
    assert peers.count == 1
    await settled(lambda: peers.count == 0)
    assert hub.sessions == []
    await client.close()


async def test_a_client_without_any_address_that_resolves_is_ended(hub: Hub) -> None:
    peers, client = make_peers(hub, connect_timeout_s=0.2), Client(video=Pictures(pictures()))
    offer = await client.offer()
    kept = [line for line in offer.split("\r\n") if not line.startswith(("a=candidate", "a=end-of"))]
    kept.insert(-1, "a=candidate:1 1 udp 2130706431 00000000-1111-2222-3333-444444444444.local 9 typ host")
    await peers.open("door", "\r\n".join(kept))
    await settled(lambda: peers.count == 0)
    await client.close()


async def test_a_client_that_sends_no_frames_is_told_and_ended(hub: Hub) -> None:
    class Silent(Pictures):
        async def recv(self) -> av.VideoFrame:
            await asyncio.sleep(math.inf if self._shown else 0.0)
            return await super().recv()

    peers, client = make_peers(hub, idle_timeout_s=0.5), Client(video=Silent(pictures()))
    await connect(peers, client)
    assert (await client.until("error"))["code"] == "no_frames"
    await settled(lambda: peers.count == 0)
    await client.close()


async def test_a_video_that_is_too_large_is_refused_in_words(hub: Hub) -> None:
    peers, client = make_peers(hub, max_frame_pixels=100_000), Client(video=Pictures(pictures(640, 480)))
    await connect(peers, client)
    error = await client.until("error")
    assert error["code"] == "video_too_large"
    assert "640x480" in error["detail"]
    await settled(lambda: peers.count == 0)
    assert hub.images.empty()
    await client.close()


async def test_a_client_that_goes_away_leaves_nothing(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    await connect(peers, client)
    await hub.image()
    await client.close()
    await settled(lambda: peers.count == 0)
    assert hub.sessions[0].sink is None


async def test_a_client_that_is_replaced_is_told_so(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    await connect(peers, client)
    await client.until("welcome")
    assert hub.sessions[0].sink is not None
    hub.sessions[0].sink.end(CLOSE_REPLACED, "another connection of this camera took over")
    assert (await client.until("error"))["code"] == "replaced"
    await settled(lambda: peers.count == 0)
    await client.close()


async def test_a_client_that_finds_no_room_when_it_has_connected_is_told_why(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    opened = await peers.open("door", await client.offer())
    hub.full = True  # others were quicker
    await client.take(opened.answer)
    error = await client.until("error")
    assert (error["code"], error["detail"]) == ("too_many_cameras", "no room")
    await settled(lambda: peers.count == 0)
    assert hub.sessions == []
    await client.close()


async def test_a_client_without_a_channel_that_finds_no_room_is_ended_all_the_same(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()), channel="other")
    opened = await peers.open("door", await client.offer())
    hub.full = True
    await client.take(opened.answer)
    await settled(lambda: peers.count == 0)
    await client.close()


async def test_the_clients_of_a_camera_that_is_removed_are_ended(hub: Hub) -> None:
    peers, client, other, late = make_peers(hub), *(Client(video=Pictures(pictures())) for _ in range(3))
    await connect(peers, client)
    await connect(peers, other, "hall")
    await peers.open("door", await late.offer())
    await client.until("welcome")
    assert hub.sessions[0].sink is not None
    hub.sessions[0].sink.end(CLOSE_REMOVED, "the camera was removed")
    peers.end_camera("door")
    assert (await client.until("error"))["code"] == "removed"
    await settled(lambda: peers.count == 1)
    await peers.close_all()
    for one in (client, other, late):
        await one.close()


async def _images(hub: Hub, count: int) -> None:
    for _ in range(count):
        await hub.image(within_s=1.0)


async def test_frames_of_a_client_that_was_replaced_do_not_count(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    opened = await connect(peers, client)
    await hub.image()
    hub.sessions[0].sink = None  # another connection came, and left again: the camera may be unknown by now
    taken = hub.images.qsize()
    with pytest.raises(TimeoutError):
        await _images(hub, taken + 2)
    await peers.close("door", opened.session_id)
    await client.close()


async def test_a_client_is_told_that_the_server_stops(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    await connect(peers, client)
    await client.until("welcome")
    await peers.close_all()
    assert peers.count == 0
    assert (await client.until("error"))["code"] == "going_away"
    await client.close()
