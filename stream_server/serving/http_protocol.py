"""uvicorn's HTTP protocol with deadlines and sizes: who does not send a whole request in time is disconnected.

uvicorn closes a connection that is idle between requests, but waits for ever for a first byte, the rest of a header or
the rest of a body, and takes headers of any size. A few such connections would use up the server's places or memory.
"""

import asyncio
from typing import Any, ClassVar

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from stream_server.access.door import STATE_KEY, Door
from stream_server.errors import problem_response, response_to
from stream_server.serving.connections import TURNED_AWAY_MAX, Admission

# What is parsed at once: so much more than the limit may come in before it is noticed.
_PIECE_BYTES = 16 * 1024


class _TooMuchError(Exception):
    """Ends the parsing; what the peer is told is kept beside it."""


class DeadlineProtocol(HttpToolsProtocol):
    """One connection. The deadlines are in seconds.

    Without an `admission` every connection is served.
    """

    header_s: ClassVar[float] = 10.0
    body_s: ClassVar[float] = 60.0
    # A peer that was answered before it had sent its whole body may go on so long, so that it reads the answer.
    linger_s: ClassVar[float] = 5.0
    turned_away_s: ClassVar[float] = 2.0
    url_max_bytes: ClassVar[int] = 8 * 1024
    # The same for the address and header of a request, for its trailers, and for what stands between chunks of a body.
    header_max_bytes: ClassVar[int] = 64 * 1024
    headers_max: ClassVar[int] = 200
    ahead_max: ClassVar[int] = 16

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        admission: Admission | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._admission = admission
        self._served: ASGIApp = self.app
        self.app = self._serve
        self._deadline: asyncio.TimerHandle | None = None
        self._turned_away: JSONResponse | None = None
        self._problem: JSONResponse | None = None
        self._in_header = False
        self._handed_on = False
        self._header_bytes = 0
        # Bytes since anything of use came: a whole header, some of a body, the end of a message.
        self._idle_bytes = 0
        self._was_of_use = False
        # Whether the answer that is being sent is the connection's last.
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the header of the first request, if there is room for the connection."""
        others = tuple(self.connections)
        super().connection_made(transport)
        if self._admission is not None:
            by_tunnel = self.app_state.get(STATE_KEY) is Door.TUNNEL
            refusal = self._admission.refusal(self.client, others, by_tunnel=by_tunnel)
            if refusal is not None:
                self.connections.discard(self)
                if len(self._admission.turned_away) >= TURNED_AWAY_MAX:
                    transport.abort()
                    return
                self._admission.turned_away.add(self)
                self._within(self.turned_away_s)
                self._turned_away = response_to(refusal)
                return
        self._within(self.header_s)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, as long as it is of a size that is taken."""
        whole = memoryview(data)
        for start in range(0, len(whole), _PIECE_BYTES):
            if self._handed_on or self.transport.is_closing():
                return
            piece = whole[start : start + _PIECE_BYTES]
            self._was_of_use = False
            super().data_received(piece)  # type: ignore[arg-type]
            self._idle_bytes = 0 if self._was_of_use else self._idle_bytes + len(piece)
            if self._idle_bytes > self.header_max_bytes and not self.transport.is_closing():
                self._refuse(_header_too_large())

    def on_message_begin(self) -> None:
        """Wait for the rest of a header whose first byte has come."""
        super().on_message_begin()
        self._in_header = True
        self._header_bytes = 0
        self._within(self.header_s)

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        if len(self.url) + len(url) > self.url_max_bytes:
            self._stop(
                problem_response(414, "uri_too_long", "the address is too long", "send what is long in the body")
            )
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are read and forgotten, nothing here has a use for them."""
        if not self._in_header:
            return
        self._header_bytes += len(name) + len(value) + len(": \r\n")
        if self._header_bytes > self.header_max_bytes or len(self.headers) >= self.headers_max:
            self._stop(_header_too_large())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        if len(self.pipeline) >= self.ahead_max:
            self._stop(problem_response(400, "bad_request", "too many requests were sent ahead", "wait for answers"))
        self._in_header = False
        self._was_of_use = True
        super().on_headers_complete()
        self._within(self.body_s)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._was_of_use = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; the answer may take as long as it likes."""
        self._was_of_use = True
        super().on_message_complete()
        self._within(None)
        if self._is_last and self.cycle.response_complete:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request, or end a connection that was told so."""
        super().on_response_complete()
        if not self._is_last or self.transport.is_closing():
            return
        if self.cycle.more_body:
            # Closed now, the kernel would throw away the answer with the rest of the body.
            self._within(self.linger_s)
        else:
            self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """From here on the connection is another protocol's."""
        self._handed_on = True
        self._within(None)
        if self._turned_away is not None:
            self._refuse(self._turned_away)
        else:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Say what was wrong with the request, and end the connection."""
        self._refuse(self._problem or problem_response(400, "bad_request", "this is no request by HTTP/1.1"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if self._admission is not None:
            self._admission.turned_away.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Who still owes the body of a request that is answered is told that this was the last."""

        async def send_on(message: Message) -> None:
            cycle = self.cycle
            if message["type"] != "http.response.start" or cycle.scope is not scope:
                await send(message)
                return
            self._is_last = cycle.more_body or self._turned_away is not None
            if self._is_last:
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)
            if self._is_last:
                cycle.keep_alive = True  # uvicorn would close at once; `on_response_complete` does it in its time

        await (self._turned_away or self._served)(scope, receive, send_on)

    def _stop(self, problem: JSONResponse) -> None:
        self._problem = problem
        raise _TooMuchError

    def _refuse(self, problem: JSONResponse) -> None:
        """Answer what is not even a request, and end the connection."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (self._in_header or cycle.response_started):
            self.transport.abort()  # another answer is under way, and answers come in order
            return
        headers = [*problem.raw_headers, (b"connection", b"close")]
        lines = [STATUS_LINE[problem.status_code], *(name + b": " + value + b"\r\n" for name, value in headers)]
        self.transport.write(b"".join((*lines, b"\r\n", bytes(problem.body))))
        self.transport.close()

    def _within(self, seconds: float | None) -> None:
        if self._turned_away is not None:
            return  # its time is up when it is up
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


def _header_too_large() -> JSONResponse:
    return problem_response(
        431,
        "request_header_fields_too_large",
        "the header of the request is too large",
        "send fewer cookies or headers",
    )
