"""Answers that are made as they are read: bounded in time, and gone at once when they end."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from recognition.errors import UnavailableError

log = logging.getLogger("rollcall.http")

SEND_TIMEOUT_S = 60.0


class TimedStream(StreamingResponse):
    """A stream whose reader is disconnected when it takes nothing for a while. What is not finished has no end: the
    connection is broken off, also when what it is made of cannot be had any more.
    """

    def __init__(
        self,
        source: AsyncGenerator[Any, None],
        *,
        body: AsyncIterable[str | bytes] | None = None,
        send_timeout_s: float | None = None,
        media_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """`source` is closed when the stream ends; `body` is what is sent, where that is not the same."""
        super().__init__(source if body is None else body, media_type=media_type, headers=headers)
        self._source = source
        self._send_timeout_s = SEND_TIMEOUT_S if send_timeout_s is None else send_timeout_s

    def broken_off(self, error: Exception) -> None:
        """Say why the stream has no end."""
        log.warning("an answer was broken off: %s", str(error) or "its reader takes nothing")

    async def stream_response(self, send: Send) -> None:
        """Send every piece within a time limit."""

        async def send_in_time(message: dict[str, object]) -> None:
            async with asyncio.timeout(self._send_timeout_s):
                await send(message)

        await super().stream_response(send_in_time)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream until either side ends it."""
        try:
            await super().__call__(scope, receive, send)
        except* (TimeoutError, UnavailableError) as broken:
            self.broken_off(broken.exceptions[0])
        finally:
            # At once, and not when memory is tidied up: there are only so many places and connections.
            await self._source.aclose()
