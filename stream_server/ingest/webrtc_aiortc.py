"""Changes to the inside of aiortc, all of them; written for aiortc 1.16, and held by tests that fail when it moves.

| What | Why |
|---|---|
| decoder thread | It decodes with as many threads and as large pictures as come, and its queues have no bounds. |
| DTLS ciphers | They are for ECDSA certificates only: a peer with an RSA one that insists on the server's part fails. |
| DTLS role | It answers `active`; RFC 9725, section 4.4.2, asks for `passive`, which also takes RSA peers. |
| bitrate | Its estimate grows with what the peer sends, beyond the limit of the settings. |
| feedback | On a busy link it tells the estimate with every packet; a few times a second are enough. |
"""

import asyncio
import logging
import queue
import threading
from typing import Any

import aiortc.rtcdtlstransport
import aiortc.rtcrtpreceiver
from aiortc import RTCPeerConnection, RTCRtpReceiver
from OpenSSL import SSL

from stream_server.ingest.webrtc_frames import FrameOutlet, decode_into

_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
)
_ESTIMATOR = "_RTCRtpReceiver__remote_bitrate_estimator"
# libwebrtc tells at most so often when the estimate falls, too.
_ESTIMATE_EVERY_MS = 200

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
    def __init__(self, inner: Any, max_bps: int) -> None:
        self._inner = inner
        self._max_bps = max_bps
        self._told_ms = -_ESTIMATE_EVERY_MS

    def add(self, *, arrival_time_ms: int, **packet: Any) -> tuple[int, list[int]] | None:
        estimate = self._inner.add(arrival_time_ms=arrival_time_ms, **packet)
        if estimate is None or arrival_time_ms - self._told_ms < _ESTIMATE_EVERY_MS:
            return None
        self._told_ms = arrival_time_ms
        return min(estimate[0], self._max_bps), estimate[1]
