"""One camera over WebRTC, from its offer to its end. Imports aiortc, so it is itself imported with the first offer."""

import asyncio
import contextlib
import enum
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.sdp import SessionDescription, candidate_from_sdp

from recognition.errors import RollcallError, UnavailableError
from stream_server.ice import IceServer
from stream_server.ingest import webrtc_aiortc
from stream_server.ingest.conversation import CLOSE_POLICY, TEXTS_MAX, QueuedSink, take_text
from stream_server.ingest.webrtc_frames import FrameOutlet
from stream_server.ingest.webrtc_sdp import Fragment, Offer, SdpUnusable, limit_bandwidth
from stream_server.messages.wire import ErrorNotice, Welcome
from stream_server.session import CLOSE_REMOVED, CLOSE_REPLACED, CameraHub, CameraSession
from stream_server.settings import WebRtcSettings

log = logging.getLogger("rollcall.webrtc")

CHANNEL = "rollcall"
BUFFERED_MAX_BYTES = 64 * 1024
CLOSE_TIMEOUT_S = 5.0
LAST_WORDS_S = 3.0
CLOSE_NORMAL = 1000
_END_CODES = {1012: "going_away", CLOSE_POLICY: "policy", CLOSE_REMOVED: "removed", CLOSE_REPLACED: "replaced"}
# What the library raises on a description that is wrong; it has no error of its own for that.
_PARSING = (AssertionError, ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError)
_NEGOTIATING = (InternalError, InvalidAccessError, InvalidStateError, OperationError)


class IceServersSilent(UnavailableError):
    """The STUN or TURN servers of the settings do not answer."""

    code = "ice_servers_silent"


