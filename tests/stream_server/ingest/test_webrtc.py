"""Peers as a whole: real connections within this process, to a hub that only notes what comes."""

import asyncio
import contextlib
import re
import socket

import numpy as np
import pytest

from recognition.errors import RequestError
from stream_server.ingest.conversation import TEXTS_MAX
from stream_server.ingest.webrtc import (
    CODE_BYTES,
    PEER_BYTES,
    PENDING_MAX,
    MemoryFull,
    NoRestart,
    PeerNotFound,
    TooManyPeers,
    WrongEtag,
)
from stream_server.ingest.webrtc_aiortc import DATAGRAM_MAX_BYTES
from stream_server.ingest.webrtc_sdp import NoVideo, SdpUnusable, TooManyCandidates
from stream_server.messages.wire import AttendanceNotice, Pace
from stream_server.session import TooManyCameras
from tests.partners.webrtc_client import Client, Pictures, needs_address
from tests.stream_server.ingest.peers import Hub, connect, make_peers, pictures, settled

pytestmark = needs_address


async def test_frames_become_pictures_and_messages_come_back(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()), audio=True)
    opened = await connect(peers, client)
    image = await hub.image()
    assert (image.shape, image.dtype) == ((240, 320, 3), np.uint8)
    assert image[200, 40].argmax() == 0  # BGR: the left side is blue
    assert (await client.until("welcome"))["camera"] == "door"
    session = hub.sessions[0]
    client.channel.send('{"type": "hello", "client": "test", "max_fps": 3, "faces": false}')
    await settled(lambda: session.max_fps == 3 and not session.wants_faces)
    assert session.sink is not None
    session.sink.tell(Pace(pace_fps=2.0))
    assert (await client.until("pace"))["pace_fps"] == 2.0
    assert peers.count == 1
    await peers.close("door", opened.session_id)
    assert (peers.count, session.sink) == (0, None)
    await client.close()


async def test_only_frames_that_are_wanted_are_prepared_and_the_others_are_counted(hub: Hub) -> None:
    hub.wait_s = 0.5
    peers, client = make_peers(hub), Client(video=Pictures(pictures(), fps=30))
    await connect(peers, client)
    for _ in range(3):
        await hub.image()
    assert hub.skips >= 10
    await peers.close_all()
    await client.close()


async def test_sound_and_further_cameras_are_not_received(hub: Hub) -> None:
    client = Client(video=Pictures(pictures()), audio=True)
    client.connection.addTrack(Pictures(pictures()))
    peers = make_peers(hub)
    opened = await connect(peers, client)
    media = opened.answer.split("m=")[1:]
    assert ["a=recvonly" in medium for medium in media if not medium.startswith("application")].count(True) == 1
    assert "a=inactive" in next(medium for medium in media if medium.startswith("audio"))
    await hub.image()
    await peers.close_all()
    await client.close()


async def test_the_answer_limits_the_bitrate_and_takes_the_server_part(hub: Hub) -> None:
    peers, client = make_peers(hub, max_kbps=700), Client(video=Pictures(pictures()))
    opened = await connect(peers, client)
    video = next(medium for medium in opened.answer.split("m=") if medium.startswith("video"))
    assert video.index("c=") < video.index("b=AS:700\r\nb=TIAS:700000\r\n") < video.index("a=")
    assert "a=setup:passive" in video
    await peers.close_all()
    await client.close()


async def test_a_line_that_loses_and_reorders_packets_still_gives_pictures(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures(640, 480), fps=30))
    await connect(peers, client)
    await hub.image()
    line = client.damage_line(lost=lambda n: n % 20 == 7, late=lambda n: n % 9 == 4)
    async with asyncio.timeout(60):
        while line.lost < 15 or line.late < 15:
            await hub.image()
    # The other side says that it missed some: the line did lose them.
    async with asyncio.timeout(60):
        while await client.reported_lost() == 0:
            await hub.image()
    while not hub.images.empty():
        hub.images.get_nowait()
    for _ in range(10):
        assert (await hub.image()).shape == (480, 640, 3)
    await peers.close_all()
    await client.close()


