"""Changes to the inside of aiortc, all of them; written for aiortc 1.16, and held by tests that fail when it moves.

| What | Why |
|---|---|
| decoder thread | It decodes with as many threads and as large pictures as come, and its queues have no bounds. |
| DTLS ciphers | They are for ECDSA certificates only: a peer with an RSA one that insists on the server's part fails. |
| DTLS role | It answers `active`; RFC 9725, section 4.4.2, asks for `passive`, which also takes RSA peers. |
| bitrate | Its estimate grows with what the peer sends, beyond the limit of the settings. |
| feedback | On a busy link it tells the estimate with every packet; a few times a second are enough. |
| packets | Each takes a queue, a task and two rounds of the event loop. |
| datagrams | One that is empty, or longer than its buffer, ends the connection, whoever sent it. |
| frames | It gives a frame when the next one begins: at 15 a second a fifteenth of a second too late. |
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Coroutine
from typing import Any

import aiortc.rtcdtlstransport
import aiortc.rtcrtpreceiver
import pylibsrtp
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.clock import current_ms
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import is_rtcp
from OpenSSL import SSL

from stream_server.ingest.webrtc_frames import FrameOutlet, decode_into

_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
)
_DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
_ESTIMATOR = "_RTCRtpReceiver__remote_bitrate_estimator"
_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
# What an Ethernet carries, and the library's buffer for a packet.
DATAGRAM_MAX_BYTES = 1500
# libwebrtc tells at most so often when the estimate falls, too.
_ESTIMATE_EVERY_MS = 200
# A burst, as the estimator has it (its TIMESTAMP_GROUP_LENGTH_MS); times of sending count 2**-18 seconds.
_BURST_MS = 5
_BURST_SPAN = (_BURST_MS << 18) // 1000

log = logging.getLogger("rollcall.webrtc")

_make_context = aiortc.rtcdtlstransport.RTCCertificate._create_ssl_context
_decoder_worker = aiortc.rtcrtpreceiver.decoder_worker


def install() -> None:
    """Put the changes in that hold for all connections; doing it again changes nothing."""
    # At INFO it writes every address of every client into the log.
    logging.getLogger("aioice").setLevel(logging.WARNING)
    aiortc.rtcdtlstransport.RTCCertificate._create_ssl_context = _context_for_all_peers  # type: ignore[assignment,method-assign]
    aiortc.rtcrtpreceiver.decoder_worker = _decode  # type: ignore[assignment]


def _context_for_all_peers(certificate: Any, srtp_profiles: Any) -> SSL.Context:
    context = _make_context(certificate, srtp_profiles)
    context.set_cipher_list(_CIPHERS)
    return context


def _decode(
    loop: asyncio.AbstractEventLoop, encoded: "queue.Queue[Any]", output: Any, ask_for_key_frame: threading.Event
) -> None:
    if isinstance(output, FrameOutlet):
        decode_into(output, encoded, ask_for_key_frame)
    else:  # a track that is not ours
        _decoder_worker(loop, encoded, output, ask_for_key_frame)


def send_frames_to(receiver: RTCRtpReceiver, outlet: FrameOutlet) -> None:
    """Let the receiver's decoder thread, which is not running yet, put its frames there and not into a queue."""
    assert receiver._track is not None
    receiver._track._queue = outlet  # type: ignore[assignment]
    encoded: queue.SimpleQueue[Any] = queue.SimpleQueue()  # in C: its lock and condition cost more than the frame
    _replace(receiver, _DECODER_QUEUE, encoded)
    _replace(receiver, _JITTER_BUFFER, FrameBuffer(getattr(receiver, _JITTER_BUFFER).capacity, is_video=True))


def _replace(receiver: RTCRtpReceiver, name: str, by: object) -> None:
    assert hasattr(receiver, name)
    setattr(receiver, name, by)


