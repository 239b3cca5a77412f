import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from recognition.errors import ImageError
from recognition.gallery import Gallery
from recognition.pipeline import CameraState
from recognition.types import FaceResult, FaceState, Frame, FrameResult, Match, Quality, QualityVerdict, Sighting
from stream_server.executor import RecognitionExecutor
from stream_server.messages import AttendanceNotice, ErrorNotice, Event, Faces, Pace, PersonRef
from stream_server.sampler import FrameEnd, Pacing, Sampler
from stream_server.session import CLOSE_REMOVED, CLOSE_REPLACED, CameraHub, CameraSession, TooManyCameras

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADA = UUID(int=1)
GALLERY = Gallery([], model_id="model-a")
# So fast that nothing is dropped for the pace.
NO_PACE = Pacing(max_fps=1e6, min_fps=1e6, threads=2, frame_deadline_s=60.0)


class Sink:
    """A camera that notes what it is told."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self.ended: tuple[int, str] | None = None
        self.dropped = 0

    def show(self, faces: Faces) -> None:
        self._messages.put_nowait(faces)

    def tell(self, message: Any) -> None:
        self._messages.put_nowait(message)

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            return await self._messages.get()

    @property
    def silent(self) -> bool:
        return self._messages.empty()


class People:
    def __init__(self) -> None:
        self.gallery = GALLERY
        self.names = {str(ADA): "Ada"}

    def name(self, person_id: str) -> str | None:
        return self.names.get(person_id)


class Recogniser:
    """Says what it was told to say of a payload, and notes which frames it saw at which time."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.states: list[CameraState] = []
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0
        self.hold = threading.Event()
        self.hold.set()
        self.began = threading.Event()
        self.answers: dict[bytes, tuple[tuple[FaceResult, ...], tuple[FaceResult, ...]]] = {}
        self.failures: dict[bytes, Exception] = {}

    def process(self, frame: Frame, state: CameraState, gallery: Gallery) -> FrameResult:
        assert isinstance(frame.payload, bytes)
        self.at_once[frame.camera_id] = self.at_once.get(frame.camera_id, 0) + 1
        self.most_at_once = max(self.most_at_once, self.at_once[frame.camera_id])
        self.seen.append((frame.camera_id, frame.sequence))
        self.states.append(state)
        self.began.set()
        self.hold.wait(10)
        self.at_once[frame.camera_id] -= 1
        if frame.payload in self.failures:
            raise self.failures[frame.payload]
        faces, newly_known = self.answers.get(frame.payload, ((), ()))
        return FrameResult(frame.camera_id, frame.sequence, 640, 480, faces, newly_known)


class Stage:
    """A hub with everything around it."""

    def __init__(self, pacing: Pacing = NO_PACE, **options: Any) -> None:
        self.recogniser = Recogniser()
        self.sampler = Sampler(pacing)
        self.people = People()
        self.recorded: list[Sighting] = []
        self.executor = RecognitionExecutor(lambda: self.recogniser, threads=2)  # type: ignore[arg-type,return-value]
        self.hub = CameraHub(
            sampler=self.sampler,
            executor=self.executor,
            people=self.people,
            record=self.recorded.append,
            make_state=CameraState,
            now=lambda: NOW,
            **options,
        )
        self.running = asyncio.create_task(self.hub.run())

    async def close(self) -> None:
        self.recogniser.hold.set()
        self.hub.end_all(1001, "")
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.executor.close()

    def attach(self, camera_id: str) -> tuple[CameraSession, Sink]:
        sink = Sink()
        return self.hub.attach(camera_id, sink), sink


@pytest_asyncio.fixture
async def make_stage() -> AsyncIterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(*arguments: Any, **options: Any) -> Stage:
        stages.append(Stage(*arguments, **options))
        return stages[-1]

    yield make
    for stage in stages:
        await stage.close()


@pytest_asyncio.fixture
async def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()


