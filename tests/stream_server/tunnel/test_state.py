from itertools import pairwise

import pytest

from recognition.errors import InternalError
from stream_server.tunnel.state import Patience, TunnelState, check_transition

PATIENCE = Patience(retry_first_s=1.0, retry_max_s=60.0)


def test_an_open_tunnel_may_fall_and_open_again() -> None:
    way = [TunnelState.WAITING, TunnelState.OPENING, TunnelState.OPEN, TunnelState.REOPENING, TunnelState.OPEN]
    for old, new in pairwise(way):
        check_transition(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TunnelState.WAITING, TunnelState.OPEN),
        (TunnelState.OPEN, TunnelState.OPENING),
        (TunnelState.OPEN, TunnelState.REFUSED),
        (TunnelState.CLOSED, TunnelState.OPENING),
    ],
)
def test_another_order_is_a_defect_and_says_what_was_expected(old: TunnelState, new: TunnelState) -> None:
    with pytest.raises(InternalError, match=f"a tunnel that is {old} cannot become {new}; expected"):
        check_transition(old, new)


def test_a_tunnel_may_be_closed_in_any_state() -> None:
    for state in set(TunnelState) - {TunnelState.CLOSED}:
        check_transition(state, TunnelState.CLOSED)


def test_each_failure_doubles_the_wait_up_to_the_longest() -> None:
    assert [PATIENCE.wait_s(failures, dice=1.0) for failures in (1, 2, 3, 7, 8, 1000)] == [1, 2, 4, 60, 60, 60]


def test_half_of_the_wait_is_left_to_chance() -> None:
    assert PATIENCE.wait_s(3, dice=0.0) == 2
    assert PATIENCE.wait_s(3, dice=0.5) == 3
