from datetime import UTC, datetime

from recognition.types import FaceResult, FaceState, Frame, FrameResult, Searched
from stream_server.telemetry.stage_times import BOUNDS_S, StageTimes, Times


def test_a_duration_counts_in_its_bucket_and_all_above() -> None:
    times = Times()
    for took_s in (0.001, 0.03, 99.0):
        times.add(took_s)
    buckets = dict(times.buckets())
    assert (buckets["0.001"], buckets["0.025"], buckets["0.05"], buckets["2.5"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert times.sum_s == 99.031
    assert len(buckets) == len(BOUNDS_S) + 1


def test_a_frame_counts_at_every_stage_and_its_faces_by_what_was_said() -> None:
    times = StageTimes()
    face = FaceResult((0, 0, 1, 1), FaceState.UNKNOWN, 0.9)
    ms = {"decode": 2.0, "detect": 20.0, "align": 1.0, "embed": 3.0, "decide": 0.5}
    frame = Frame("door", 1, b"", datetime(2026, 3, 2, tzinfo=UTC), 0.0)
    times.take(frame, FrameResult("door", 1, 640, 480, (face, face), stage_ms=ms), 0.2)  # type: ignore[arg-type]
    assert times.stages["detect"].sum_s == 0.02
    assert times.stages["embed"].sum_s == 0.004
    assert times.stages["track"].counts[0] == 1
    assert times.waits.sum_s == 0.2
    assert times.faces == {"unknown": 2}


def test_a_frame_counts_by_how_much_of_it_was_searched() -> None:
    times = StageTimes()
    frame = Frame("door", 1, b"", datetime(2026, 3, 2, tzinfo=UTC), 0.0)
    for searched in (Searched.WHOLE, Searched.NOTHING, Searched.NOTHING):
        times.take(frame, FrameResult("door", 1, 640, 480, (), searched=searched), 0.0)
    assert times.searched == {Searched.WHOLE: 1, Searched.PART: 0, Searched.NOTHING: 2}


def test_storing_is_a_stage_of_its_own() -> None:
    times = StageTimes()
    times.take_stored(0.01)
    assert times.stages["store"].sum_s == 0.01