def face(state: FaceState, person_id: UUID | None = None, **more: Any) -> FaceResult:
    match = None if person_id is None else Match(str(person_id), str(uuid4()), 0.3, str(UUID(int=2)), 0.8)
    known = str(person_id) if state is FaceState.KNOWN else None
    return FaceResult((10.04, 20.0, 110.0, 140.0), state, 0.9, person_id=known, match=match, **more)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_a_frame_is_answered_with_its_faces_and_counts(stage: Stage) -> None:
    quality = Quality(9.0, 0.5, 0.0, 0.0, 0.1, QualityVerdict.TOO_SMALL)
    stage.recogniser.answers[b"class"] = (
        (
            face(FaceState.KNOWN, ADA, track_id=7),
            face(FaceState.UNUSABLE, quality=quality, track_id=8),
            face(FaceState.REVIEW, ADA, track_id=9),
        ),
        (),
    )
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"class")
    faces = await sink.next()
    assert isinstance(faces, Faces)
    assert (faces.frame, faces.captured_at, faces.width_px, faces.height_px) == (1, NOW, 640, 480)
    assert (faces.received, faces.dropped) == (1, 0)
    assert [(f.state, f.track, f.person and f.person.name, f.reason) for f in faces.faces] == [
        ("known", 7, "Ada", None),
        ("unusable", 8, None, "too_small"),
        ("review", 9, None, None),
    ]
    assert faces.faces[0].box == (10.0, 20.0, 110.0, 140.0)


async def test_frames_of_one_camera_are_recognised_in_order_and_never_at_the_same_time(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.recogniser.hold.clear()
    stage.hub.offer(session, b"1")
    await asyncio.to_thread(stage.recogniser.began.wait, 10)
    for payload in (b"2", b"3", b"4"):
        stage.hub.offer(session, payload)
    stage.recogniser.hold.set()
    assert [(await sink.next()).frame for _ in range(2)] == [1, 4]
    for payload in (b"5", b"6"):
        stage.hub.offer(session, payload)
        assert (await sink.next()).frame == int(payload)
    assert stage.recogniser.seen == [("door", 1), ("door", 4), ("door", 5), ("door", 6)]
    assert stage.recogniser.most_at_once == 1
    assert stage.sampler.counts("door").dropped_replaced == 2


async def test_each_camera_has_a_state_of_its_own(stage: Stage) -> None:
    for camera in ("a", "b"):
        session, sink = stage.attach(camera)
        for _ in range(2):
            stage.hub.offer(session, b"")
            await sink.next()
    first, again, other, other_again = stage.recogniser.states
    assert first is again
    assert other is other_again
    assert first is not other


async def test_a_decided_identity_is_recorded_with_the_time_camera_and_model_of_its_frame(stage: Stage) -> None:
    quality = Quality(50.0, 0.5, 0.0, 0.0, 0.75, QualityVerdict.OK)
    known = face(FaceState.KNOWN, ADA, quality=quality, evidence_frames=3)
    stage.recogniser.answers[b"ada"] = ((known,), (known,))
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"ada")
    await sink.next()
    (sighting,) = stage.recorded
    assert (sighting.person_id, sighting.camera_id, sighting.captured_at) == (ADA, "door", NOW)
    assert (sighting.distance, sighting.runner_up_distance, sighting.quality) == (0.3, 0.8, 0.75)
    assert (sighting.evidence_frames, sighting.model_id) == (3, "model-a")


async def test_what_was_decided_is_recorded_even_when_the_camera_has_left(stage: Stage) -> None:
    known = face(FaceState.KNOWN, ADA)
    stage.recogniser.answers[b"ada"] = ((known,), (known,))
    stage.recogniser.hold.clear()
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"ada")
    await asyncio.to_thread(stage.recogniser.began.wait, 10)
    stage.hub.detach(session, sink)
    stage.recogniser.hold.set()
    await until(lambda: bool(stage.recorded))
    assert sink.silent


async def test_a_picture_that_cannot_be_read_is_an_error_with_the_number_of_its_frame(stage: Stage) -> None:
    stage.recogniser.failures[b"torn"] = ImageError(
        "the JPEG is cut short", hint="send it whole", code="image_truncated"
    )
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"")
    await sink.next()
    stage.hub.offer(session, b"torn")
    assert await sink.next() == ErrorNotice(
        code="image_truncated", detail="the JPEG is cut short", hint="send it whole", frame=2
    )
    assert stage.sampler.totals().failed == 1


