"""How long the stages of recognition take: counts in buckets, which cost a few additions a frame."""

from bisect import bisect_left
from collections.abc import Mapping

from recognition.types import Frame, FrameResult, Searched

# Seconds; from a face network's millisecond to a frame that nobody wants any more.
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# What /metrics calls the pipeline's stages, and which of them make one up.
STAGES: Mapping[str, tuple[str, ...]] = {
    "decode": ("decode",),
    "detect": ("detect",),
    "track": ("track",),
    "embed": ("align", "embed"),
    "match": ("decide",),
}


class Times:
    """Durations of one kind, counted."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, took_s: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_S, took_s)] += 1
        self.sum_s += took_s

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many took at most so long), as Prometheus has them."""
        total, found = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class StageTimes:
    """What `/metrics` tells of frames that were recognised. Used on the event loop."""

    def __init__(self) -> None:
        self.stages = {name: Times() for name in (*STAGES, "store")}
        self.waits = Times()
        self.faces: dict[str, int] = {}
        self.searched = dict.fromkeys(Searched, 0)

    def take(self, _frame: Frame, result: FrameResult, waited_s: float) -> None:
        """Count a frame that was recognised."""
        self.waits.add(waited_s)
        for name, parts in STAGES.items():
            took_ms = sum(result.stage_ms.get(part, 0.0) for part in parts)  # type: ignore[call-overload]
            self.stages[name].add(took_ms / 1e3)
        self.searched[result.searched] += 1
        for face in result.faces:
            self.faces[face.state.value] = self.faces.get(face.state.value, 0) + 1

    def take_stored(self, took_s: float) -> None:
        """Count a sighting that was stored."""
        self.stages["store"].add(took_s)
