"""All WebRTC peers: how many there may be, and that each of them ends. Knows nothing of HTTP.

Nothing here imports aiortc before the first peer is let in: that costs some 48 MB, which a server without WebRTC does
not need and a small one may not have.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from recognition.errors import RequestError, UnavailableError
from stream_server import memory
from stream_server.ice import IceServer, ice_servers
from stream_server.ingest.webrtc_sdp import Fragment, read_fragment, read_offer
from stream_server.messages.wire import Welcome
from stream_server.session import CLOSE_REMOVED, CameraHub, MemoryFull
from stream_server.settings import WebRtcSettings
from stream_server.telemetry.log_context import about

if TYPE_CHECKING:
    from stream_server.ingest.webrtc_peer import Peer

# Whose peer it is, as (kind, id) of devices, users, sessions and tokens: it ends with any of them.
Subjects = frozenset[tuple[str, UUID]]

log = logging.getLogger("rollcall.webrtc")

CLOSE_RESTART = 1012
LAST_WORDS_S = 1.0
ENDED_KEPT = 256
# Resident memory, in bytes, of the code that the first peer needs (most is FFmpeg's), and of any peer. Measured by
# tests/integration/test_webrtc_memory.py.
CODE_BYTES = 48_000_000
PEER_BYTES = 6_000_000
# Peers of one camera that have not connected yet. Two: a client that tries again while its first try still hangs.
PENDING_MAX = 2


class TooManyPeers(UnavailableError):
    """No room for one more peer."""

    code = "too_many_peers"


class PeerNotFound(RequestError):
    """There is no such peer, or no longer."""

    code = "whip_session_not_found"


class WrongEtag(RequestError):
    """The request is meant for another ICE session."""

    code = "etag_mismatch"


class NoRestart(RequestError):
    """An ICE restart, which aiortc cannot do."""

    code = "ice_restart_unsupported"


@dataclass(frozen=True, slots=True)
class OpenPeer:
    """What a client is told of its peer. `etag` stands for its ICE session."""

    session_id: str
    etag: str
    answer: str
    ice_servers: tuple[IceServer, ...]


@dataclass(slots=True)
class _Entry:
    camera_id: str
    etag: str
    peer: "Peer"
    subjects: Subjects
    task: asyncio.Task[None] | None = None
    is_leaving: bool = False
    expiry: asyncio.TimerHandle | None = None


class WebRtcPeers:
    """Opens peers and keeps them until they end."""

    def __init__(
        self,
        *,
        settings: WebRtcSettings,
        hub: CameraHub,
        welcome: Callable[[str], Welcome],
        rss_mb: Callable[[], float] = memory.rss_mb,
        memory_refusal: Callable[[int], str | None] = lambda _more_bytes: None,
    ) -> None:
        """`memory_refusal` says why there is no room for so many bytes more; None when there is."""
        self._settings = settings
        self._hub = hub
        self._welcome = welcome
        self._rss_mb = rss_mb
        self._memory_refusal = memory_refusal
        self.refused = 0
        self._entries: dict[str, _Entry] = {}
        self._ended: deque[tuple[str, str]] = deque(maxlen=ENDED_KEPT)
        self._opening: list[str] = []  # their cameras
        self._peer_class: type[Peer] | None = None
        self._closed = False

    @property
    def count(self) -> int:
        """Peers that are connected or about to be."""
        return len(self._entries) + len(self._opening)

    def ice_servers(self, camera_id: str) -> tuple[IceServer, ...]:
        """The STUN and TURN servers for a camera, with fresh credentials."""
        settings = self._settings
        return ice_servers(
            stun_urls=settings.stun_urls,
            turn_urls=settings.turn_urls,
            turn_secret=settings.turn_secret.get_secret_value() if settings.turn_secret else None,
            camera_id=camera_id,
            expires_at_unix=int(time.time()) + settings.turn_lifetime_s,
        )

    async def open(
        self, camera_id: str, offer_sdp: str, subjects: Subjects = frozenset(), *, ends_in_s: float | None = None
    ) -> OpenPeer:
        """Answer an offer and serve the peer from then on, for `ends_in_s` at most: as long as its credential holds.

        Peers of the camera that have not connected by now make room for it.
        Raises TooManyPeers, TooManyCameras, MemoryFull, and the errors of `read_offer` and `Peer.answer`.
        """
        offer = read_offer(offer_sdp)
        outdated = self._outdated(camera_id)
        try:
            self._check_room(camera_id, leaving=len(outdated))
        except UnavailableError:
            self.refused += 1
            raise
        self._opening.append(camera_id)
        try:
            await _end_all(outdated)
            if self._peer_class is None:
                self._peer_class = await asyncio.to_thread(_peer_class)  # in a thread: the import takes long
            peer_class = self._peer_class
            servers = self.ice_servers(camera_id)
            peer = peer_class(
                camera_id, hub=self._hub, settings=self._settings, welcome=self._welcome, ice_servers=servers
            )
            try:
                answer = await peer.answer(offer, offer_sdp)
            except BaseException:
                await peer.close()
                raise
            entry = _Entry(camera_id, f'"{secrets.token_urlsafe(12)}"', peer, subjects)
            session_id = secrets.token_urlsafe(16)
            self._entries[session_id] = entry
            if ends_in_s is not None:
                entry.expiry = asyncio.get_running_loop().call_later(ends_in_s, peer.drop, "its access has expired")
            with about(camera_id=camera_id):
                entry.task = asyncio.create_task(self._serve(session_id, entry), name=f"webrtc-{camera_id}")
        finally:
            self._opening.remove(camera_id)
        return OpenPeer(session_id, entry.etag, answer, servers)

    async def trickle(self, camera_id: str, session_id: str, if_match: str | None, fragment_sdp: str) -> None:
        """Take candidates of a peer. Raises PeerNotFound, WrongEtag, NoRestart, SdpUnusable, TooManyCandidates."""
        entry = self._find(camera_id, session_id)
        if if_match is None:
            raise WrongEtag("the request names no ICE session", hint="send If-Match with the ETag", code="etag_missing")
        if if_match not in (entry.etag, "*", '"*"'):
            raise WrongEtag("the request is for another ICE session", hint="send If-Match with the ETag of this one")
        fragment: Fragment = read_fragment(fragment_sdp, known=entry.peer.candidates)
        assert entry.peer.offer is not None
        if fragment.ufrag not in (None, entry.peer.offer.ufrag):
            raise NoRestart(
                "ICE cannot be restarted in this session",
                hint="open a new one with POST; it takes over the camera and its tracks",
            )
        await entry.peer.trickle(fragment)

    async def close(self, camera_id: str, session_id: str) -> None:
        """End a peer, and return when nothing is left of it. Raises PeerNotFound.

        One that has just ended by itself, as when another connection took its camera over, is no error: the client
        could not know.
        """
        if (camera_id, session_id) in self._ended:
            return
        entry = self._find(camera_id, session_id)
        entry.peer.drop("the client closed the session")
        if entry.task is not None:
            await asyncio.wait((entry.task,))

    def end_of(self, kind: str, subject: UUID) -> None:
        """End the peers of a device, user, session or token whose access has ended."""
        for entry in self._entries.values():
            if (kind, subject) in entry.subjects:
                entry.peer.drop("its access was ended")

    def has_peer_of(self, kind: str, subject: UUID) -> bool:
        """Whether a device, user, session or token has a peer."""
        return any((kind, subject) in entry.subjects for entry in self._entries.values())

    def end_camera(self, camera_id: str) -> None:
        """End the peers of a camera that was removed, also those that are only about to connect."""
        for entry in self._entries.values():
            if entry.camera_id == camera_id:
                entry.peer.end(CLOSE_REMOVED, "the camera was removed")

    async def close_all(self) -> None:
        """End all peers, because the server stops."""
        self._closed = True
        tasks = []
        for entry in self._entries.values():
            entry.peer.end(CLOSE_RESTART, "the server stops")
            if entry.task is not None:
                tasks.append(entry.task)
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_WORDS_S)
            for entry in self._entries.values():
                entry.peer.drop("the server stops")
            await asyncio.wait(tasks)

    async def _serve(self, session_id: str, entry: _Entry) -> None:
        try:
            reason = await entry.peer.run()
            log.info("the WebRTC peer of camera %s has ended: %s", entry.camera_id, reason)
        except Exception:
            # One peer's failure is its own; the others and the server go on.
            log.exception("the WebRTC peer of camera %s has failed", entry.camera_id)
        finally:
            if entry.expiry is not None:
                entry.expiry.cancel()
            try:
                await entry.peer.close()
            finally:
                del self._entries[session_id]
                self._ended.append((entry.camera_id, session_id))

    def _find(self, camera_id: str, session_id: str) -> _Entry:
        entry = self._entries.get(session_id)
        if entry is None or entry.camera_id != camera_id:
            raise PeerNotFound(
                "there is no such WHIP session; it may have ended", hint="open a new one: POST /whip/CAMERA"
            )
        return entry

    def _outdated(self, camera_id: str) -> list[_Entry]:
        """The oldest peers of a camera that have not connected, one more than may stay beside a new one."""
        opening = self._opening.count(camera_id)
        if opening >= PENDING_MAX:
            raise TooManyPeers(f"{opening} WebRTC peers of this camera are being opened already", hint="wait for them")
        pending = [
            entry
            for entry in self._entries.values()
            if entry.camera_id == camera_id and entry.peer.is_connecting and not entry.is_leaving
        ]
        return pending[: max(0, len(pending) + opening + 1 - PENDING_MAX)]

    def _check_room(self, camera_id: str, *, leaving: int) -> None:
        settings = self._settings
        if self._closed:
            raise UnavailableError("the server is stopping", hint="try again in a moment")
        if self.count - leaving >= settings.max_peers:
            raise TooManyPeers(
                f"{settings.max_peers} WebRTC peers are connected already", hint="raise ROLLCALL_WEBRTC__MAX_PEERS"
            )
        self._hub.check_room(camera_id)
        self._check_memory()

    def _check_memory(self) -> None:
        """Before anything is imported: what the first peer takes is not given back when it ends."""
        most_mb = self._settings.memory_max_mb
        if most_mb is not None:
            rss_mb = self._rss_mb()
            refusal = f"the server holds {rss_mb:.0f} MB and takes no WebRTC peers beyond {most_mb} MB"
            if rss_mb <= most_mb:
                return
        else:
            more_bytes = (1 + len(self._opening)) * PEER_BYTES + (CODE_BYTES if self._peer_class is None else 0)
            why = self._memory_refusal(more_bytes)
            if why is None:
                return
            refusal = f"{why}: no WebRTC peer is taken"
        raise MemoryFull(refusal, hint="send pictures over the camera WebSocket, which costs less")


async def _end_all(outdated: list[_Entry]) -> None:
    for entry in outdated:
        entry.is_leaving = True
        entry.peer.drop("a newer connection of its camera came before it had connected")
    tasks = [entry.task for entry in outdated if entry.task is not None]
    if tasks:
        await asyncio.wait(tasks)


def _peer_class() -> "type[Peer]":
    from stream_server.ingest.webrtc_peer import Peer

    return Peer
