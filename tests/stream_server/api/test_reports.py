"""What becomes of a report that cannot be finished."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from storage.errors import StorageUnavailable
from stream_server.api.reports import ReportStream
from stream_server.reports.making import Format

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


class Pieces:
    """A report of two pieces that remembers whether it was closed."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.closed = False
        self.failure = failure

    async def made(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"second"
            if self.failure is not None:
                raise self.failure
            yield b"last"
        finally:
            self.closed = True


async def respond(pieces: Pieces, send: Send) -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET", "headers": []}
    await ReportStream(b"first", pieces.made(), Format.CSV, "attendance")(scope, receive, send)  # type: ignore[arg-type]


class Reader:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def whole(self) -> bool:
        return self.messages[-1]["type"] == "http.response.body" and not self.messages[-1].get("more_body", False)


async def test_a_whole_report_has_an_end() -> None:
    pieces, reader = Pieces(), Reader()
    await respond(pieces, reader.take)
    assert reader.body == b"firstsecondlast"
    assert reader.whole
    assert pieces.closed


async def test_a_report_whose_database_goes_away_never_looks_whole() -> None:
    pieces, reader = Pieces(StorageUnavailable("it is away")), Reader()
    await respond(pieces, reader.take)
    assert reader.body == b"firstsecond"
    assert not reader.whole
    assert pieces.closed
