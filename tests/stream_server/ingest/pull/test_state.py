import pytest

from recognition.errors import InternalError
from stream_server.ingest.pull.state import PullState, check_transition


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PullState.OFF, PullState.CONNECTING),
        (PullState.CONNECTING, PullState.LIVE),
        (PullState.LIVE, PullState.STALLED),
        (PullState.STALLED, PullState.LIVE),
        (PullState.STALLED, PullState.RECONNECTING),
        (PullState.RECONNECTING, PullState.REFUSED),
        (PullState.REFUSED, PullState.LIVE),
    ],
)
def test_a_camera_may_go_this_way(old: PullState, new: PullState) -> None:
    check_transition(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PullState.OFF, PullState.LIVE),
        (PullState.CONNECTING, PullState.STALLED),
        (PullState.RECONNECTING, PullState.STALLED),
        (PullState.LIVE, PullState.CONNECTING),
    ],
)
def test_any_other_way_is_our_mistake_and_says_what_was_expected(old: PullState, new: PullState) -> None:
    with pytest.raises(InternalError, match=f"that is {old} cannot become {new}; expected one of"):
        check_transition(old, new)
