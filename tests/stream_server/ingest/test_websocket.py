import asyncio
import json
import logging
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from starlette.websockets import WebSocketDisconnect

from recognition.pipeline import CameraState
from stream_server.ingest import websocket
from stream_server.ingest.conversation import CLOSE_POLICY, TEXTS_MAX, TOLD_MAX, take_text
from stream_server.ingest.websocket import SocketSink
from stream_server.messages.wire import AttendanceNotice, ErrorNotice, Faces, Pace, PersonRef
from stream_server.session import CameraSession

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Socket:
    """A client that reads when it is let, and sends what it was given."""

    def __init__(self, *incoming: dict[str, Any]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = False
        self.being_sent = asyncio.Event()
        self._incoming = iter(incoming)

    async def send_text(self, text: str) -> None:
        if self.gone:
            raise WebSocketDisconnect(1006)
        self.being_sent.set()
        await self.reads.wait()
        self.sent.append(json.loads(text))

    async def close(self, code: int, reason: str) -> None:
        await self.reads.wait()
        self.closed = (code, reason)

    async def receive(self) -> dict[str, Any]:
        return next(self._incoming, {"type": "websocket.disconnect"})


def faces(frame: int) -> Faces:
    return Faces(frame=frame, captured_at=NOW, width_px=4, height_px=3, faces=(), received=frame, dropped=0)


def attendance() -> AttendanceNotice:
    return AttendanceNotice(
        event_id=9,
        attendance_id=UUID(int=1),
        session_id=UUID(int=2),
        person=PersonRef(id=UUID(int=3), name="Ada"),
        status="present",
        method="face",
        first_seen=NOW,
        camera="door",
    )


def sink_of(socket: Socket, **options: Any) -> SocketSink:
    return SocketSink(socket, **options)  # type: ignore[arg-type]


async def finish(sink: SocketSink) -> None:
    async with asyncio.timeout(10):
        await sink.run()


async def test_only_the_newest_faces_wait_for_a_reader_who_is_busy() -> None:
    socket = Socket()
    socket.reads.clear()
    sink = sink_of(socket)
    running = asyncio.create_task(finish(sink))
    sink.show(faces(1))
    await socket.being_sent.wait()
    for frame in range(2, 50):
        sink.show(faces(frame))
    socket.reads.set()
    sink.end(1000, "")
    await running
    assert [message["frame"] for message in socket.sent] == [1, 49]
    assert sink.dropped == 47


async def test_what_must_not_be_lost_goes_before_faces_and_in_order() -> None:
    socket = Socket()
    sink = sink_of(socket)
    sink.show(faces(1))
    sink.tell(Pace(pace_fps=2.0))
    sink.tell(attendance())
    sink.end(1000, "")
    await finish(sink)
    assert [message["type"] for message in socket.sent] == ["pace", "attendance", "faces"]


async def test_the_queue_is_bounded_and_drops_the_oldest() -> None:
    socket = Socket()
    sink = sink_of(socket)
    for number in range(TOLD_MAX + 10):
        sink.tell(ErrorNotice(code="image_truncated", detail="", frame=number))
    sink.end(1000, "")
    await finish(sink)
    assert [message["frame"] for message in socket.sent] == list(range(10, TOLD_MAX + 10))
    assert sink.dropped == 10


async def test_a_client_that_does_not_read_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    socket = Socket()
    socket.reads.clear()
    sink = sink_of(socket, send_timeout_s=0.01)
    sink.show(faces(1))
    await finish(sink)
    assert socket.sent == []
    assert "did not read" in caplog.text


async def test_a_client_that_does_not_read_the_end_is_given_up_too() -> None:
    socket = Socket()
    socket.reads.clear()
    sink = sink_of(socket, send_timeout_s=0.01)
    sink.end(1001, "the server stops")
    await finish(sink)
    assert socket.closed is None


async def test_a_client_that_has_vanished_ends_the_writing_without_an_error() -> None:
    socket = Socket()
    socket.gone = True
    sink = sink_of(socket)
    sink.show(faces(1))
    await finish(sink)


async def test_the_end_comes_after_what_waits_and_its_first_reason_counts() -> None:
    socket = Socket()
    sink = sink_of(socket)
    sink.tell(ErrorNotice(code="bad_json", detail="no JSON"))
    sink.end(CLOSE_POLICY, "too many")
    sink.end(1000, "")
    sink.tell(attendance())
    await finish(sink)
    assert [message["type"] for message in socket.sent] == ["error", "attendance"]
    assert socket.closed == (CLOSE_POLICY, "too many")


def session_with(sink: object = None) -> CameraSession:
    return CameraSession("door", CameraState(), sink=sink)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_json"),
        ("hello", "bad_json"),
        ("{", "bad_json"),
        ("[" * 10_000, "bad_json"),
        ("1" * 10_000, "bad_json"),
        ("null", "bad_message"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        ('{"type": "goodbye"}', "bad_message"),
        ('{"type": "hello", "max_fps": 0}', "bad_message"),
        ('{"type": "hello", "max_fps": NaN}', "bad_message"),
        ('{"type": "hello", "faces": "perhaps"}', "bad_message"),
        ('{"type": "hello", "client": "\\ud800"}', "bad_message"),
        (json.dumps({"type": "hello", "client": "x" * 201}), "bad_message"),
    ],
)
def test_a_text_that_is_no_message_is_an_error_that_says_so(text: str, code: str) -> None:
    session = session_with()
    problem = take_text(text, session)
    assert problem is not None
    assert problem.code == code
    assert problem.detail
    assert problem.hint
    assert len(problem.model_dump_json()) < 1000
    assert session.wants_faces