async def test_datagrams_of_a_stranger_do_not_end_a_connection(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    opened = await connect(peers, client)
    await hub.image()
    sizes = (0, 1, DATAGRAM_MAX_BYTES, DATAGRAM_MAX_BYTES + 1, 9000)
    # As media, as control packets of it, and as what is neither.
    datagrams = [
        start.ljust(size, b"\0")[:size] for size in sizes for start in (b"\x80\x60", b"\x80\xc8", b"\x16", b"\xff")
    ]
    addresses = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", opened.answer)
    assert addresses
    for host, port in addresses:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for datagram in datagrams:
                stranger.sendto(datagram, (host, int(port)))
    while not hub.images.empty():
        hub.images.get_nowait()
    for _ in range(5):
        assert (await hub.image()).shape == (240, 320, 3)
    assert peers.count == 1
    await peers.close_all()
    await client.close()


async def test_a_client_that_only_talks_nonsense_is_ended(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    await connect(peers, client)
    await client.until("welcome")
    for number in range(TEXTS_MAX):
        client.channel.send("{" if number % 2 else b"\x00")
        assert (await client.until("error"))["code"] == "bad_json"
    assert (await client.until("error"))["code"] == "policy"
    await settled(lambda: peers.count == 0)
    await client.close()


async def test_a_channel_of_another_name_is_closed(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()), channel="other")
    await connect(peers, client)
    await settled(lambda: client.channel.readyState == "closed")
    await hub.image()
    await peers.close_all()
    await client.close()


async def test_what_a_client_does_not_read_is_bounded(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    await connect(peers, client)
    await client.until("welcome")
    sink = hub.sessions[0].sink
    assert sink is not None
    notice = AttendanceNotice.model_construct(attendance_id="x" * 2000)
    for _ in range(1000):
        sink.tell(notice)
    assert sink.dropped >= 900  # type: ignore[attr-defined]
    await peers.close_all()
    await client.close()


async def test_candidates_may_follow_the_offer(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    offer = await client.offer()
    lines = offer.split("\r\n")
    later = [line for line in lines if line.startswith(("a=candidate", "a=end-of-candidates"))]
    opened = await peers.open("door", "\r\n".join(line for line in lines if line not in later))
    await client.take(opened.answer)
    fragment = "\r\n".join(["m=video 9 UDP/TLS/RTP/SAVPF 97", "a=mid:0", *dict.fromkeys(later), ""])
    await peers.trickle("door", opened.session_id, opened.etag, fragment)
    await hub.image()
    await peers.close_all()
    await client.close()


async def test_a_fragment_is_for_one_ice_session_that_cannot_be_restarted(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    opened = await connect(peers, client)
    where, end = ("door", opened.session_id), "a=end-of-candidates\r\n"
    with pytest.raises(WrongEtag) as missing:
        await peers.trickle(*where, None, end)
    assert missing.value.code == "etag_missing"
    with pytest.raises(WrongEtag):
        await peers.trickle(*where, '"other"', end)
    with pytest.raises(NoRestart):
        await peers.trickle(*where, "*", "a=ice-ufrag:new1\r\na=ice-pwd:0123456789012345678901\r\n")
    with pytest.raises(SdpUnusable):
        await peers.trickle(*where, opened.etag, "a=candidate:nonsense\r\n")
    many = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n + 1} typ host\r\n" for n in range(51))
    with pytest.raises(TooManyCandidates):
        await peers.trickle(*where, opened.etag, many)
    with pytest.raises(PeerNotFound):
        await peers.trickle("hall", opened.session_id, opened.etag, end)
    await peers.close_all()
    await peers.close(*where)  # it has ended by itself, which the client could not know
    with pytest.raises(PeerNotFound):
        await peers.close("hall", opened.session_id)
    await client.close()


async def test_an_offer_is_refused_when_there_is_no_room(hub: Hub) -> None:
    client = Client(video=Pictures(pictures()))
    offer = await client.offer()
    with pytest.raises(TooManyPeers):
        await make_peers(hub, max_peers=0).open("door", offer)
    with pytest.raises(MemoryFull) as full:
        await make_peers(hub, memory_max_mb=90).open("door", offer)
    assert "100 MB" in full.value.detail
    hub.full = True
    with pytest.raises(TooManyCameras):
        await make_peers(hub).open("door", offer)
    await client.close()


async def test_the_memory_of_a_peer_is_asked_for_before_anything_is_imported(hub: Hub) -> None:
    asked: list[int] = []
    room = False

    def refusal(more_bytes: int) -> str | None:
        asked.append(more_bytes)
        return None if room else "the server would come to hold 235 of 268 MB"

    client = Client(video=Pictures(pictures()))
    peers = make_peers(hub, memory_refusal=refusal)
    with pytest.raises(MemoryFull) as full:
        await peers.open("door", await client.offer())
    assert full.value.detail == "the server would come to hold 235 of 268 MB: no WebRTC peer is taken"
    assert "WebSocket" in (full.value.hint or "")
    assert (peers.refused, peers.count, peers._peer_class) == (1, 0, None)
    room = True
    await peers.open("door", await client.offer())
    await peers.open("hall", await client.offer())
    assert asked == [CODE_BYTES + PEER_BYTES, CODE_BYTES + PEER_BYTES, PEER_BYTES]
    await peers.close_all()
    await client.close()


async def test_offers_of_one_camera_that_never_connect_do_not_keep_out_others(hub: Hub) -> None:
    client = Client(video=Pictures(pictures()))
    offer = await client.offer()
    peers = make_peers(hub, max_peers=4, connect_timeout_s=60)
    opened = [await peers.open("door", offer) for _ in range(5)]
    assert peers.count == PENDING_MAX
    with pytest.raises(PeerNotFound):
        await peers.trickle("door", opened[2].session_id, opened[2].etag, "")
    for camera in ("hall", "yard"):
        await peers.open(camera, offer)
    assert peers.count == 4
    with pytest.raises(TooManyPeers):
        await peers.open("gate", offer)
    await peers.close_all()
    await client.close()


async def test_offers_of_one_camera_at_one_time_are_bounded(hub: Hub) -> None:
    client = Client(video=Pictures(pictures()))
    offer = await client.offer()
    peers = make_peers(hub, max_peers=4, connect_timeout_s=60)
    results = await asyncio.gather(*(peers.open("door", offer) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(result, TooManyPeers) for result in results) == 4
    assert peers.count == PENDING_MAX
    await peers.close_all()
    await client.close()


async def test_a_peer_that_has_connected_is_not_ended_by_offers(hub: Hub) -> None:
    peers, client = make_peers(hub), Client(video=Pictures(pictures()))
    await connect(peers, client)
    await hub.image()
    offer = await client.offer()
    for _ in range(4):
        await peers.open("door", offer)
    assert peers.count == 1 + PENDING_MAX
    while not hub.images.empty():
        hub.images.get_nowait()
    await hub.image()
    await peers.close_all()
    await client.close()


async def test_an_offer_without_video_of_ours_builds_nothing(hub: Hub) -> None:
    peers = make_peers(hub)
    for changes, error in (({"audio": True}, NoVideo), ({"video": Pictures(pictures())}, SdpUnusable)):
        client = Client(**changes)
        offer = (await client.offer()).replace("VP8/90000", "VP9/90000").replace("H264/90000", "AV1/90000")
        with pytest.raises(error):
            await peers.open("door", offer)
        await client.close()
    assert peers.count == 0


@pytest.mark.parametrize("cut", range(0, 4000, 211))
async def test_an_offer_that_is_damaged_anywhere_is_refused_or_answered_and_leaves_nothing(hub: Hub, cut: int) -> None:
    peers, client = make_peers(hub, connect_timeout_s=0.1), Client(video=Pictures(pictures()), audio=True)
    offer = await client.offer()
    with contextlib.suppress(RequestError):
        await peers.open("door", offer[:cut] + "\x00\u2028a=" + offer[cut + 5 :])
    await settled(lambda: peers.count == 0)
    await client.close()
