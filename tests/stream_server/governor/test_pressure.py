import pytest

from recognition.errors import InternalError
from stream_server.governor.pressure import Pressure, PressureGauge, Thresholds, check_transition

EDGES = Thresholds(soft_share=0.8, hard_share=0.9, ease_share=0.05, ease_for_s=10.0, stalled_share=0.2)


@pytest.fixture
def gauge() -> PressureGauge:
    return PressureGauge(EDGES)


@pytest.mark.parametrize(
    ("share", "state"),
    [(0.0, Pressure.NONE), (0.79, Pressure.NONE), (0.8, Pressure.SOFT), (0.9, Pressure.HARD), (2.0, Pressure.HARD)],
)
def test_pressure_rises_at_once(gauge: PressureGauge, share: float, state: Pressure) -> None:
    assert gauge.look(share, 0.0) is (state is not Pressure.NONE)
    assert gauge.state is state


def test_waiting_for_memory_is_pressure_whatever_the_figures_say(gauge: PressureGauge) -> None:
    gauge.look(0.1, 0.0, stalled_share=0.3)
    assert gauge.state is Pressure.SOFT


def test_pressure_eases_step_by_step_and_only_after_a_while(gauge: PressureGauge) -> None:
    gauge.look(0.95, 0.0)
    assert not gauge.look(0.1, 1.0)
    assert not gauge.look(0.1, 10.9)
    assert gauge.look(0.1, 11.0)
    assert gauge.state is Pressure.SOFT
    assert not gauge.look(0.1, 12.0)
    assert gauge.look(0.1, 22.0)
    assert gauge.state is Pressure.NONE


def test_a_server_at_the_edge_does_not_change_again_and_again(gauge: PressureGauge) -> None:
    changes = sum(gauge.look(0.81 if second % 2 else 0.78, float(second)) for second in range(100))
    assert changes == 1
    assert gauge.state is Pressure.SOFT


def test_a_relapse_starts_the_wait_anew(gauge: PressureGauge) -> None:
    gauge.look(0.85, 0.0)
    gauge.look(0.5, 1.0)
    gauge.look(0.85, 9.0)
    assert not gauge.look(0.5, 12.0)
    assert gauge.look(0.5, 22.0)


def test_rises_are_counted(gauge: PressureGauge) -> None:
    for share, now in ((0.85, 0.0), (0.95, 1.0), (0.1, 2.0), (0.1, 12.0), (0.95, 13.0)):
        gauge.look(share, now)
    assert gauge.rises == {Pressure.SOFT: 1, Pressure.HARD: 2}


def test_a_state_that_cannot_follow_is_refused() -> None:
    with pytest.raises(InternalError, match="hard cannot become none; expected one of soft"):
        check_transition(Pressure.HARD, Pressure.NONE)