@pytest.mark.parametrize(
    ("hello", "wants_faces"),
    [
        ({"type": "hello"}, True),
        ({"type": "hello", "client": "phone 1.2", "max_fps": 15, "faces": False}, False),
        ({"type": "hello", "faces": True, "of_a_later_version": {"a": [1]}}, True),
    ],
)
def test_a_hello_says_what_the_camera_wants(hello: dict[str, Any], wants_faces: bool) -> None:
    session = session_with()
    assert take_text(json.dumps(hello), session) is None
    assert session.wants_faces is wants_faces


def test_a_client_cannot_write_lines_of_its_own_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hello = {"type": "hello", "client": "phone\n2026-01-01 CRITICAL all is lost\x1b[2J\u2028é"}
    assert take_text(json.dumps(hello), session_with()) is None
    (record,) = caplog.records
    assert record.getMessage().isprintable()


class Hub:
    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def offer(self, session: CameraSession, payload: bytes) -> None:
        self.frames.append(payload)


class Told(list[Any]):
    """A sink that only notes."""

    tell = list.append
    ended: tuple[int, str] | None = None

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)


def binary(data: bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": data, "text": None}


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes": None, "text": data}


async def read(socket: Socket, hub: Hub, session: CameraSession, sink: Told) -> None:
    services: Any = SimpleNamespace(hub=hub)
    async with asyncio.timeout(10):
        await websocket._read(socket, services, session, sink)  # type: ignore[arg-type]


async def test_every_binary_message_is_a_frame_and_errors_in_texts_do_not_end_the_connection() -> None:
    hub, sink = Hub(), Told()
    messages = (binary(b"1"), text("?"), binary(b"2"), text('{"type": "hello"}'), binary(b""))
    await read(Socket(*messages), hub, session_with(sink), sink)
    assert hub.frames == [b"1", b"2", b""]
    assert [message.code for message in sink] == ["bad_json"]
    assert sink.ended is None


async def test_a_client_that_only_sends_nonsense_is_closed() -> None:
    hub, sink = Hub(), Told()
    await read(Socket(*[text("?")] * 100, binary(b"1")), hub, session_with(sink), sink)
    assert len(sink) == TEXTS_MAX
    assert sink.ended is not None
    assert sink.ended[0] == CLOSE_POLICY
    assert hub.frames == []


async def test_a_connection_that_was_replaced_is_no_longer_listened_to() -> None:
    hub, sink, newer = Hub(), Told(), Told()
    session = session_with(newer)
    await read(Socket(binary(b"1"), text('{"type": "hello", "faces": false}')), hub, session, sink)
    assert hub.frames == []
    assert session.wants_faces
