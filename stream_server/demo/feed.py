"""A camera made of software: sends timed frames over the camera socket at the pace that the server asks for."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from stream_server.client import ServerAway, ServerClient

Message = dict[str, Any]

# The times of a video are rounded: a frame that comes so much before its turn is in time.
_SLACK_S = 1e-3


class CameraFeed:
    """One connected camera. Made by `open_feed`."""

    def __init__(self, connection: ClientConnection, welcome: Message) -> None:
        self.welcome = welcome
        self.pace_fps: float = welcome["pace_fps"]
        self.sent = 0
        self.skipped = 0
        self._connection = connection

    async def send(self, picture: bytes) -> None:
        """Send one encoded picture."""
        try:
            await self._connection.send(picture)
        except ConnectionClosed as error:
            raise _gone(error) from error
        self.sent += 1

    async def play(self, frames: Iterator[tuple[float, bytes]]) -> None:
        """Send frames when their time (seconds from now) has come; those beyond the pace are skipped and counted."""
        loop = asyncio.get_running_loop()
        began, due_s = loop.time(), 0.0
        while (item := await asyncio.to_thread(next, frames, None)) is not None:
            at_s, picture = item
            if at_s + _SLACK_S < due_s:
                self.skipped += 1
                continue
            due_s = max(due_s, at_s - 1.0 / self.pace_fps) + 1.0 / self.pace_fps
            await asyncio.sleep(max(0.0, began + at_s - loop.time()))
            await self.send(picture)

    async def read(self, on_message: Callable[[Message], None] | None) -> None:
        """Read what the server says until the connection ends."""
        try:
            async for text in self._connection:
                message = json.loads(text)
                if message["type"] == "pace":
                    self.pace_fps = message["pace_fps"]
                if on_message is not None:
                    on_message(message)
        except ConnectionClosed:
            return


def _gone(error: ConnectionClosed) -> ServerAway:
    close = error.rcvd or error.sent
    reason = f" ({close.code} {close.reason})" if close else ""
    return ServerAway(f"the server ended the connection{reason}", hint="is it running, and is this camera used twice?")


@asynccontextmanager
async def open_feed(
    client: ServerClient, camera: str, on_message: Callable[[Message], None] | None = None
) -> AsyncIterator[CameraFeed]:
    """Add the camera if it is new, connect it, and read its messages while the block runs."""
    await client.add_camera(camera)
    async with client.socket(f"/ws/v1/camera/{camera}") as connection:
        feed = CameraFeed(connection, json.loads(await connection.recv()))
        reading = asyncio.create_task(feed.read(on_message), name=f"feed-{camera}")
        try:
            yield feed
        finally:
            await connection.close()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
