"""`WS /ws/v1/camera/{id}`: every binary message is a picture, so that the simplest camera is `ws.send(blob)`."""

import asyncio
import json
import logging
import math
from collections import deque

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from recognition.errors import RollcallError
from stream_server.api.request import services_of
from stream_server.auth import SUBPROTOCOL
from stream_server.errors import response_to
from stream_server.messages import AttendanceNotice, ErrorNotice, Faces, Hello, Pace, Shape, Welcome
from stream_server.services import Services
from stream_server.session import CameraSession

log = logging.getLogger("rollcall.websocket")
router = APIRouter()

CLOSE_POLICY = 1008
TOLD_MAX = 64
# A hello is said once; whoever says more is no camera.
TEXTS_MAX = 20
TEXT_MAX_CHARACTERS = 16 * 1024


class SocketSink:
    """The way back to a camera over its WebSocket: one slot for the newest faces, a bounded queue for the rest.

    A client that does not read for `send_timeout_s` is disconnected; until then at most the slot and the queue are
    held.
    """

    def __init__(self, socket: WebSocket, *, send_timeout_s: float = 10.0) -> None:
        self._socket = socket
        self._timeout_s = send_timeout_s
        self._faces: Faces | None = None
        self._told: deque[Shape] = deque()
        self._end: tuple[int, str] | None = None
        self._news = asyncio.Event()
        self.dropped = 0

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
                if not await self._send(message.model_dump_json()):
                    return
            if self._end is not None:
                await self._close(*self._end)
                return

    def _next(self) -> Shape | None:
        if self._told:
            return self._told.popleft()
        faces, self._faces = self._faces, None
        return faces

    async def _send(self, text: str) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._socket.send_text(text)
        except TimeoutError:
            log.warning("a camera did not read for %.0f s and is disconnected", self._timeout_s)
            return False
        except (WebSocketDisconnect, RuntimeError):
            return False
        return True

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._socket.close(code, reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return


@router.websocket("/ws/v1/camera/{camera_id}")
async def camera_socket(socket: WebSocket, camera_id: str) -> None:
    """Take pictures from a camera and send back what was seen."""
    sink = SocketSink(socket)
    try:
        services = services_of(socket)
        await services.cameras.require(camera_id)
        session = services.hub.attach(camera_id, sink)
    except RollcallError as error:
        await socket.send_denial_response(response_to(error))
        return
    try:
        await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
        sink.tell(_welcome(services, camera_id))
        await _converse(socket, services, session, sink)
    finally:
        services.hub.detach(session, sink)


async def _converse(socket: WebSocket, services: Services, session: CameraSession, sink: SocketSink) -> None:
    """Read and write until either side is done."""
    reading = asyncio.create_task(_read(socket, services, session, sink), name=f"camera-read-{session.camera_id}")
    writing = asyncio.create_task(sink.run(), name=f"camera-write-{session.camera_id}")
    try:
        await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        if reading.done() and socket.application_state is WebSocketState.CONNECTED:
            # What waits to be sent, and a reason to close, still go out.
            sink.end(1000, "")
            await asyncio.wait((writing,), timeout=1.0)
    finally:
        for task in (reading, writing):
            task.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)


async def _read(socket: WebSocket, services: Services, session: CameraSession, sink: SocketSink) -> None:
    texts = 0
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if session.sink is not sink:
            return  # a newer connection of this camera took over; its frames are the ones that count
        data = message.get("bytes")
        if data is not None:
            services.hub.offer(session, data)
            continue
        problem = _take_text(message.get("text") or "", session)
        if problem is not None:
            sink.tell(problem)
        texts += 1
        if texts >= TEXTS_MAX:
            sink.end(CLOSE_POLICY, "too many text messages; pictures are binary ones")
            return


def _take_text(text: str, session: CameraSession) -> ErrorNotice | None:
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


def _welcome(services: Services, camera_id: str) -> Welcome:
    cameras = services.settings.cameras
    return Welcome(
        camera=camera_id,
        pace_fps=round(services.sampler.pace_fps, 2),
        width_px=cameras.width_px,
        height_px=cameras.height_px,
        quality=cameras.jpeg_quality,
        max_bytes=cameras.max_frame_bytes,
        server_time=services.now(),
    )
