"""One camera's stream through the real recogniser, with what it says of the faces and the processor time it took."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from benchmarks.measurement import median
from benchmarks.profile.streams import Stream
from recognition.gallery import Gallery
from recognition.pipeline import Recogniser
from recognition.types import Frame

_START = datetime(2026, 1, 1, tzinfo=UTC)

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Outcome:
    """What came of a stream: processor time of the thread, faces of each frame, and who was reported, how often."""

    cpu_ms: float
    faces: list[list[Box]] = field(default_factory=list)
    reported: Counter[str] = field(default_factory=Counter)
    searched: Counter[str] = field(default_factory=Counter)


def play(recogniser: Recogniser, gallery: Gallery, stream: Stream) -> Outcome:
    """The stream from its first frame, as fast as it goes; the frames say when they came as a camera's would."""
    state = recogniser.new_camera()
    outcome = Outcome(0.0)
    began = time.thread_time()
    for number, jpeg in enumerate(stream.frames):
        result = recogniser.process(Frame("camera", number + 1, jpeg, _START, number / stream.fps), state, gallery)
        outcome.faces.append([face.box_xyxy for face in result.faces])
        outcome.reported.update(face.person_id for face in result.newly_known if face.person_id)
        outcome.searched[result.searched.value] += 1
    outcome.cpu_ms = (time.thread_time() - began) * 1e3 / len(stream.frames)
    return outcome


@dataclass(frozen=True, slots=True)
class Compared:
    """Something off and on, in turn: medians of processor time in ms, and of the ratios of neighbours."""

    off_ms: float
    on_ms: float
    ratio: float


def in_turn(off: Callable[[], float], on: Callable[[], float], passes: int) -> Compared:
    """Each gives its milliseconds. One pass before is not counted; neighbours share what else the machine does."""
    pairs = []
    for number in range(-1, passes):
        pair = (off(), on()) if number % 2 else (on(), off())[::-1]
        if number >= 0:
            pairs.append(pair)
    return Compared(
        median([first for first, _ in pairs]),
        median([second for _, second in pairs]),
        median([second / first for first, second in pairs]),
    )


def missed_for_s(wanted: Sequence[Sequence[Box]], found: Sequence[Sequence[Box]], fps: float) -> tuple[int, float]:
    """Faces of `wanted` frames that are not in the `found` ones, and the longest time that one was away at a stretch.

    A face of a frame follows one of the frame before when it lies on it.
    """
    count, longest = 0, 0
    before: list[tuple[Box, int]] = []
    for there, seen in zip(wanted, found, strict=True):
        now = []
        for box in there:
            if not any(_overlap(box, other) > 0.3 for other in seen):
                lasted = 1 + max((frames for other, frames in before if _overlap(box, other) > 0.3), default=0)
                now.append((box, lasted))
                count, longest = count + 1, max(longest, lasted)
        before = now
    return count, longest / fps


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / max(1e-9, (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
