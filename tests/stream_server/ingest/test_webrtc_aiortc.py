"""These fail when the inside of aiortc moves: look at stream_server/ingest/webrtc_aiortc.py then."""

import asyncio
import inspect
import queue
import subprocess
import sys
import threading
from importlib.metadata import version

import aiortc.rtcdtlstransport
import aiortc.rtcrtpreceiver
import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
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
    told = [ms for ms in range(0, 2000, 10) if estimator.add(arrival_time_ms=ms, abs_send_time=0, ssrc=7) is not None]
    assert told == list(range(0, 2000, 200))
    assert estimator.add(arrival_time_ms=20_000, abs_send_time=0, ssrc=7) == (80_000, [7])
    assert estimator.add(arrival_time_ms=20_200, abs_send_time=0, ssrc=7) == (79_800, [7])
    await connection.close()


@pytest.mark.parametrize("module", ["stream_server.app", "stream_server.ingest.whip", "stream_server.ingest.webrtc"])
def test_a_server_without_webrtc_does_not_load_it(module: str) -> None:
    code = f"import sys, {module}; sys.exit(bool({{'aiortc', 'aioice', 'av'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
