import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from storage.errors import StorageUnavailable
from stream_server.api import timed_stream
from stream_server.api.timed_stream import TimedStream


class Source:
    def __init__(self, failure: Exception | None = None) -> None:
        self.closed = False
        self.failure = failure

    async def made(self) -> AsyncGenerator[str, None]:
        try:
            yield "first"
            if self.failure is not None:
                raise self.failure
            yield "last"
        finally:
            self.closed = True


class Reader:
    def __init__(self, *, takes: int = 100) -> None:
        self.takes = takes
        self.messages: list[dict[str, Any]] = []

    async def take(self, message: Any) -> None:
        self.messages.append(message)
        if len(self.messages) >= self.takes:
            await asyncio.Event().wait()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def whole(self) -> bool:
        return self.messages[-1]["type"] == "http.response.body" and not self.messages[-1].get("more_body", False)


async def respond(source: Source, reader: Reader) -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET", "headers": []}
    async with asyncio.timeout(20):
        await TimedStream(source.made(), media_type="text/plain")(scope, receive, reader.take)


async def test_a_whole_answer_has_an_end() -> None:
    source, reader = Source(), Reader()
    await respond(source, reader)
    assert (reader.body, reader.whole, source.closed) == (b"firstlast", True, True)


async def test_what_cannot_be_finished_never_looks_whole_and_is_told_in_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, reader = Source(StorageUnavailable("it is away")), Reader()
    await respond(source, reader)
    assert (reader.body, reader.whole, source.closed) == (b"first", False, True)
    assert [record.getMessage() for record in caplog.records] == ["an answer was broken off: it is away"]
    assert caplog.records[0].exc_info is None


async def test_a_defect_is_not_hidden() -> None:
    source = Source(ZeroDivisionError())
    with pytest.raises((ZeroDivisionError, ExceptionGroup)):
        await respond(source, Reader())
    assert source.closed


async def test_who_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(timed_stream, "SEND_TIMEOUT_S", 0.05)
    source, reader = Source(), Reader(takes=2)
    await respond(source, reader)
    assert (len(reader.messages), reader.whole, source.closed) == (2, False, True)
    assert "its reader takes nothing" in caplog.text
