"""uvicorn's HTTP protocol with deadlines: who does not send a whole request in time is disconnected.

uvicorn closes a connection that is idle between requests, but waits for ever for a first byte, the rest of a header or
the rest of a body. A few hundred such connections would use up the limit on connections, and with it the server.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class DeadlineProtocol(HttpToolsProtocol):
    """One connection. The deadlines are in seconds."""

    header_s: ClassVar[float] = 10.0
    body_s: ClassVar[float] = 60.0

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the header of the first request."""
        super().connection_made(transport)
        self._within(self.header_s)

    def on_message_begin(self) -> None:
        """Wait for the rest of a header whose first byte has come."""
        super().on_message_begin()
        self._within(self.header_s)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        super().on_headers_complete()
        self._within(self.body_s)

    def on_message_complete(self) -> None:
        """The request is whole; the answer may take as long as it likes."""
        super().on_message_complete()
        self._within(None)

    def handle_websocket_upgrade(self) -> None:
        """From here on the connection is another protocol's."""
        self._within(None)
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._within(None)
        super().connection_lost(exc)

    def _within(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
