"""Which frame is recognised next: one newest-frame slot per camera, served in turn.

Everything here is plain state of the event loop with the time passed in (monotonic seconds); nothing waits. Memory is
one frame per camera at most, whatever the cameras send.

A camera's frames are thinned to its pace as they arrive (a leaky bucket with room for one frame, so that a camera
that keeps the pace but jitters loses nothing). Of what is left only the newest waits. Cameras with a waiting frame
stand in a queue, and a camera that was served goes to its end, so that a busy camera cannot starve a quiet one.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from recognition.types import Frame


@dataclass(frozen=True, slots=True)
class Pacing:
    """How the pace of the cameras is worked out.

    The pace is the same for all: the frames a second that `threads` can recognise at the measured cost of a frame, of
    which `utilisation` is given away, divided by the number of cameras, within `min_fps` and `max_fps`. Where the
    process may use less than one processor a thread, that counts.
    """

    max_fps: float = 10.0
    min_fps: float = 0.5
    threads: int = 2
    utilisation: float = 0.8
    frame_deadline_s: float = 1.0
    smoothing: float = 0.1


@dataclass(slots=True)
class FrameCounts:
    """What became of the frames of one camera, or of all."""

    received: int = 0
    processed: int = 0
    failed: int = 0
    dropped_paced: int = 0
    dropped_replaced: int = 0
    dropped_expired: int = 0
    dropped_left: int = 0

    @property
    def dropped(self) -> int:
        """Frames that were received but never looked at."""
        return self.dropped_paced + self.dropped_replaced + self.dropped_expired + self.dropped_left

    def as_dict(self) -> dict[str, int]:
        """Totals and reasons, by name."""
        return {
            "received": self.received,
            "processed": self.processed,
            "failed": self.failed,
            "dropped": self.dropped,
            "dropped_paced": self.dropped_paced,
            "dropped_replaced": self.dropped_replaced,
            "dropped_expired": self.dropped_expired,
            "dropped_left": self.dropped_left,
        }


class FrameEnd(StrEnum):
    """What became of a frame that was taken; the values are the names of the counts."""

    PROCESSED = "processed"
    FAILED = "failed"
    EXPIRED = "dropped_expired"
    LEFT = "dropped_left"


@dataclass(slots=True)
class _Slot:
    counts: FrameCounts = field(default_factory=FrameCounts)
    waiting: Frame | None = None
    queued: bool = False
    busy: bool = False
    leaving: bool = False
    due_mono: float = 0.0


class Sampler:
    """Takes the frames of all cameras and gives out the next one to recognise."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._slots: dict[str, _Slot] = {}
        self._queue: deque[str] = deque()
        self._frame_cost_s: float | None = None
        self._gone = FrameCounts()
        # Set from outside, as the host's limits change: processors of the process, and the part of the pace to give.
        self.cpus = math.inf
        self.ease = 1.0

    def add(self, camera_id: str) -> None:
        """Make room for a camera; adding it again changes nothing."""
        self._slots.setdefault(camera_id, _Slot()).leaving = False

    def remove(self, camera_id: str) -> None:
        """Forget a camera; a frame of it that is being recognised is finished and counted all the same."""
        slot = self._slots.get(camera_id)
        if slot is None:
            return
        if slot.waiting is not None:
            slot.waiting = None
            slot.counts.dropped_left += 1
        slot.leaving = True
        if not slot.busy:
            self._forget(camera_id)

    def offer(self, frame: Frame) -> bool:
        """Take a frame; says whether there is more to recognise. A frame of an unknown camera is a KeyError.

        Beyond the pace it only takes the place of one that waits.
        """
        slot = self._slots[frame.camera_id]
        slot.counts.received += 1
        period_s = 1.0 / self.pace_fps
        if frame.received_mono < slot.due_mono - period_s:
            slot.counts.dropped_paced += 1
            if slot.waiting is not None:
                # Whose turn comes late is looked at as it is then, and not dropped for its age, round after round.
                slot.waiting = frame
            return False
        slot.due_mono = max(slot.due_mono, frame.received_mono) + period_s
        if slot.waiting is not None:
            slot.counts.dropped_replaced += 1
        slot.waiting = frame
        self._enqueue(frame.camera_id, slot)
        return True

    def wanted_in_s(self, camera_id: str, now_mono: float) -> float:
        """Seconds until a frame of this camera would not be dropped for the pace; 0 when it would be taken now."""
        return max(0.0, self._slots[camera_id].due_mono - 1.0 / self.pace_fps - now_mono)

    def skipped(self, camera_id: str, frames: int) -> None:
        """Count frames that came between the wanted ones and were not offered at all."""
        counts = self._slots[camera_id].counts
        counts.received += frames
        counts.dropped_paced += frames

    def take(self, now_mono: float) -> Frame | None:
        """The next frame to recognise, or None. `finished` must be called for it."""
        while self._queue:
            camera_id = self._queue.popleft()
            slot = self._slots.get(camera_id)
            if slot is None:
                continue
            slot.queued = False
            frame, slot.waiting = slot.waiting, None
            if frame is None:
                continue
            if now_mono - frame.received_mono > self._pacing.frame_deadline_s:
                slot.counts.dropped_expired += 1
                continue
            slot.busy = True
            return frame
        return None

    def finished(self, camera_id: str, end: FrameEnd, *, took_s: float = 0.0) -> None:
        """Say what became of the frame taken for this camera, and for how long it occupied a thread."""
        slot = self._slots[camera_id]
        slot.busy = False
        setattr(slot.counts, end.value, getattr(slot.counts, end.value) + 1)
        if end is FrameEnd.PROCESSED:
            weight = self._pacing.smoothing
            known = self._frame_cost_s
            self._frame_cost_s = took_s if known is None else (1 - weight) * known + weight * took_s
        if slot.leaving:
            self._forget(camera_id)
        elif slot.waiting is not None:
            self._enqueue(camera_id, slot)

    @property
    def pace_fps(self) -> float:
        """Frames a second asked of every camera now."""
        pacing = self._pacing
        if self._frame_cost_s is None or not self._slots:
            return max(pacing.min_fps, pacing.max_fps * self.ease)
        capacity_fps = min(pacing.threads, self.cpus) * pacing.utilisation / max(self._frame_cost_s, 1e-6)
        return max(pacing.min_fps, min(pacing.max_fps, capacity_fps / len(self._slots)) * self.ease)

    @property
    def frame_cost_ms(self) -> float | None:
        """Thread time of one frame, smoothed; None before the first."""
        return None if self._frame_cost_s is None else self._frame_cost_s * 1000

    @property
    def waiting(self) -> int:
        """Frames that wait to be recognised: at most one per camera."""
        return sum(slot.waiting is not None for slot in self._slots.values())

    def oldest_waiting_s(self, now_mono: float) -> float:
        """How long the oldest frame has waited; 0 when none does."""
        arrivals = [slot.waiting.received_mono for slot in self._slots.values() if slot.waiting is not None]
        return max(0.0, now_mono - min(arrivals)) if arrivals else 0.0

    def counts(self, camera_id: str) -> FrameCounts:
        """What became of the frames of one camera; KeyError when it is not here."""
        return self._slots[camera_id].counts

    def totals(self) -> FrameCounts:
        """What became of the frames of all cameras since the start."""
        total = FrameCounts()
        for counts in (self._gone, *(slot.counts for slot in self._slots.values())):
            _add(total, counts)
        return total

    def _enqueue(self, camera_id: str, slot: _Slot) -> None:
        if not slot.queued and not slot.busy:
            slot.queued = True
            self._queue.append(camera_id)

    def _forget(self, camera_id: str) -> None:
        _add(self._gone, self._slots.pop(camera_id).counts)


def _add(total: FrameCounts, more: FrameCounts) -> None:
    for name in FrameCounts.__slots__:
        setattr(total, name, getattr(total, name) + getattr(more, name))
