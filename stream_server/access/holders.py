"""Whoever may come in, and the connections they hold: what ends together when somebody's access ends."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from stream_server.access.identities import ACCESS_CHANGED, Identities
from stream_server.access.leases import Leases
from stream_server.access.principals import Principal
from stream_server.ingest.webrtc import WebRtcPeers
from stream_server.messages.wire import Event


class Access:
    """Identities that are remembered, connections at the door, and WebRTC peers, which outlive their request."""

    def __init__(self, identities: Identities, webrtc: WebRtcPeers, *, now: Callable[[], datetime]) -> None:
        self.identities = identities
        self.leases = Leases(now=now)
        self._webrtc = webrtc

    def on_event(self, event: Event) -> None:
        """Hear that somebody's access has changed, on this server or another."""
        if event.type == ACCESS_CHANGED:
            self.end(str(event.data["kind"]), UUID(event.data["id"]))

    def end(self, kind: str, subject: UUID) -> None:
        """Forget what is remembered of a device, user, session or token, and end its connections."""
        self.identities.forget(kind, subject)
        self.leases.end(kind, subject)
        self._webrtc.end_of(kind, subject)

    async def serve(self, app: ASGIApp, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket for as long as its credential holds."""
        if await self.leases.serve(app, principal, scope, receive, send):
            # A WebRTC peer may have been opened by this request while its credential ended. Peers of the same user's
            # other sessions and tokens are none of its business.
            for kind, subject in principal.own_subjects:
                self._webrtc.end_of(kind, subject)

    def is_connected(self, kind: str, subject: UUID) -> bool:
        """Whether a socket or peer of it is open on this server."""
        return self.leases.has_socket(kind, subject) or self._webrtc.has_peer_of(kind, subject)
