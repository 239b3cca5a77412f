"""A line for every request that has ended, where the operator wants it (ROLLCALL_LOG__ACCESS).

It names the route and not the address: addresses carry ids of people, and queries whatever was searched for.
"""

import logging
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_server.access.rights import SOCKET, asked_for

log = logging.getLogger("rollcall.requests")


class AccessLog:
    """ASGI middleware: method, route, status and duration of each request; a socket when it has closed."""

    def __init__(self, app: ASGIApp, *, mono: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._mono = mono

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log its end."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began, status = self._mono(), 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            rule = asked_for(scope).rule
            method = SOCKET if scope["type"] == "websocket" else scope["method"]
            route = "(nothing there)" if rule is None else rule.path
            took_ms = round((self._mono() - began) * 1e3, 1)
            log.info(
                "%s %s %d in %.1f ms",
                method,
                route,
                status,
                took_ms,
                extra={"fields": {"method": method, "route": route, "status": status, "duration_ms": took_ms}},
            )