async def test_a_defect_in_recognition_ends_neither_the_lane_nor_the_camera(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.recogniser.failures[b"odd"] = ZeroDivisionError("somewhere")
    session, sink = stage.attach("door")
    for number in (1, 2, 3):  # more than there are lanes
        stage.hub.offer(session, b"odd")
        notice = await sink.next()
        assert (notice.code, notice.frame) == ("internal", number)
        assert "somewhere" not in notice.detail
    stage.hub.offer(session, b"")
    assert isinstance(await sink.next(), Faces)
    assert "recognition of a frame of camera door failed" in caplog.text


async def test_a_camera_that_shows_no_boxes_gets_none(stage: Stage) -> None:
    stage.recogniser.failures[b"torn"] = ImageError("cut short")
    session, sink = stage.attach("door")
    session.wants_faces = False
    stage.hub.offer(session, b"")
    await until(lambda: stage.sampler.counts("door").processed == 1)
    stage.hub.offer(session, b"torn")
    assert isinstance(await sink.next(), ErrorNotice)


async def test_a_new_connection_does_not_inherit_the_wishes_of_the_old_one(stage: Stage) -> None:
    session, sink = stage.attach("door")
    session.wants_faces = False
    stage.hub.detach(session, sink)
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"")
    assert isinstance(await sink.next(), Faces)


async def test_the_pace_is_told_when_it_has_moved_by_a_tenth(make_stage: Callable[..., Stage]) -> None:
    pacing = Pacing(max_fps=100.0, min_fps=0.1, threads=2, smoothing=0.0, frame_deadline_s=60.0)
    stage = make_stage(pacing)
    stage.sampler.add("measured")
    stage.sampler.offer(Frame("measured", 1, b"", NOW, 0.0))
    stage.sampler.take(0.0)
    stage.sampler.finished(
        "measured", FrameEnd.PROCESSED, took_s=0.02
    )  # 80 frames a second to share, whatever comes later
    for number in range(8):
        stage.attach(f"other-{number}")
    session, sink = stage.attach("door")
    assert stage.sampler.pace_fps == pytest.approx(8.0)
    stage.attach("eleventh")
    stage.hub.offer(session, b"")
    assert isinstance(await sink.next(), Faces)
    stage.attach("twelfth")
    stage.hub.offer(session, b"")
    assert isinstance(await sink.next(), Faces)
    assert await sink.next() == Pace(pace_fps=6.67)
    assert sink.silent