class PeerState(enum.Enum):
    """Where a peer stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


_NEXT = {
    PeerState.CONNECTING: {PeerState.LIVE, PeerState.ENDED},
    PeerState.LIVE: {PeerState.ENDED},
    PeerState.ENDED: set[PeerState](),
}


class ChannelSink(QueuedSink):
    """The way back to a camera over a data channel; while there is none, what is said is said to nobody."""

    def __init__(self, *, send_timeout_s: float = 10.0) -> None:
        super().__init__(send_timeout_s=send_timeout_s)
        self._channel: RTCDataChannel | None = None
        self.opened = asyncio.Event()
        self._room = asyncio.Event()

    def open(self, channel: RTCDataChannel) -> bool:
        """Use this channel; False when there is one already."""
        if self._channel is not None and self._channel.readyState == "open":
            return False
        self._channel = channel
        self.opened.set()
        channel.bufferedAmountLowThreshold = BUFFERED_MAX_BYTES // 2
        channel.on("bufferedamountlow", self._room.set)
        channel.on("close", self._room.set)
        return True

    async def _send(self, text: str) -> bool:
        channel = self._channel
        while channel is not None and channel.readyState == "open":
            if channel.bufferedAmount <= BUFFERED_MAX_BYTES:
                channel.send(text)
                break
            self._room.clear()
            await self._room.wait()
        return True

    async def _close(self, code: int, reason: str) -> None:
        if code in _END_CODES:
            await self._send(ErrorNotice(code=_END_CODES[code], detail=reason).model_dump_json())
        # The connection is closed next; what was sent should be on its way by then.
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.bufferedAmountLowThreshold = 0
            self._room.clear()
            if self._channel.bufferedAmount:
                await self._room.wait()


class Peer:
    """One peer connection, and the camera session that it feeds."""

    def __init__(
        self,
        camera_id: str,
        *,
        hub: CameraHub,
        settings: WebRtcSettings,
        welcome: Callable[[str], Welcome],
        ice_servers: Sequence[IceServer] = (),
    ) -> None:
        webrtc_aiortc.install()
        self.camera_id = camera_id
        self.state = PeerState.CONNECTING
        self.offer: Offer | None = None
        self.candidates = 0
        self._hub = hub
        self._settings = settings
        self._welcome = welcome
        self._sink = ChannelSink()
        self._outlet = FrameOutlet(max_pixels=settings.max_frame_pixels)
        self._session: CameraSession | None = None
        self._connected = asyncio.Event()
        self._over = asyncio.Event()
        self._dropped = ""
        self._texts = 0
        servers = [RTCIceServer(server.url, server.username, server.credential) for server in ice_servers]
        self._connection = RTCPeerConnection(RTCConfiguration(servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._connection.on("connectionstatechange", self._on_state)
        self._connection.on("datachannel", self._on_channel)

    @property
    def is_connecting(self) -> bool:
        """Whether it has not connected yet, and may never do so."""
        return self.state is PeerState.CONNECTING

    async def answer(self, offer: Offer, text: str) -> str:
        """The answer to an offer. Raises SdpUnusable and IceServersSilent; `close` must be called in any case."""
        _parse(text)
        self.offer, self.candidates = offer, offer.candidates
        connection, limits = self._connection, self._settings
        try:
            await connection.setRemoteDescription(RTCSessionDescription(text, "offer"))
            for transceiver in connection.getTransceivers():
                if transceiver.mid != offer.video_mid:
                    transceiver.direction = "inactive"  # sound, and further cameras: not even received
                    continue
                webrtc_aiortc.send_frames_to(transceiver.receiver, self._outlet)
                webrtc_aiortc.limit_estimate(transceiver.receiver, limits.max_kbps)
            if offer.setup != "passive":
                webrtc_aiortc.take_server_part(connection)
            async with asyncio.timeout(limits.connect_timeout_s):
                await connection.setLocalDescription()
            for transceiver in connection.getTransceivers():
                if transceiver.mid == offer.video_mid:
                    webrtc_aiortc.receive_at_once(transceiver.receiver)
        except TimeoutError:
            raise IceServersSilent(
                "the STUN or TURN servers do not answer", hint="check ROLLCALL_WEBRTC__STUN_URLS and TURN_URLS"
            ) from None
        except (*_PARSING, *_NEGOTIATING) as error:
            why = str(error)[:200]  # it may repeat what was sent
            raise SdpUnusable(f"the offer cannot be answered: {why}", hint="offer VP8 or H.264 baseline") from error
        return limit_bandwidth(connection.localDescription.sdp, limits.max_kbps)

    async def trickle(self, fragment: Fragment) -> None:
        """Take further candidates. Raises SdpUnusable."""
        assert self.offer is not None
        try:
            candidates = [candidate_from_sdp(value) for value in fragment.candidates]
        except _PARSING as error:
            raise SdpUnusable("a candidate cannot be read", hint="RFC 8839, section 5.1, has its form") from error
        self.candidates += len(candidates)
        for candidate in candidates:
            # All media are in one bundle, whose transport is that of its first.
            candidate.sdpMLineIndex = 0
            with contextlib.suppress(ValueError):  # an address that is none, or of a kind that is not used
                await self._connection.addIceCandidate(candidate)
        if fragment.complete:
            await self._connection.addIceCandidate(None)

    async def run(self) -> str:
        """Serve the camera until it ends, and say why it did."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._first((self._connected.wait(), self._over.wait()))
        except TimeoutError:
            return f"it did not connect within {self._settings.connect_timeout_s:g} s"
        if self._over.is_set():
            return self._dropped or "the connection failed before it was made"
        try:
            session = self._session = self._hub.attach(self.camera_id, self._sink)
        except RollcallError as error:
            await self._say_no(error)
            return error.detail
        self._set(PeerState.LIVE)
        try:
            await self._first((self._pump(session), self._sink.run(), self._over.wait()))
        finally:
            self._hub.detach(session, self._sink)
        ending = self._sink.ending
        return self._dropped or (ending[1] if ending else "the connection ended, or the camera did not read")

    async def _say_no(self, error: RollcallError) -> None:
        """Tell a peer that has connected why it is not served; its channel opens a moment later, if at all."""
        self._sink.tell(ErrorNotice(code=error.code, detail=error.detail, hint=error.hint))
        self._sink.end(CLOSE_NORMAL, error.detail)

        async def tell() -> None:
            await self._sink.opened.wait()
            await self._sink.run()

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._first((tell(), self._over.wait()))

    def end(self, code: int, reason: str) -> None:
        """End it when the camera has been told why."""
        self._sink.end(code, reason)
        if self.state is PeerState.CONNECTING:
            self._over.set()

    def drop(self, reason: str) -> None:
        """End it at once, without a word to the camera."""
        self._dropped = self._dropped or reason
        self._over.set()

    async def close(self) -> None:
        """Close the connection with all that belongs to it; doing it again does nothing."""
        self._set(PeerState.ENDED)
        self._outlet.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close()
        except TimeoutError:
            log.warning("the connection of camera %s could not be closed within %g s", self.camera_id, CLOSE_TIMEOUT_S)

    async def _pump(self, session: CameraSession) -> None:
        idle_s = self._settings.idle_timeout_s
        # Once a newer connection has taken the camera over, its frames are the ones that count.
        while session.sink is self._sink:
            await asyncio.sleep(self._hub.wanted_in_s(session))
            try:
                async with asyncio.timeout(idle_s):
                    image_bgr = await self._outlet.next()
            except TimeoutError:
                self._refuse("no_frames", f"no frame came for {idle_s:g} s")
                break
            if session.sink is not self._sink:
                break
            if image_bgr is not None:
                self._hub.skipped(session, self._outlet.skipped())
                self._hub.offer(session, image_bgr)
            elif self._outlet.refused is not None:
                width, height = self._outlet.refused
                self._refuse("video_too_large", f"pictures of {width}x{height} are larger than is taken")
                break
            else:
                self._sink.end(CLOSE_NORMAL, "its video ended")
                break
        await asyncio.Event().wait()  # the sink ends it all, when it has said why

    def _refuse(self, code: str, reason: str) -> None:
        self._sink.tell(ErrorNotice(code=code, detail=reason, hint="docs/how-to/webrtc.md has the limits"))
        self._sink.end(CLOSE_NORMAL, reason)

    def _on_state(self) -> None:
        if self._connection.connectionState == "connected":
            self._connected.set()
        elif self._connection.connectionState in ("closed", "failed"):
            self._over.set()

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or not self._sink.open(channel):
            channel.close()
            return
        channel.on("message", self._on_message)
        self._sink.tell(self._welcome(self.camera_id))

    def _on_message(self, message: str | bytes) -> None:
        if self._session is None or self._session.sink is not self._sink:
            return
        # Bytes are no message of ours, and answered as such: pictures come as video.
        problem = take_text("" if isinstance(message, bytes) else message, self._session)
        if problem is not None:
            self._sink.tell(problem)
        self._texts += 1
        if self._texts >= TEXTS_MAX:
            self._sink.end(CLOSE_POLICY, "too many text messages")

    def _set(self, state: PeerState) -> None:
        if state is self.state:
            return
        assert state in _NEXT[self.state], f"a peer that is {self.state.value} cannot become {state.value}"
        self.state = state

    async def _first(self, coroutines: Sequence[Coroutine[Any, Any, Any]]) -> None:
        """Run them together until one is done; what it raised is raised."""
        tasks = [asyncio.create_task(c, name=f"webrtc-{self.camera_id}") for c in coroutines]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _parse(text: str) -> None:
    try:
        SessionDescription.parse(text)
    except _PARSING as error:
        raise SdpUnusable("the offer cannot be read", hint="send the offer's SDP as the client made it") from error
