from datetime import UTC, datetime

import pytest

from recognition.types import Frame
from stream_server.sampler import FrameEnd, Pacing, Sampler


def frame(camera: str, at: float, sequence: int = 1) -> Frame:
    return Frame(camera, sequence, b"", datetime(2026, 1, 1, tzinfo=UTC), at)


def sampler_with(*cameras: str, **pacing: float) -> Sampler:
    sampler = Sampler(Pacing(**{"max_fps": 1000.0, "frame_deadline_s": 1.0, **pacing}))  # type: ignore[arg-type]
    for camera in cameras:
        sampler.add(camera)
    return sampler


def test_only_the_newest_frame_of_a_camera_waits() -> None:
    sampler = sampler_with("a")
    for n in range(100):
        sampler.offer(frame("a", n * 0.01, sequence=n))
    taken = sampler.take(1.0)
    assert taken is not None
    assert taken.sequence == 99
    assert sampler.take(1.0) is None
    assert sampler.counts("a").dropped_replaced == 99


def test_a_busy_camera_cannot_starve_a_quiet_one() -> None:
    sampler = sampler_with("busy", "quiet")
    served = []
    for n in range(60):
        now = n * 0.01
        sampler.offer(frame("busy", now))
        if n % 6 == 0:
            sampler.offer(frame("quiet", now))
        if n % 3 == 0:  # a third of the frames can be recognised
            taken = sampler.take(now)
            assert taken is not None
            served.append(taken.camera_id)
            sampler.finished(taken.camera_id, FrameEnd.PROCESSED, took_s=0.0001)
    assert served.count("quiet") >= 9


def test_frames_of_one_camera_are_never_recognised_at_the_same_time() -> None:
    sampler = sampler_with("a")
    sampler.offer(frame("a", 0.0, sequence=1))
    assert sampler.take(0.0) is not None
    sampler.offer(frame("a", 0.1, sequence=2))
    assert sampler.take(0.1) is None
    sampler.finished("a", FrameEnd.PROCESSED, took_s=0.01)
    second = sampler.take(0.1)
    assert second is not None
    assert second.sequence == 2


def test_a_frame_past_its_deadline_is_dropped_and_counted() -> None:
    sampler = sampler_with("a", "b")
    sampler.offer(frame("a", 0.0))
    sampler.offer(frame("b", 1.5))
    taken = sampler.take(2.0)
    assert taken is not None
    assert taken.camera_id == "b"
    assert sampler.counts("a").dropped_expired == 1


@pytest.mark.parametrize("sent_fps", [5, 7, 15, 30, 60])
def test_a_camera_that_sends_too_much_is_thinned_to_the_pace(sent_fps: int) -> None:
    sampler = sampler_with("a", max_fps=5.0)
    accepted = sum(sampler.offer(frame("a", n / sent_fps)) for n in range(sent_fps * 20))
    assert 100 <= accepted <= 102


def test_a_camera_that_keeps_the_pace_but_jitters_loses_nothing() -> None:
    sampler = sampler_with("a", max_fps=5.0)
    times = [n * 0.2 + (0.09 if n % 2 else 0.0) for n in range(100)]
    assert all(sampler.offer(frame("a", at)) for at in times)


def test_the_pace_follows_the_cost_of_a_frame_and_the_number_of_cameras() -> None:
    sampler = sampler_with("a", "b", max_fps=30.0, threads=2)
    assert sampler.pace_fps == 30.0
    sampler.offer(frame("a", 0.0))
    sampler.take(0.0)
    sampler.finished("a", FrameEnd.PROCESSED, took_s=0.1)
    assert sampler.pace_fps == pytest.approx(2 * 0.8 / 0.1 / 2)
    for n in range(100):
        sampler.add(f"more{n}")
    assert sampler.pace_fps == 0.5  # never less than the least


def test_a_camera_that_leaves_while_its_frame_is_recognised_is_still_counted() -> None:
    sampler = sampler_with("a")
    sampler.offer(frame("a", 0.0))
    sampler.take(0.0)
    sampler.offer(frame("a", 0.1))
    sampler.remove("a")
    sampler.finished("a", FrameEnd.PROCESSED, took_s=0.01)
    totals = sampler.totals()
    assert (totals.received, totals.processed, totals.dropped_left) == (2, 1, 1)
    with pytest.raises(KeyError):
        sampler.counts("a")


def test_received_is_always_the_sum_of_what_became_of_the_frames() -> None:
    sampler = sampler_with("a", "b", max_fps=10.0)
    for n in range(500):
        now = n * 0.013
        sampler.offer(frame("a" if n % 3 else "b", now))
        if n % 4 == 0:
            taken = sampler.take(now)
            if taken is not None:
                sampler.finished(taken.camera_id, FrameEnd.PROCESSED if n % 8 else FrameEnd.FAILED, took_s=0.02)
    totals = sampler.totals()
    assert totals.received == 500
    assert totals.received == totals.processed + totals.failed + totals.dropped + sampler.waiting


def test_less_than_a_processor_a_thread_lowers_the_pace() -> None:
    sampler = sampler_with("a", threads=2, utilisation=1.0, min_fps=0.5)
    sampler.offer(frame("a", 0.0))
    sampler.take(0.0)
    sampler.finished("a", FrameEnd.PROCESSED, took_s=0.01)
    assert sampler.pace_fps == pytest.approx(200.0)
    sampler.cpus = 0.5
    assert sampler.pace_fps == pytest.approx(50.0)


def test_a_pace_that_is_eased_never_falls_below_the_least() -> None:
    sampler = sampler_with("a", max_fps=10.0, min_fps=4.0)
    sampler.ease = 0.5
    assert sampler.pace_fps == 5.0
    sampler.ease = 0.25
    assert sampler.pace_fps == 4.0


def test_the_age_of_the_queue_is_that_of_its_oldest_frame() -> None:
    sampler = sampler_with("a", "b")
    assert sampler.oldest_waiting_s(5.0) == 0.0
    sampler.offer(frame("a", 1.0))
    sampler.offer(frame("b", 3.0))
    assert sampler.oldest_waiting_s(5.0) == 4.0
    sampler.take(1.5)
    assert sampler.oldest_waiting_s(5.0) == 2.0


def test_a_camera_whose_turn_comes_late_has_its_newest_frame_looked_at_and_not_one_too_old() -> None:
    sampler = Sampler(Pacing(max_fps=1.0, min_fps=0.5, frame_deadline_s=1.0))
    sampler.add("door")
    for number in range(31):  # three seconds at ten frames a second, faster than the pace
        sampler.offer(Frame("door", number, b"", datetime(2026, 3, 2, tzinfo=UTC), 100.0 + number / 10))
    taken = sampler.take(103.2)
    assert taken is not None
    assert taken.sequence == 30
    counts = sampler.counts("door")
    assert counts.received == 31
    assert counts.dropped == 30
    assert counts.dropped_expired == 0
