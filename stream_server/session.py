"""Camera sessions: what belongs to a camera while it streams, whatever transport it comes by.

A session outlives its connection by a while, so that a camera that comes back is the same camera with the same
tracks. The newest connection of a camera is the one that counts; an older one is told so and closed.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from recognition.errors import ImageError, RollcallError, UnavailableError
from recognition.gallery import Gallery
from recognition.pipeline import CameraState, Recogniser
from recognition.types import FaceResult, FaceState, Frame, FrameResult, ImageBgr, Sighting
from stream_server.camera_sink import CameraSink as CameraSink
from stream_server.executor import RecognitionExecutor
from stream_server.messages.wire import AttendanceNotice, ErrorNotice, Event, Face, Faces, Pace, PersonRef
from stream_server.people.unknown_faces import UnknownSighting
from stream_server.sampler import FrameCounts, FrameEnd, Sampler
from stream_server.telemetry.log_context import about

log = logging.getLogger("rollcall.session")

CLOSE_REMOVED = 4404
CLOSE_REPLACED = 4409
LINGER_S = 30.0


class TooManyCameras(UnavailableError):
    """No room for one more camera."""

    code = "too_many_cameras"


class MemoryFull(UnavailableError):
    """One more camera might cost the server its life."""

    code = "memory_full"


class KnownPeople(Protocol):
    """The enrolled people."""

    @property
    def gallery(self) -> Gallery:
        """Their templates."""

    def name(self, person_id: str) -> str | None:
        """A person's name; None when the person is no longer enrolled."""


class CodeReader(Protocol):
    """Looks for QR codes in frames."""

    def wants(self, frame: Frame) -> bool:
        """Whether to look at this frame; called on the event loop."""

    def read(self, frame: Frame) -> None:
        """Look at a frame; called in a recognition thread."""


@dataclass(slots=True)
class CameraSession:
    """One camera that streams, or did a moment ago."""

    camera_id: str
    state: CameraState
    sink: CameraSink | None = None
    sequence: int = 0
    told_pace_fps: float = 0.0
    wants_faces: bool = True
    max_fps: float = math.inf
    forget: asyncio.TimerHandle | None = field(default=None, repr=False)
    in_view: int = 0
    looked_at_mono: float | None = None


