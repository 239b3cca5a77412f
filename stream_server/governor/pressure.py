"""How short of memory the server is: a state with thresholds, checked transitions and a slow way back.

Pure: the time is passed in.
"""

from dataclasses import dataclass
from enum import StrEnum

from recognition.errors import InternalError


class Pressure(StrEnum):
    """How short memory is."""

    NONE = "none"
    SOFT = "soft"  # the pace and the detection width go down, what can be given back is
    HARD = "hard"  # and no further camera is taken


_NEXT = {
    Pressure.NONE: {Pressure.SOFT, Pressure.HARD},
    Pressure.SOFT: {Pressure.NONE, Pressure.HARD},
    Pressure.HARD: {Pressure.SOFT},
}
_ORDER = tuple(Pressure)


def check_transition(old: Pressure, new: Pressure) -> None:
    """InternalError unless `new` may follow `old`."""
    if new not in _NEXT[old]:
        expected = ", ".join(sorted(_NEXT[old]))
        raise InternalError(f"pressure that is {old} cannot become {new}; expected one of {expected}")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Shares of the limit from which memory is short, and how it must ease before that is taken back.

    It must be `ease_share` below a threshold for `ease_for_s`; so a server at the edge does not change every second.
    `stalled_share` of the time waiting for memory (PSI) is soft pressure whatever the figures say.
    """

    soft_share: float = 0.80
    hard_share: float = 0.92
    ease_share: float = 0.05
    ease_for_s: float = 10.0
    stalled_share: float = 0.20


class PressureGauge:
    """Turns shares of a limit into a state."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._easy_since_mono: float | None = None
        self.state = Pressure.NONE
        self.rises = dict.fromkeys((Pressure.SOFT, Pressure.HARD), 0)

    def look(self, share: float, now_mono: float, *, stalled_share: float = 0.0) -> bool:
        """Take in the share of the limit that is used. Returns whether the state has changed.

        Pressure rises at once and eases one step at a time.
        """
        wanted = self._at(share, stalled_share)
        if _ORDER.index(wanted) > _ORDER.index(self.state):
            self._easy_since_mono = None
            self.rises[wanted] += 1
            self._change(wanted)
            return True
        with_some_more = self._at(share + self._thresholds.ease_share, stalled_share)
        if _ORDER.index(with_some_more) >= _ORDER.index(self.state):
            self._easy_since_mono = None
            return False
        if self._easy_since_mono is None:
            self._easy_since_mono = now_mono
        if now_mono - self._easy_since_mono < self._thresholds.ease_for_s:
            return False
        self._easy_since_mono = None
        self._change(_ORDER[_ORDER.index(self.state) - 1])
        return True

    def _at(self, share: float, stalled_share: float) -> Pressure:
        if share >= self._thresholds.hard_share:
            return Pressure.HARD
        if share >= self._thresholds.soft_share or stalled_share >= self._thresholds.stalled_share:
            return Pressure.SOFT
        return Pressure.NONE

    def _change(self, new: Pressure) -> None:
        check_transition(self.state, new)
        self.state = new
