"""Connections of credentials that can be revoked: they end with the credential, whatever route they are on.

A lease wraps one request or socket at the door, so that no route has to think of it: a socket is closed with 4401, a
stream of events ends as if its reader had gone. A short request that is under way is answered.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_server.access.principals import Principal

log = logging.getLogger("rollcall.access")

CLOSE_REVOKED = 4401
WHY = "the access of this connection was ended"


class Leases:
    """The connections that are open."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._open: set[Lease] = set()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def has_socket(self, kind: str, subject: UUID) -> bool:
        """Whether a socket of a device, user, session or token is open."""
        return any(lease.is_socket and (kind, subject) in lease.principal.subjects for lease in self._open)

    def end(self, kind: str, subject: UUID) -> int:
        """End all connections of a device, user, session or token; returns how many there were."""
        meant = [lease for lease in self._open if (kind, subject) in lease.principal.subjects]
        for lease in meant:
            lease.end()
        if meant:
            log.info("%d connections of %s %s were ended", len(meant), kind, subject)
        return len(meant)

    async def serve(self, app: ASGIApp, principal: Principal, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve one connection for as long as its credential holds; whether that ended meanwhile."""
        lease = Lease(principal, scope, receive, send)
        self._open.add(lease)
        left_s = principal.left_s(self._now())
        expiry = None if left_s is None else asyncio.get_running_loop().call_later(left_s, lease.end)
        closing = asyncio.create_task(lease.close_when_ended(), name="lease") if lease.is_socket else None
        try:
            await app(scope, lease.receive, lease.send)
        except Exception:
            if not lease.ended.is_set():
                raise
            # It was cut off in the middle of something, which it may say in any way it likes.
            log.debug("a connection that was ended took it badly", exc_info=True)
        finally:
            self._open.discard(lease)
            if expiry is not None:
                expiry.cancel()
            if closing is not None:
                closing.cancel()
                await asyncio.gather(closing, return_exceptions=True)
            await lease.finish()
        return lease.ended.is_set()


class Lease:
    """One connection."""

    def __init__(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        self.principal = principal
        self.is_socket = scope["type"] == "websocket"
        self.ended = asyncio.Event()
        self._receive = receive
        self._send = send
        self._body_read = False
        self._answering = False
        self._closed = False

    def end(self) -> None:
        """End it; nothing that the client sends from now on is read."""
        self.ended.set()

    async def close_when_ended(self) -> None:
        """Close the socket when the credential ends."""
        await self.ended.wait()
        self._closed = True
        await self._send({"type": "websocket.close", "code": CLOSE_REVOKED, "reason": WHY})

    async def receive(self) -> Message:
        """What the client sends, until the end."""
        if self._body_read and not self.ended.is_set():
            return await self._gone_or_ended()
        message = await self._receive()
        if self.ended.is_set():
            return self._goodbye()
        self._body_read = message["type"] == "http.request" and not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """What is sent to the client, until the end."""
        if self._closed:
            return
        if message["type"] == "http.response.start":
            self._answering = True
        elif message["type"] == "http.response.body":
            self._answering = message.get("more_body", False)
        await self._send(message)

    async def finish(self) -> None:
        """Say that an answer that was cut off is over."""
        if self.ended.is_set() and self._answering:
            self._answering = False
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _gone_or_ended(self) -> Message:
        # Only an answer that takes long waits for this.
        receiving = asyncio.ensure_future(self._receive())
        ending = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait((receiving, ending), return_when=asyncio.FIRST_COMPLETED)
            return self._goodbye() if self.ended.is_set() else receiving.result()
        finally:
            for task in (receiving, ending):
                task.cancel()
            await asyncio.gather(receiving, ending, return_exceptions=True)

    def _goodbye(self) -> Message:
        if self.is_socket:
            return {"type": "websocket.disconnect", "code": CLOSE_REVOKED, "reason": WHY}
        return {"type": "http.disconnect"}
