"""`WS /ws/v1/camera/{id}`: every binary message is a picture, so that the simplest camera is `ws.send(blob)`."""

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from recognition.errors import RollcallError, UnavailableError
from stream_server.access.auth import SUBPROTOCOL
from stream_server.api.request import services_of
from stream_server.errors import response_to
from stream_server.ingest.conversation import CLOSE_POLICY, TEXTS_MAX, QueuedSink, take_text, welcome
from stream_server.messages.wire import ErrorNotice
from stream_server.services import Services
from stream_server.session import CameraSession
from stream_server.telemetry.log_context import about

CLOSE_TRY_AGAIN = 1013

router = APIRouter()


class SocketSink(QueuedSink):
    """The way back to a camera over its WebSocket."""

    def __init__(self, socket: WebSocket, *, send_timeout_s: float = 10.0) -> None:
        super().__init__(send_timeout_s=send_timeout_s)
        self._socket = socket

    async def _send(self, text: str) -> bool:
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError):
            return False
        return True

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(code, reason)


@router.websocket("/ws/v1/camera/{camera_id}")
async def camera_socket(socket: WebSocket, camera_id: str) -> None:
    """Take pictures from a camera and send back what was seen."""
    sink = SocketSink(socket)
    try:
        services = services_of(socket)
        await services.cameras.require(camera_id)
        with about(camera_id=camera_id):
            session = services.hub.attach(camera_id, sink)
    except RollcallError as error:
        if isinstance(error, UnavailableError) and "origin" in socket.headers:
            await _say_why(socket, error)
        else:
            await socket.send_denial_response(response_to(error))
        return
    with about(camera_id=camera_id):
        await _serve(socket, services, session, sink)


async def _say_why(socket: WebSocket, error: UnavailableError) -> None:
    """Refuse a page: browsers keep the answer to a handshake from it, so it is told what the others read there."""
    notice = ErrorNotice(code=error.code, detail=error.detail, hint=error.hint)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await _accept(socket)
        await socket.send_text(notice.model_dump_json())
        await socket.close(CLOSE_TRY_AGAIN, error.code)


async def _accept(socket: WebSocket) -> None:
    await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)


async def _serve(socket: WebSocket, services: Services, session: CameraSession, sink: SocketSink) -> None:
    try:
        await _accept(socket)
        pace_fps = services.sampler.pace_fps
        sink.tell(welcome(services.settings.cameras, session.camera_id, pace_fps=pace_fps, now=services.now()))
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
        problem = take_text(message.get("text") or "", session)
        if problem is not None:
            sink.tell(problem)
        texts += 1
        if texts >= TEXTS_MAX:
            sink.end(CLOSE_POLICY, "too many text messages; pictures are binary ones")
            return
