import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from recognition.errors import RequestError
from stream_server.demo.feed import CameraFeed

# Frames come this much faster than in life, so that nobody waits; only their order in time matters.
HASTE = 1e-4


class Connection:
    """A server that notes what it gets and says what it was given."""

    def __init__(self, *messages: dict[str, Any], breaks: bool = False) -> None:
        self.got: list[bytes] = []
        self._messages = messages
        self._breaks = breaks

    async def send(self, picture: bytes) -> None:
        self.got.append(picture)

    async def __aiter__(self) -> AsyncIterator[str]:
        for message in self._messages:
            yield json.dumps(message)
        if self._breaks:
            raise ConnectionClosedError(None, None)


def feed(connection: Connection, pace_fps: float) -> CameraFeed:
    return CameraFeed(connection, {"type": "welcome", "pace_fps": pace_fps})  # type: ignore[arg-type]


def video(frames: int, fps: float) -> Iterator[tuple[float, bytes]]:
    for number in range(frames):
        yield number / fps * HASTE, str(number).encode()


@pytest.mark.parametrize(
    ("video_fps", "pace_fps", "every"), [(30, 30, 1), (30, 10, 3), (30, 5, 6), (25, 5, 5), (4, 5, 1), (30, 1, 30)]
)
async def test_frames_beyond_the_pace_are_skipped_evenly(
    video_fps: int, pace_fps: float, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_server.demo.feed._SLACK_S", 1e-3 * HASTE)
    connection = Connection()
    camera = feed(connection, pace_fps / HASTE)
    await camera.play(video(90, video_fps))
    assert [int(picture) for picture in connection.got] == list(range(0, 90, every))
    assert (camera.sent, camera.skipped) == (len(connection.got), 90 - len(connection.got))


async def test_a_pace_that_the_server_changes_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_server.demo.feed._SLACK_S", 1e-3 * HASTE)
    connection = Connection()
    camera = feed(connection, 10 / HASTE)

    def frames() -> Iterator[tuple[float, bytes]]:
        for number, item in enumerate(video(120, 30)):
            if number == 60:
                camera.pace_fps = 2 / HASTE
            yield item

    await camera.play(frames())
    numbers = [int(picture) for picture in connection.got]
    assert [number for number in numbers if number < 60] == list(range(0, 60, 3))
    assert [number for number in numbers if number >= 60] == [60, 75, 90, 105]


async def test_messages_are_handed_on_and_a_new_pace_is_taken_over() -> None:
    heard: list[dict[str, Any]] = []
    camera = feed(Connection({"type": "faces", "faces": []}, {"type": "pace", "pace_fps": 2.5}), 5.0)
    await camera.read(heard.append)
    assert [message["type"] for message in heard] == ["faces", "pace"]
    assert camera.pace_fps == 2.5


async def test_reading_ends_quietly_when_the_connection_breaks() -> None:
    camera = feed(Connection({"type": "pace", "pace_fps": 1.0}, breaks=True), 5.0)
    await camera.read(None)
    assert camera.pace_fps == 1.0


async def test_a_video_that_breaks_off_is_an_error_of_the_player() -> None:
    def frames() -> Iterator[tuple[float, bytes]]:
        yield 0.0, b"first"
        raise RequestError("the video is damaged")

    connection = Connection()
    camera = feed(connection, 5.0)
    with pytest.raises(RequestError, match="damaged"):
        async with asyncio.timeout(10):
            await camera.play(frames())
    assert connection.got == [b"first"]