class CameraHub:
    """All camera sessions, and the lanes that carry their frames through recognition."""

    def __init__(
        self,
        *,
        sampler: Sampler,
        executor: RecognitionExecutor,
        people: KnownPeople,
        record: Callable[[Sighting], None],
        make_state: Callable[[], CameraState],
        now: Callable[[], datetime],
        record_unknown: Callable[[UnknownSighting], None] = lambda _: None,
        frame_deadline_s: float = 1.0,
        max_cameras: int = 64,
        linger_s: float = LINGER_S,
        review: Callable[[FaceResult, Frame], None] | None = None,
        codes: CodeReader | None = None,
        measure: Callable[[Frame, FrameResult, float], None] = lambda _frame, _result, _waited_s: None,
        seen: Callable[[Frame, FrameResult], None] = lambda _frame, _result: None,
    ) -> None:
        self._measure = measure
        self._sampler = sampler
        self._executor = executor
        self._people = people
        self._record = record
        self._record_unknown = record_unknown
        self._make_state = make_state
        self._now = now
        self._frame_deadline_s = frame_deadline_s
        self._max_cameras = max_cameras
        self._linger_s = linger_s
        self._review = review
        self._codes = codes
        self._seen = seen
        self._sessions: dict[str, CameraSession] = {}
        self._work = asyncio.Event()
        self.messages_dropped = 0
        # Why no camera is taken besides those that stream, and lost their connection a moment ago.
        self.refuse_new: str | None = None
        self.refused = 0

    @property
    def max_cameras(self) -> int:
        """How many may stream at one time."""
        return self._max_cameras

    @max_cameras.setter
    def max_cameras(self, count: int) -> None:
        self._max_cameras = count  # those above it stay

    @property
    def connected(self) -> int:
        """Cameras with a connection."""
        return sum(session.sink is not None for session in self._sessions.values())

    def is_connected(self, camera_id: str) -> bool:
        """Whether this camera has a connection."""
        session = self._sessions.get(camera_id)
        return session is not None and session.sink is not None

    def counts(self, camera_id: str) -> FrameCounts | None:
        """What became of this camera's frames since it connected; None when it is not connected."""
        return self._sampler.counts(camera_id) if self.is_connected(camera_id) else None

    def all_counts(self) -> dict[str, FrameCounts]:
        """What became of the frames of each camera that is connected."""
        return {
            session.camera_id: self._sampler.counts(session.camera_id)
            for session in self._sessions.values()
            if session.sink is not None
        }

    def view(self, camera_id: str) -> tuple[int, float] | None:
        """Faces in the last picture of a camera that was looked at, and how many seconds ago; None without one."""
        session = self._sessions.get(camera_id)
        if session is None or session.sink is None or session.looked_at_mono is None:
            return None
        return session.in_view, time.monotonic() - session.looked_at_mono

    def check_room(self, camera_id: str) -> None:
        """TooManyCameras or MemoryFull when there is no room for this camera."""
        if camera_id in self._sessions:
            return
        if self.refuse_new is not None:
            self.refused += 1
            raise MemoryFull(self.refuse_new, hint="end another camera, or give the server more memory")
        if self.connected >= self._max_cameras:
            self.refused += 1
            raise TooManyCameras(
                f"{self._max_cameras} cameras are streaming already",
                hint="raise ROLLCALL_CAMERAS__MAX_CAMERAS",
            )

    def attach(self, camera_id: str, sink: CameraSink) -> CameraSession:
        """Connect a camera. Raises as `check_room` does."""
        self.check_room(camera_id)
        session = self._sessions.get(camera_id)
        if session is None:
            if len(self._sessions) >= self._max_cameras:
                self._forget_one_idle()
            session = self._sessions[camera_id] = CameraSession(camera_id, self._make_state())
        if session.forget is not None:
            session.forget.cancel()
            session.forget = None
        if session.sink is not None:
            session.sink.end(CLOSE_REPLACED, "another connection of this camera took over")
        session.sink = sink
        session.wants_faces, session.max_fps = True, math.inf  # until this connection says otherwise
        session.looked_at_mono = None
        self._sampler.add(camera_id)
        session.told_pace_fps = self._sampler.pace_fps
        log.info("camera %s connected", camera_id)
        return session

    def detach(self, session: CameraSession, sink: CameraSink) -> None:
        """Say that a connection has ended."""
        if session.sink is not sink:
            return  # replaced meanwhile
        session.sink = None
        self.messages_dropped += sink.dropped
        session.forget = asyncio.get_running_loop().call_later(self._linger_s, self._forget, session)
        log.info("camera %s left: %s", session.camera_id, self._sampler.counts(session.camera_id).as_dict())
        self._sampler.remove(session.camera_id)  # who is away has no share in the pace

    def offer(self, session: CameraSession, payload: bytes | ImageBgr) -> None:
        """Take a frame from a connected camera."""
        session.sequence += 1
        frame = Frame(session.camera_id, session.sequence, payload, self._now(), time.monotonic())
        if self._sampler.offer(frame):
            self._work.set()

    def wanted_in_s(self, session: CameraSession) -> float:
        """Seconds until a frame of a connected camera is worth preparing; 0 when it is so now."""
        return self._sampler.wanted_in_s(session.camera_id, time.monotonic())

    def skipped(self, session: CameraSession, frames: int) -> None:
        """Count frames of a connected camera that came before one was wanted."""
        self._sampler.skipped(session.camera_id, frames)

    def on_event(self, event: Event) -> None:
        """Tell the camera that saw somebody that the person is marked."""
        if event.type != "attendance.marked":
            return
        session = self._sessions.get(event.data.get("camera") or "")
        if session is not None and session.sink is not None:
            session.sink.tell(AttendanceNotice(event_id=event.id, **event.data))

    async def run(self) -> None:
        """Carry frames through recognition, for ever: as many lanes as there are threads."""
        async with asyncio.TaskGroup() as lanes:
            for number in range(self._executor.threads):
                lanes.create_task(self._lane(), name=f"recognition-lane-{number}")

    def end_camera(self, camera_id: str) -> None:
        """Close the connection of a camera that was removed, and forget its tracks."""
        session = self._sessions.pop(camera_id, None)
        if session is None:
            return
        if session.forget is not None:
            session.forget.cancel()
        sink, session.sink = session.sink, None  # from now on its frames do not count
        if sink is not None:
            self.messages_dropped += sink.dropped
            self._sampler.remove(camera_id)
            sink.end(CLOSE_REMOVED, "the camera was removed")
            log.info("camera %s was removed", camera_id)

    def end_all(self, code: int, reason: str) -> None:
        """Close every connection, because the server stops."""
        for session in self._sessions.values():
            if session.sink is not None:
                session.sink.end(code, reason)
            if session.forget is not None:
                session.forget.cancel()

    async def _lane(self) -> None:
        while True:
            frame = self._sampler.take(time.monotonic())
            if frame is None:
                self._work.clear()
                await self._work.wait()
                continue
            end = FrameEnd.FAILED
            took_s = 0.0
            try:
                with about(camera_id=frame.camera_id):
                    end, took_s = await self._recognise(frame)
            except RollcallError as error:
                self._report(frame, error)
            except Exception:
                # One camera's frame must not end the lane that serves all of them.
                with about(camera_id=frame.camera_id):
                    log.exception("recognition of a frame of camera %s failed", frame.camera_id)
                self._report(frame, None)
            finally:
                self._sampler.finished(frame.camera_id, end, took_s=took_s)

    async def _recognise(self, frame: Frame) -> tuple[FrameEnd, float]:
        """What became of the frame, and the seconds of a thread that it took."""
        session = self._sessions.get(frame.camera_id)
        if session is None:
            return FrameEnd.LEFT, 0.0
        gallery, state = self._people.gallery, session.state

        codes = self._codes if self._codes is not None and self._codes.wants(frame) else None

        def process(recogniser: Recogniser) -> tuple[FrameResult | None, float, float]:
            began = time.monotonic()
            if began - frame.received_mono > self._frame_deadline_s:
                # A single picture held the thread for so long that nobody wants this frame any more.
                return None, 0.0, 0.0
            result = recogniser.process(frame, state, gallery)
            if codes is not None:
                codes.read(frame)
            return result, time.monotonic() - began, began - frame.received_mono

        result, took_s, waited_s = await self._executor.run(process)
        if result is None:
            return FrameEnd.EXPIRED, took_s
        self._measure(frame, result, waited_s)
        for face in result.newly_known:
            self._record(_sighting(face, frame, gallery))
        for face in result.faces:
            if face.state is FaceState.REVIEW and self._review is not None:
                self._review(face, frame)
        for unknown in result.newly_unknown:
            self._record_unknown(UnknownSighting(unknown, frame.camera_id, frame.captured_at, gallery.model_id))
        session.in_view, session.looked_at_mono = len(result.faces), time.monotonic()
        self._seen(frame, result)
        if session.sink is not None:
            self._answer(session, session.sink, frame, result)
        return FrameEnd.PROCESSED, took_s

    def _answer(self, session: CameraSession, sink: CameraSink, frame: Frame, result: FrameResult) -> None:
        if session.wants_faces:
            counts = self._sampler.counts(session.camera_id)
            sink.show(
                Faces(
                    frame=result.sequence,
                    captured_at=frame.captured_at,
                    width_px=result.width_px,
                    height_px=result.height_px,
                    faces=tuple(self._face(face) for face in result.faces),
                    received=counts.received,
                    dropped=counts.dropped,
                )
            )
        pace_fps = min(self._sampler.pace_fps, session.max_fps)
        if abs(pace_fps - session.told_pace_fps) >= 0.1 * session.told_pace_fps:
            session.told_pace_fps = pace_fps
            sink.tell(Pace(pace_fps=round(pace_fps, 2)))

    def _face(self, face: FaceResult) -> Face:
        name = self._people.name(face.person_id) if face.person_id else None
        known = face.state is FaceState.KNOWN and name is not None
        unusable = face.state is FaceState.UNUSABLE and face.quality is not None
        x1, y1, x2, y2 = (round(value, 1) for value in face.box_xyxy)
        return Face(
            box=(x1, y1, x2, y2),
            # A person erased a moment ago is no longer anybody's name.
            state="unknown" if face.state is FaceState.KNOWN and not known else face.state.value,
            track=face.track_id,
            person=PersonRef(id=UUID(face.person_id), name=name) if known and name and face.person_id else None,
            reason=face.quality.verdict.value if unusable and face.quality else None,
        )

    def _report(self, frame: Frame, error: RollcallError | None) -> None:
        session = self._sessions.get(frame.camera_id)
        if session is None or session.sink is None:
            return
        if error is None:
            notice = ErrorNotice(code="internal", detail="this frame could not be recognised", frame=frame.sequence)
        else:
            if not isinstance(error, ImageError):
                log.warning("a frame of camera %s was not recognised: %s", frame.camera_id, error)
            notice = ErrorNotice(code=error.code, detail=error.detail, hint=error.hint, frame=frame.sequence)
        session.sink.tell(notice)

    def _forget(self, session: CameraSession) -> None:
        self._sessions.pop(session.camera_id, None)

    def _forget_one_idle(self) -> None:
        for session in self._sessions.values():
            if session.sink is None:
                if session.forget is not None:
                    session.forget.cancel()
                self._forget(session)
                return


def _sighting(face: FaceResult, frame: Frame, gallery: Gallery) -> Sighting:
    assert face.person_id is not None
    assert face.match is not None
    return Sighting(
        sighting_id=uuid4(),
        person_id=UUID(face.person_id),
        camera_id=frame.camera_id,
        captured_at=frame.captured_at,
        distance=face.match.distance,
        runner_up_distance=face.match.runner_up_distance,
        quality=face.quality.score if face.quality else 0.0,
        evidence_frames=face.evidence_frames,
        model_id=gallery.model_id,
    )
