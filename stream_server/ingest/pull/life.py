"""When a pulled camera is opened, called stalled, and tried again. Pure: the time and the dice are passed in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from stream_server.ingest.pull.state import PullState, check_transition


class Todo(Enum):
    """What the owner of a `PullLife` has to do now."""

    NOTHING = "nothing"
    OPEN = "open"
    KILL = "kill"  # the reader says nothing of this camera any more: end its process


@dataclass(frozen=True, slots=True)
class Patience:
    """All times in seconds.

    A camera that was lost is tried again after `retry_first_s`, doubled each time up to `retry_max_s`, and of each wait
    a random half is left out so that the cameras of a rebooted switch do not come at once.
    """

    stall_after_s: float = 3.0
    retry_first_s: float = 0.5
    retry_max_s: float = 2.0
    refused_retry_s: float = 30.0
    hung_after_s: float = 30.0

    def wait_s(self, failures: int, dice: float) -> float:
        """The wait after so many failures in a row (1 or more); `dice` lies in 0..1."""
        doubled = self.retry_first_s * 2.0 ** min(failures - 1, 16)
        return min(self.retry_max_s, doubled) * (0.5 + 0.5 * dice)


@dataclass(slots=True)
class PullLife:
    """The state of one camera. `on_change` hears of every change of state, after it is made."""

    patience: Patience
    dice: Callable[[], float]
    on_change: Callable[[PullState, str], None] = lambda state, reason: None
    state: PullState = PullState.OFF
    reason: str = ""
    attempt: int = 0
    failures: int = 0
    connects: int = 0
    frames: int = 0
    trying: bool = False
    retry_mono: float | None = None
    last_frame_mono: float | None = None
    _last_packet_mono: float = field(default=0.0, repr=False)
    _last_word_mono: float = field(default=0.0, repr=False)

    def start(self, now_mono: float) -> None:
        """Switch it on; `look` says when to open it."""
        self._become(PullState.CONNECTING, "")
        self.failures = 0
        self.retry_mono = now_mono

    def stop(self, reason: str = "") -> None:
        """Switch it off."""
        self.trying, self.retry_mono = False, None
        if self.state is PullState.OFF:
            self.reason = reason
        else:
            self._become(PullState.OFF, reason)

    def refuse(self, reason: str) -> None:
        """Say that it cannot be opened at all as it is; it is not tried again."""
        self.trying, self.retry_mono = False, None
        self._become(PullState.REFUSED, reason)

    def opening(self, now_mono: float) -> int:
        """Say that it is being opened; returns the number of the attempt, which its answers carry."""
        self.attempt += 1
        self.trying, self.retry_mono = True, None
        self._last_packet_mono = self._last_word_mono = now_mono
        return self.attempt

    def on_frame(self, now_mono: float) -> None:
        """A picture has come."""
        self.frames += 1
        self.failures = 0
        self.last_frame_mono = self._last_packet_mono = self._last_word_mono = now_mono
        if self.state is not PullState.LIVE:
            self.connects += self.state is not PullState.STALLED
            self._become(PullState.LIVE, "")

    def on_word(self, now_mono: float, *, silent_s: float, progress: bool) -> None:
        """The reader is at work on it for `silent_s` without a step; `progress`: something came from the camera."""
        self._last_word_mono = max(self._last_word_mono, now_mono - silent_s)
        if progress:
            self._last_packet_mono = now_mono
            if self.state is PullState.STALLED:
                self._become(PullState.LIVE, "")

    def on_end(self, now_mono: float, reason: str, *, refused: bool) -> None:
        """The attempt has ended, for that reason."""
        self.trying = False
        self.failures += 1
        if refused:
            self.retry_mono = now_mono + self.patience.refused_retry_s
            self._become(PullState.REFUSED, reason)
        else:
            self.retry_mono = now_mono + self.patience.wait_s(self.failures, self.dice())
            self._become(PullState.RECONNECTING, reason)

    def excuse(self, now_mono: float, held_up_s: float) -> None:
        """Nobody listened for so long: what was not heard in that time is nobody's fault."""
        self._last_packet_mono = min(now_mono, self._last_packet_mono + held_up_s)
        self._last_word_mono = min(now_mono, self._last_word_mono + held_up_s)

    def look(self, now_mono: float) -> Todo:
        """Notice what has not happened."""
        if self.trying:
            silent_s = now_mono - self._last_packet_mono
            if self.state is PullState.LIVE and silent_s > self.patience.stall_after_s:
                self._become(PullState.STALLED, f"nothing has come for {silent_s:.1f} s")
            return Todo.KILL if now_mono - self._last_word_mono > self.patience.hung_after_s else Todo.NOTHING
        if self.retry_mono is not None and now_mono >= self.retry_mono:
            return Todo.OPEN
        return Todo.NOTHING

    def _become(self, state: PullState, reason: str) -> None:
        if state is self.state:
            self.reason = reason
            return
        check_transition(self.state, state)
        self.state, self.reason = state, reason
        self.on_change(state, reason)
