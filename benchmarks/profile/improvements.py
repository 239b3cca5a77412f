"""Each improvement on and off, in turn within one run: processor time, and whether it changes what is said."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.profile.parts import OneByOne, Parts, WithoutBuffer
from benchmarks.profile.run import Compared, Outcome, in_turn, missed_for_s, play
from benchmarks.profile.streams import Stream
from recognition.decision import DecisionPolicy
from recognition.engines import EngineKind
from recognition.frame_search import EVERY_FRAME_WHOLE, SearchSettings
from recognition.pipeline import PipelineSettings, Recogniser

_GATE_ONLY = SearchSettings(part_max=0.0)
_ALWAYS_EMBEDDED = PipelineSettings(decision=replace(DecisionPolicy(), refresh_s=0.0))


@dataclass(frozen=True, slots=True)
class Row:
    """One improvement on one stream. `missed` are faces that are found without it and not with it, all frames together,
    `missed_for_s` the longest that one was away; `same` says that the same people were reported equally often.
    """

    improvement: str
    stream: str
    compared: Compared
    missed: int
    missed_for_s: float
    same: bool


def improvements(parts: Parts, streams: list[Stream], passes: int) -> Iterator[Row]:
    """Every improvement on the streams that it is for."""
    by_title = {stream.title: stream for stream in streams}
    whole = parts.recogniser(EVERY_FRAME_WHOLE)
    gate = parts.recogniser(_GATE_ONLY)
    for stream in streams:
        yield _row(parts, "motion gate", stream, whole, gate, passes)
    both = parts.recogniser()
    for stream in streams:
        yield _row(parts, "parts between whole searches", stream, gate, both, passes)
    sitting = by_title["four people sit"]
    always = parts.recogniser(EVERY_FRAME_WHOLE, settings=_ALWAYS_EMBEDDED)
    yield _row(parts, "embedding only what adds evidence", sitting, always, whole, passes)
    always_single = parts.recogniser(EVERY_FRAME_WHOLE, settings=_ALWAYS_EMBEDDED, embedder=OneByOne(parts.embedder))
    yield _row(parts, "four faces a run of the face network", sitting, always_single, always, passes)
    plain = parts.detectors[EngineKind.ONNXRUNTIME]
    anew = parts.recogniser(EVERY_FRAME_WHOLE, detector=WithoutBuffer(plain))
    kept = parts.recogniser(EVERY_FRAME_WHOLE, engine=EngineKind.ONNXRUNTIME)
    yield _row(parts, "the detector's input buffer kept", sitting, anew, kept, passes)


def _row(parts: Parts, name: str, stream: Stream, off: Recogniser, on: Recogniser, passes: int) -> Row:
    outcomes: dict[str, Outcome] = {}

    def run(which: str, recogniser: Recogniser) -> float:
        outcomes[which] = play(recogniser, parts.gallery, stream)
        return outcomes[which].cpu_ms

    compared = in_turn(lambda: run("off", off), lambda: run("on", on), passes)
    missed, longest_s = missed_for_s(outcomes["off"].faces, outcomes["on"].faces, stream.fps)
    return Row(name, stream.title, compared, missed, longest_s, outcomes["off"].reported == outcomes["on"].reported)
