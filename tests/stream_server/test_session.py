import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from recognition.errors import ImageError
from recognition.types import FaceState, Frame, Quality, QualityVerdict
from stream_server.messages.wire import AttendanceNotice, ErrorNotice, Event, Faces, Pace, PersonRef
from stream_server.sampler import FrameEnd, Pacing
from tests.stream_server.stage import ADA, NOW, Stage, face, until


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


async def test_only_doubtful_faces_are_put_up_for_review(make_stage: Callable[..., Stage]) -> None:
    put_up: list[tuple[FaceState, str]] = []
    stage = make_stage(review=lambda face, frame: put_up.append((face.state, frame.camera_id)))
    doubtful = face(FaceState.REVIEW, ADA)
    stage.recogniser.answers[b"all"] = (
        (doubtful, face(FaceState.KNOWN, ADA), face(FaceState.UNKNOWN), face(FaceState.PENDING)),
        (),
    )
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"all")
    await sink.next()
    assert put_up == [(FaceState.REVIEW, "door")]
    assert stage.recorded == []


async def test_codes_are_looked_for_in_a_recognition_thread_and_only_in_frames_that_are_wanted(
    make_stage: Callable[..., Stage],
) -> None:
    class Codes:
        def __init__(self) -> None:
            self.read_in: list[tuple[str, bool]] = []

        def wants(self, frame: Frame) -> bool:
            return frame.camera_id == "kiosk"

        def read(self, frame: Frame) -> None:
            self.read_in.append((frame.camera_id, threading.current_thread() is threading.main_thread()))

    codes = Codes()
    stage = make_stage(codes=codes)
    for camera_id in ("door", "kiosk"):
        session, sink = stage.attach(camera_id)
        stage.hub.offer(session, b"frame")
        await sink.next()
    assert codes.read_in == [("kiosk", False)]
