import math

import pytest

from stream_server.ingest.pull.address import AddressNotAllowed
from stream_server.ingest.pull.job import Clock, Ended, Job, Order

ORDER = Order("door", 3, "rtsp://8.8.8.8/password=geheim", username="u", password="geheim", pace_fps=5.0)


def taken(job: Job, times: list[float]) -> list[float]:
    return [at for at in times if job.is_due(at)]


def test_an_order_survives_the_wire_and_is_never_shown_with_its_secrets() -> None:
    assert Order.from_wire(ORDER.to_wire()) == ORDER
    assert "geheim" not in repr(ORDER)


def test_an_order_is_checked_again_where_it_is_carried_out() -> None:
    with pytest.raises(AddressNotAllowed):
        _ = Order("door", 1, "rtsp://10.0.0.1/x").address


@pytest.mark.parametrize(("offered_fps", "pace_fps", "share"), [(15, 5, 50), (30, 10, 100), (5, 10, 50), (10, 10, 100)])
def test_a_stream_is_thinned_to_the_pace(offered_fps: int, pace_fps: float, share: int) -> None:
    job = Job(Order("door", 1, "file:x", pace_fps=pace_fps))
    times = [number / offered_fps for number in range(10 * offered_fps)]
    assert len(taken(job, times)) == pytest.approx(share, abs=1)


def test_a_clock_that_jumps_does_not_silence_a_camera() -> None:
    job = Job(ORDER)
    assert taken(job, [100.0, 100.2, 5.0, 5.05, 5.2]) == [100.0, 100.2, 5.0, 5.2]


def test_a_job_that_is_not_wanted_ends_at_its_next_step() -> None:
    job = Job(ORDER)
    job.step(2)
    assert job.packets == 2
    job.stop()
    assert job.stopped
    for work in (job.step, lambda: job.wait(60.0)):
        with pytest.raises(Ended):
            work()


def test_the_times_of_a_stream_are_used_while_they_are_sane() -> None:
    clock = Clock()
    assert clock.at(1000.0, 50.0) == 50.0
    assert clock.at(1000.2, 50.25) == pytest.approx(50.2)  # jitter on the way is taken out
    assert clock.at(1000.4, 50.38) == pytest.approx(50.4)
    assert clock.at(7.0, 50.6) == 50.6  # a clock set back
    assert clock.at(7.2, 50.8) == pytest.approx(50.8)
    assert clock.at(None, 51.0) == 51.0
    assert clock.at(9.0, 51.2) == 51.2
    assert not math.isnan(clock.at(9.1, 51.3))
    for number in range(100):  # ten times too fast: the stream's time is let go of
        at = clock.at(9.2 + number, 51.4 + number / 10)
    assert at == pytest.approx(51.4 + 9.9, abs=0.51)