class FrameBuffer(JitterBuffer):
    """Puts packets in order, and gives a frame with its last packet, which says that it is the last.

    VP8 (RFC 7741, section 4.1) demands that; H.264 (RFC 6184, section 5.1) lets a sender leave it out: its frame is
    then complete when the next one begins.
    """

    _known = 0  # so many packets from the first on are there, and of one frame that is not complete

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        assert self._origin is not None
        first = self._packets[self._origin % self._capacity]
        while self._known < self._capacity:
            packet = self._packets[(self._origin + self._known) % self._capacity]
            if packet is None or first is None:
                break
            ends_before = packet.timestamp != first.timestamp
            if not ends_before:
                self._known += 1
            if ends_before or packet.marker:
                return self._take(self._known, first.timestamp)
        return None

    def _take(self, count: int, timestamp: int) -> JitterFrame | None:
        assert self._origin is not None
        packets: list[Any] = [self._packets[(self._origin + n) % self._capacity] for n in range(count)]
        data = b"".join([packet._data for packet in packets])
        self.remove(count)
        # Packets of padding alone may follow a frame; to a decoder an empty one would be the end.
        return JitterFrame(data, timestamp) if data else None

    def remove(self, count: int) -> None:
        """Forget the first packets, or as many gaps."""
        super().remove(count)
        self._known = 0

    def smart_remove(self, count: int) -> bool:
        """Forget at least so many, up to the beginning of a frame."""
        self._known = 0
        return super().smart_remove(count)


def receive_at_once(receiver: RTCRtpReceiver) -> None:
    """Take media as they come from the socket. Call when the answer is set: bundling may replace transports."""
    dtls = receiver.transport
    connection = dtls.transport._connection
    to_the_queue = connection.data_received

    def take(data: bytes, component: int) -> None:
        if not 0 < len(data) <= DATAGRAM_MAX_BYTES:
            return
        if dtls._rx_srtp is None or not 127 < data[0] < 192 or is_rtcp(data):
            to_the_queue(data, component)
            return
        try:
            _run_through(dtls._handle_rtp_data(dtls._rx_srtp.unprotect(data), arrival_time_ms=current_ms()))
        except pylibsrtp.Error as error:  # forged, or a copy
            log.debug("a packet could not be decrypted: %s", error)
        except Exception:
            # As with any packet that is lost: it will be asked for again.
            log.debug("a packet could not be taken", exc_info=True)

    connection.data_received = take  # type: ignore[method-assign]


def _run_through(work: Coroutine[Any, Any, None]) -> None:
    """Run what only looks asynchronous: a packet is handled, and answered, without waiting for anything."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("the library waits while it handles a packet")


def take_server_part(connection: RTCPeerConnection) -> None:
    """Be the DTLS server. Call between the offer and the answer, and not when the offer says that the peer is it."""
    transports = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport)
    for transport in transports:
        if transport._role == "auto":
            transport._set_role("server")


def limit_estimate(receiver: RTCRtpReceiver, max_kbps: int) -> None:
    """Never tell the sender that there is room for more than `max_kbps` (REMB, draft-alvestrand-rmcat-remb)."""
    setattr(receiver, _ESTIMATOR, _LimitedEstimator(getattr(receiver, _ESTIMATOR), max_kbps * 1000))


class _LimitedEstimator:
    """Gives the packets of a burst to the estimator as one; it takes them for one group in any case."""

    def __init__(self, inner: Any, max_bps: int) -> None:
        self._inner = inner
        self._max_bps = max_bps
        self._told_ms = -_ESTIMATE_EVERY_MS
        self._burst: dict[str, int] | None = None
        self._began = 0

    def add(
        self, *, arrival_time_ms: int, abs_send_time: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        burst = self._burst
        if (
            burst is not None
            and burst["ssrc"] == ssrc
            and 0 <= abs_send_time - self._began <= _BURST_SPAN
            and arrival_time_ms - burst["arrival_time_ms"] <= _BURST_MS
        ):
            burst["arrival_time_ms"] = arrival_time_ms
            burst["abs_send_time"] = max(abs_send_time, burst["abs_send_time"])
            burst["payload_size"] += payload_size
            return None
        self._began = abs_send_time
        self._burst = {
            "arrival_time_ms": arrival_time_ms,
            "abs_send_time": abs_send_time,
            "payload_size": payload_size,
            "ssrc": ssrc,
        }
        estimate = None if burst is None else self._inner.add(**burst)
        if estimate is None or arrival_time_ms - self._told_ms < _ESTIMATE_EVERY_MS:
            return None
        self._told_ms = arrival_time_ms
        return min(estimate[0], self._max_bps), estimate[1]