async def test_a_camera_is_asked_for_no_more_than_it_says_it_can_send(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(Pacing(max_fps=50.0, min_fps=0.1, threads=2, frame_deadline_s=60.0))
    session, sink = stage.attach("slow")
    session.max_fps = 4.0
    stage.hub.offer(session, b"")
    assert isinstance(await sink.next(), Faces)
    assert await sink.next() == Pace(pace_fps=4.0)


def marked(camera: str | None, **more: Any) -> Event:
    data = {
        "attendance_id": str(UUID(int=5)),
        "session_id": str(UUID(int=6)),
        "person": {"id": str(ADA), "name": "Ada"},
        "status": "present",
        "method": "face",
        "first_seen": NOW.isoformat(),
        "camera": camera,
    }
    return Event(id=77, type="attendance.marked", at=NOW, data=data | more)


async def test_attendance_goes_to_the_camera_that_saw_the_person(stage: Stage) -> None:
    _, door = stage.attach("door")
    _, yard = stage.attach("yard")
    stage.hub.on_event(marked("door"))
    notice = await door.next()
    assert isinstance(notice, AttendanceNotice)
    assert (notice.event_id, notice.person, notice.status) == (77, PersonRef(id=ADA, name="Ada"), "present")
    assert yard.silent


async def test_events_that_concern_no_connected_camera_are_passed_over(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.hub.on_event(marked(None))
    stage.hub.on_event(marked("elsewhere"))
    stage.hub.on_event(Event(id=1, type="session.opened", at=NOW, data={"camera": "door"}))
    stage.hub.detach(session, sink)
    stage.hub.on_event(marked("door"))
    assert sink.silent


async def test_a_person_who_was_erased_is_not_named_any_more(stage: Stage) -> None:
    stage.recogniser.answers[b"ada"] = ((face(FaceState.KNOWN, ADA),), ())
    session, sink = stage.attach("door")
    del stage.people.names[str(ADA)]
    stage.hub.offer(session, b"ada")
    (shown,) = (await sink.next()).faces
    assert (shown.state, shown.person) == ("unknown", None)


async def test_the_newest_connection_of_a_camera_takes_over(stage: Stage) -> None:
    first_session, first = stage.attach("door")
    second_session, second = stage.attach("door")
    assert first_session is second_session
    assert first.ended is not None
    assert first.ended[0] == CLOSE_REPLACED
    stage.hub.detach(first_session, first)  # its end comes later and changes nothing
    assert (stage.hub.connected, stage.hub.is_connected("door")) == (1, True)
    stage.hub.offer(second_session, b"")
    assert isinstance(await second.next(), Faces)
    assert first.silent
    assert second.ended is None


async def test_a_camera_that_comes_back_soon_is_the_same_with_the_same_tracks(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"")
    await sink.next()
    stage.hub.detach(session, sink)
    assert (stage.hub.connected, stage.hub.is_connected("door")) == (0, False)
    again, sink = stage.attach("door")
    assert again is session
    stage.hub.offer(again, b"")
    assert (await sink.next()).frame == 2
    assert stage.recogniser.states[0] is stage.recogniser.states[1]


async def test_a_camera_that_stays_away_is_forgotten(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(linger_s=0.0)
    session, sink = stage.attach("door")
    stage.hub.detach(session, sink)
    for _ in range(3):
        await asyncio.sleep(0)
    again, _ = stage.attach("door")
    assert again is not session
    assert stage.hub.counts("elsewhere") is None


async def test_frames_that_are_counted_stay_counted_when_the_camera_leaves(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(linger_s=0.0)
    stage.recogniser.hold.clear()
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"1")
    await asyncio.to_thread(stage.recogniser.began.wait, 10)
    stage.hub.offer(session, b"2")
    stage.hub.detach(session, sink)
    for _ in range(3):
        await asyncio.sleep(0)
    stage.recogniser.hold.set()
    await until(lambda: stage.sampler.totals().processed == 1)
    totals = stage.sampler.totals()
    assert (totals.received, totals.processed, totals.dropped_left) == (2, 1, 1)


async def test_one_camera_too_many_is_refused(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(max_cameras=2)
    stage.attach("a")
    stage.attach("b")
    with pytest.raises(TooManyCameras) as refused:
        stage.attach("c")
    assert refused.value.code == "too_many_cameras"
    assert "MAX_CAMERAS" in refused.value.hint
    stage.attach("a")  # one that is here already may connect anew


async def test_a_camera_that_has_left_gives_its_place_to_a_new_one(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(max_cameras=1)
    session, sink = stage.attach("a")
    stage.hub.detach(session, sink)
    new, shown = stage.attach("b")
    stage.hub.offer(new, b"")
    assert isinstance(await shown.next(), Faces)


async def test_the_end_of_the_server_is_told_to_every_camera(stage: Stage) -> None:
    sinks = [stage.attach(camera)[1] for camera in ("a", "b")]
    session, gone = stage.attach("c")
    stage.hub.detach(session, gone)
    stage.hub.end_all(1001, "the server stops")
    assert [sink.ended for sink in sinks] == [(1001, "the server stops")] * 2
    assert gone.ended is None


async def test_a_camera_that_is_removed_is_told_so_and_its_frames_no_longer_count(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"frame")
    await until(lambda: stage.sampler.totals().processed == 1)
    stage.hub.end_camera("door")
    assert sink.ended == (CLOSE_REMOVED, "the camera was removed")
    assert (session.sink, stage.hub.connected, stage.hub.is_connected("door")) == (None, 0, False)
    stage.hub.end_camera("door")
    stage.hub.end_camera("nowhere")
    again, newer = stage.attach("door")  # added again before the older connection has gone
    assert again is not session
    stage.hub.detach(session, sink)
    stage.hub.offer(again, b"frame")
    await until(lambda: stage.sampler.totals().processed == 2)
    assert newer.ended is None


async def test_the_tracks_of_a_camera_that_left_and_was_removed_are_forgotten(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.hub.detach(session, sink)
    stage.hub.end_camera("door")
    assert session.forget is not None
    assert session.forget.cancelled()
    assert stage.attach("door")[0] is not session
