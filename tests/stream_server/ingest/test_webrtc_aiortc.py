"""These fail when the inside of aiortc moves: look at stream_server/ingest/webrtc_aiortc.py then."""

import asyncio
import inspect
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, cast

import aiortc.rtcdtlstransport
import aiortc.rtcrtpreceiver
import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from aiortc.rtp import RtpPacket
from OpenSSL import SSL

from stream_server.ingest import webrtc_aiortc


def test_it_is_the_version_that_the_changes_were_written_for() -> None:
    assert version("aiortc").startswith("1.16."), "run the tests of WebRTC with real partners, then move this line"


def test_peers_with_rsa_certificates_find_a_cipher() -> None:
    webrtc_aiortc.install()
    context = RTCCertificate.generateCertificate()._create_ssl_context(srtp_profiles=SRTP_PROFILES)
    ciphers = SSL.Connection(context).get_cipher_list()
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"} <= set(ciphers)
    assert not [name for name in ciphers if not name.startswith(("ECDHE-", "TLS_"))]


def test_the_decoder_thread_has_the_parameters_that_ours_takes() -> None:
    original = inspect.signature(webrtc_aiortc._decoder_worker)
    assert list(original.parameters) == ["loop", "input_q", "output_q", "decode_error"]
    webrtc_aiortc.install()
    assert aiortc.rtcrtpreceiver.decoder_worker is webrtc_aiortc._decode


async def test_tracks_that_are_not_ours_are_decoded_as_before() -> None:
    encoded: queue.Queue[None] = queue.Queue()
    encoded.put(None)
    track: asyncio.Queue[object] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(webrtc_aiortc._decode, loop, encoded, track, threading.Event())
    async with asyncio.timeout(10):
        assert await track.get() is None


async def test_the_estimate_never_grows_beyond_the_limit() -> None:
    connection = RTCPeerConnection()
    receiver = connection.addTransceiver("video").receiver
    webrtc_aiortc.limit_estimate(receiver, 100)
    estimator = getattr(receiver, webrtc_aiortc._ESTIMATOR)
    given = [
        estimator.add(arrival_time_ms=n * 10, abs_send_time=n * 2621, payload_size=1200, ssrc=7) for n in range(400)
    ]
    found = [estimate for estimate in given if estimate is not None]
    assert found
    assert all(bits <= 100_000 and ssrcs == [7] for bits, ssrcs in found)
    await connection.close()


async def test_a_falling_estimate_is_told_a_few_times_a_second_and_not_with_every_packet() -> None:
    class Falling:
        """Says something of every packet, as while the link is full."""

        def add(self, *, arrival_time_ms: int, **_: object) -> tuple[int, list[int]]:
            return 100_000 - arrival_time_ms, [7]

    connection = RTCPeerConnection()
    receiver = connection.addTransceiver("video").receiver
    setattr(receiver, webrtc_aiortc._ESTIMATOR, Falling())
    webrtc_aiortc.limit_estimate(receiver, 90)
    estimator = getattr(receiver, webrtc_aiortc._ESTIMATOR)

    def add(ms: int) -> tuple[int, list[int]] | None:
        answer: tuple[int, list[int]] | None = estimator.add(
            arrival_time_ms=ms, abs_send_time=(ms << 18) // 1000, payload_size=1200, ssrc=7
        )
        return answer

    # What is said of a burst is known when the next one begins.
    told = [ms for ms in range(0, 2000, 10) if add(ms) is not None]
    assert told == list(range(10, 2000, 200))
    assert add(20_000) == (90_000, [7])  # 98,010 was said of the one before
    assert add(20_200) == (80_000, [7])
    await connection.close()


async def test_packets_of_a_burst_are_one_to_the_estimator() -> None:
    taken: list[tuple[int, int]] = []

    class Noting:
        def add(self, *, arrival_time_ms: int, payload_size: int, **_: object) -> None:
            taken.append((arrival_time_ms, payload_size))

    connection = RTCPeerConnection()
    receiver = connection.addTransceiver("video").receiver
    setattr(receiver, webrtc_aiortc._ESTIMATOR, Noting())
    webrtc_aiortc.limit_estimate(receiver, 1000)
    estimator = getattr(receiver, webrtc_aiortc._ESTIMATOR)
    for ms, ssrc in ((0, 7), (2, 7), (4, 7), (40, 7), (41, 8), (80, 7)):
        estimator.add(arrival_time_ms=ms, abs_send_time=(ms << 18) // 1000, payload_size=100, ssrc=ssrc)
    assert taken == [(4, 300), (40, 100), (41, 100)]
    await connection.close()


def packet(number: int, timestamp: int, data: bytes, *, last: bool = False) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 2**16, timestamp=timestamp, marker=int(last))
    made._data = data  # type: ignore[attr-defined]
    return made


