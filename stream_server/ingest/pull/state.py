"""The states of a camera that is pulled, and which may follow which."""

from enum import StrEnum

from recognition.errors import InternalError


class PullState(StrEnum):
    """How a pulled camera does."""

    OFF = "off"  # not enabled, without an address, or streaming by a connection of its own
    CONNECTING = "connecting"  # opened for the first time since it was switched on
    LIVE = "live"
    STALLED = "stalled"  # connected, but nothing has come for a while
    RECONNECTING = "reconnecting"
    REFUSED = "refused"  # trying again at once would not help: wrong password, no such stream, forbidden address


_NEXT = {
    PullState.OFF: {PullState.CONNECTING, PullState.REFUSED},
    PullState.CONNECTING: {PullState.LIVE, PullState.RECONNECTING, PullState.REFUSED, PullState.OFF},
    PullState.LIVE: {PullState.STALLED, PullState.RECONNECTING, PullState.REFUSED, PullState.OFF},
    PullState.STALLED: {PullState.LIVE, PullState.RECONNECTING, PullState.REFUSED, PullState.OFF},
    PullState.RECONNECTING: {PullState.LIVE, PullState.REFUSED, PullState.OFF},
    PullState.REFUSED: {PullState.LIVE, PullState.RECONNECTING, PullState.OFF},
}


def check_transition(old: PullState, new: PullState) -> None:
    """InternalError unless `new` may follow `old`."""
    if new not in _NEXT[old]:
        expected = ", ".join(sorted(_NEXT[old]))
        raise InternalError(f"a camera that is {old} cannot become {new}; expected one of {expected}")
