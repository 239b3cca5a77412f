"""The states of the tunnel, which may follow which, and how long is waited between tries. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from recognition.errors import InternalError


class TunnelState(StrEnum):
    """How the tunnel does."""

    WAITING = "waiting"  # the server does not listen yet
    OPENING = "opening"
    OPEN = "open"
    REOPENING = "reopening"  # it was lost, or could not be opened
    REFUSED = "refused"  # the provider said no; trying again at once would not help
    CLOSED = "closed"  # the server stops


_NEXT = {
    TunnelState.WAITING: {TunnelState.OPENING, TunnelState.CLOSED},
    TunnelState.OPENING: {TunnelState.OPEN, TunnelState.REOPENING, TunnelState.REFUSED, TunnelState.CLOSED},
    TunnelState.OPEN: {TunnelState.REOPENING, TunnelState.CLOSED},
    TunnelState.REOPENING: {TunnelState.OPEN, TunnelState.REFUSED, TunnelState.CLOSED},
    TunnelState.REFUSED: {TunnelState.OPEN, TunnelState.REOPENING, TunnelState.CLOSED},
    TunnelState.CLOSED: set(),
}


def check_transition(old: TunnelState, new: TunnelState) -> None:
    """InternalError unless `new` may follow `old`."""
    if new not in _NEXT[old]:
        expected = ", ".join(sorted(_NEXT[old])) or "nothing"
        raise InternalError(f"a tunnel that is {old} cannot become {new}; expected {expected}")


@dataclass(frozen=True, slots=True)
class Patience:
    """All times in seconds.

    A lost tunnel is opened again after `retry_first_s`, doubled with each failure up to `retry_max_s`; a random half of
    each wait is left out, so that the servers of a provider that was away do not come back all at once. Only a tunnel
    that held for `steady_s` makes earlier failures forgotten: one that opens and falls at once must not be reopened
    without end at the shortest wait, for providers count that as abuse.
    """

    open_timeout_s: float = 30.0
    retry_first_s: float = 1.0
    retry_max_s: float = 60.0
    refused_retry_s: float = 300.0
    steady_s: float = 30.0

    def wait_s(self, failures: int, dice: float) -> float:
        """The wait after so many failures in a row (1 or more); `dice` lies in 0..1."""
        doubled = self.retry_first_s * 2.0 ** min(failures - 1, 16)
        return min(self.retry_max_s, doubled) * (0.5 + 0.5 * dice)