def frames_of(packets: list[RtpPacket]) -> list[tuple[int, bytes]]:
    buffer = webrtc_aiortc.FrameBuffer(capacity=128, is_video=True)
    found = [buffer.add(one)[1] for one in packets]
    return [(frame.timestamp, frame.data) for frame in found if frame is not None]


@pytest.mark.parametrize("first", [10, 2**16 - 2])
def test_a_frame_is_given_with_its_last_packet(first: int) -> None:
    one, two, three = packet(first, 5, b"a"), packet(first + 1, 5, b"b"), packet(first + 2, 5, b"c", last=True)
    assert frames_of([one, two]) == []
    assert frames_of([one, two, three]) == [(5, b"abc")]
    assert frames_of([one, three, two]) == [(5, b"abc")]
    assert frames_of([one, two, two, three, three]) == [(5, b"abc")]


def test_a_frame_whose_sender_marks_none_is_given_with_the_next() -> None:
    assert frames_of([packet(1, 5, b"a"), packet(2, 5, b"b"), packet(3, 6, b"c")]) == [(5, b"ab")]


def test_what_waited_for_a_lost_packet_comes_when_it_is_there() -> None:
    whole = [packet(1, 5, b"a", last=True), packet(2, 6, b"b"), packet(3, 6, b"c", last=True)]
    assert frames_of([whole[0], whole[2]]) == [(5, b"a")]
    assert frames_of([whole[0], whole[2], whole[1]]) == [(5, b"a"), (6, b"bc")]


def test_padding_alone_is_no_frame() -> None:
    assert frames_of([packet(1, 5, b"", last=True), packet(2, 6, b"b", last=True)]) == [(6, b"b")]


@pytest.mark.parametrize("gap", [40, 128, 129, 300])
def test_after_a_gap_frames_come_again(gap: int) -> None:
    before = [packet(number, number, b"x", last=True) for number in range(1, 4)]
    begun = [packet(4, 4, b"lost")]
    after = [packet(4 + gap + n, 1000 + n, b"y", last=True) for n in range(200)]
    found = frames_of(before + begun + after)
    assert found[:3] == [(1, b"x"), (2, b"x"), (3, b"x")]
    assert all(data == b"y" for _, data in found[3:])
    assert len(found) > 60


class Line:
    """Stands where the library takes datagrams from; `receive_at_once` puts itself before it."""

    def __init__(self, handle: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self.queued: list[bytes] = []
        self.data_received: Callable[[bytes, int], None] = lambda data, component: self.queued.append(data)
        decrypted = SimpleNamespace(unprotect=lambda data: data[1:])
        self.transport = SimpleNamespace(
            transport=SimpleNamespace(_connection=self), _rx_srtp=decrypted, _handle_rtp_data=handle
        )
        webrtc_aiortc.receive_at_once(cast("RTCRtpReceiver", self))


def test_media_are_handled_as_they_come_and_the_rest_is_queued() -> None:
    handled: list[bytes] = []

    async def handle(data: bytes, *, arrival_time_ms: int) -> None:
        handled.append(data)

    line = Line(handle)
    media, control, handshake = b"\x80\x60rtp", b"\x80\xc8rtcp", b"\x16\xfe\xfd"
    for data in (media, control, handshake, b"", b"\x80\x60" + bytes(1500)):
        line.data_received(data, 1)
    assert handled == [media[1:]]
    assert line.queued == [control, handshake]
    line.transport._rx_srtp = None  # not connected yet
    line.data_received(media, 1)
    assert line.queued[-1] == media


def test_a_packet_that_cannot_be_handled_is_as_one_that_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(data: bytes, *, arrival_time_ms: int) -> None:
        if data == b"waits":
            await asyncio.sleep(0)
        raise ValueError("broken")

    caplog.set_level("DEBUG", "rollcall.webrtc")
    line = Line(handle)
    for data in (b"waits", b"broken"):
        line.data_received(b"\x80" + data, 1)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "the library waits while it handles a packet",
        "broken",
    ]


@pytest.mark.parametrize("module", ["stream_server.app", "stream_server.ingest.whip", "stream_server.ingest.webrtc"])
def test_a_server_without_webrtc_does_not_load_it(module: str) -> None:
    code = f"import sys, {module}; sys.exit(bool({{'aiortc', 'aioice', 'av'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
