"""What a camera and the server say to each other besides pictures, the same over every transport that carries text."""

import asyncio
import json
import logging
import math
from abc import ABC, abstractmethod
from collections import deque
from datetime import datetime

from pydantic import ValidationError

from stream_server.messages.wire import AttendanceNotice, ErrorNotice, Faces, Hello, Pace, Shape, Welcome
from stream_server.session import CameraSession
from stream_server.settings import CameraSettings

log = logging.getLogger("rollcall.camera")

CLOSE_POLICY = 1008
TOLD_MAX = 64
# A hello is said once; whoever says more is no camera.
TEXTS_MAX = 20
TEXT_MAX_CHARACTERS = 16 * 1024


class QueuedSink(ABC):
    """The way back to a camera: one slot for the newest faces, a bounded queue for the rest.

    A client that does not read for `send_timeout_s` is disconnected; until then at most the slot and the queue are
    held.
    """

    def __init__(self, *, send_timeout_s: float = 10.0) -> None:
        self._timeout_s = send_timeout_s
        self._faces: Faces | None = None
        self._told: deque[Shape] = deque()
        self._end: tuple[int, str] | None = None
        self._news = asyncio.Event()
        self.dropped = 0

    @property
    def ending(self) -> tuple[int, str] | None:
        """Code and reason of the end that was called for."""
        return self._end

    def show(self, faces: Faces) -> None:
        """Send the faces of a frame, unless newer ones come first."""
        self.dropped += self._faces is not None
        self._faces = faces
        self._news.set()

    def tell(self, message: Welcome | Pace | AttendanceNotice | ErrorNotice) -> None:
        """Send a message; when too many wait, the oldest is dropped."""
        if len(self._told) >= TOLD_MAX:
            self._told.popleft()
            self.dropped += 1
        self._told.append(message)
        self._news.set()

    def end(self, code: int, reason: str) -> None:
        """Close the connection after what waits is sent."""
        self._end = self._end or (code, reason)
        self._news.set()

    async def run(self) -> None:
        """Send what comes until the end is called for or the client is too slow."""
        while True:
            await self._news.wait()
            self._news.clear()
            while (message := self._next()) is not None:
                try:
                    async with asyncio.timeout(self._timeout_s):
                        if not await self._send(message.model_dump_json()):
                            return
                except TimeoutError:
                    log.warning("a camera did not read for %.0f s and is disconnected", self._timeout_s)
                    return
            if self._end is not None:
                try:
                    async with asyncio.timeout(self._timeout_s):
                        await self._close(*self._end)
                except TimeoutError:
                    pass
                return

    @abstractmethod
    async def _send(self, text: str) -> bool:
        """Send a text, when there is room for it; False when the client is gone."""

    @abstractmethod
    async def _close(self, code: int, reason: str) -> None:
        """Say why, and close."""

    def _next(self) -> Shape | None:
        if self._told:
            return self._told.popleft()
        faces, self._faces = self._faces, None
        return faces


def take_text(text: str, session: CameraSession) -> ErrorNotice | None:
    """Take a text message of a camera; returns what was wrong with it."""
    if len(text) > TEXT_MAX_CHARACTERS:
        return ErrorNotice(
            code="bad_message",
            detail=f"a text message has {len(text):,} characters; {TEXT_MAX_CHARACTERS:,} are taken",
            hint="send pictures as binary messages",
        )
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ErrorNotice(
            code="bad_json",
            detail="a text message is no JSON",
            hint="send pictures as binary messages, and nothing else if you like",
        )
    try:
        hello = Hello.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        return ErrorNotice(
            code="bad_message",
            detail=f"{where}: {first['msg']}",
            hint="docs/reference/websocket.md lists the messages",
        )
    session.wants_faces = hello.faces
    session.max_fps = hello.max_fps or math.inf
    # Escaped, so that nobody can write lines of their own into the log.
    log.info("camera %s is %s", session.camera_id, ascii(hello.client)[1:-1] or "unnamed")
    return None


def welcome(cameras: CameraSettings, camera_id: str, *, pace_fps: float, now: datetime) -> Welcome:
    """The first message to a camera."""
    return Welcome(
        camera=camera_id,
        pace_fps=round(pace_fps, 2),
        width_px=cameras.width_px,
        height_px=cameras.height_px,
        quality=cameras.jpeg_quality,
        max_bytes=cameras.max_frame_bytes,
        server_time=now,
    )
