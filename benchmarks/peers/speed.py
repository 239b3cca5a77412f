"""Time of one picture, in rounds: every peer in turn on the same pictures, so that whatever else the machine does falls
on all of them. What counts is the ratio within a round."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measurement import median, percentile, rounded
from benchmarks.peers.process import PeerFailed, PeerProcess

TURN_S = 0.3
_TURN_MIN, _TURN_MAX = 2, 40


@dataclass(frozen=True, slots=True)
class Turn:
    """One peer on one picture in one round: median time and mean processor time of a picture, and the faces found."""

    ms: float
    cpu_ms: float
    faces: int


Round = dict[str, dict[str, Turn]]
"""By peer, then by picture."""


def interleaved(
    peers: Mapping[str, PeerProcess],
    pictures: Mapping[str, Path],
    *,
    rounds: int,
    advance: Callable[[float], None],
    failed: Callable[[str, PeerFailed], None],
) -> list[Round]:
    """Rounds over running peers; another one begins each. One that fails is out from then on, and `failed` is told."""
    times: dict[tuple[str, str], int] = {}
    alive = list(peers)
    results: list[Round] = []
    for number in range(-1, rounds):  # the first one warms up and tells how many pictures make a turn
        order = alive[number % len(alive) :] + alive[: number % len(alive)] if alive else []
        this: Round = {name: {} for name in order}
        # All peers on one picture before the next: what is compared lies close together in time.
        for picture, path in pictures.items():
            for name in order:
                if name not in alive:
                    continue
                try:
                    this[name][picture] = _turn(peers[name], path, times.get((name, picture), _TURN_MIN))
                except PeerFailed as error:
                    alive.remove(name)
                    this.pop(name)
                    failed(name, error)
        if number >= 0:
            results.append(this)
        else:
            for name, turns in this.items():
                for picture, turn in turns.items():
                    times[name, picture] = turn_length(turn.ms)
        advance((number + 2) / (rounds + 1))
    return results


def turn_length(ms: float) -> int:
    """How many pictures make a turn of about `TURN_S`."""
    return max(_TURN_MIN, min(_TURN_MAX, round(TURN_S * 1e3 / max(ms, 1e-3))))


def figures(rounds: Sequence[Round], name: str, base: str) -> dict[str, Any]:
    """By picture: milliseconds, processor time, milliseconds a face, and how many times as long as the base takes.

    Each is the median over the rounds. `ratio` has the median, and the range that 90 % of the rounds lie in.
    """
    pictures = dict.fromkeys(picture for turns in rounds for picture in turns.get(name, {}))
    result = {}
    for picture in pictures:
        own = [turns[name][picture] for turns in rounds if name in turns]
        ratios = [turns[name][picture].ms / turns[base][picture].ms for turns in rounds if {name, base} <= turns.keys()]
        ms, faces = median([turn.ms for turn in own]), own[-1].faces
        result[picture] = {
            "ms": rounded(ms),
            "cpu_ms": rounded(median([turn.cpu_ms for turn in own])),
            "faces": faces,
            "ms_per_face": rounded(ms / faces) if faces else None,
            "cpu_ms_per_face": rounded(median([turn.cpu_ms for turn in own]) / faces) if faces else None,
            "ratio": _range(ratios),
        }
    return result


def per_face_ratios(rounds: Sequence[Round], name: str, base: str, picture: str) -> dict[str, dict[str, float] | None]:
    """How many times as long as the base a face takes, within each round, by `time` and by `cpu` (processor time).

    None where one of them found no face.
    """
    pairs = [
        (turns[name][picture], turns[base][picture])
        for turns in rounds
        if {name, base} <= turns.keys() and turns[name][picture].faces and turns[base][picture].faces
    ]
    more_faces = [other.faces / own.faces for own, other in pairs]
    return {
        "time": _range([own.ms / other.ms * more for (own, other), more in zip(pairs, more_faces, strict=True)]),
        "cpu": _range([own.cpu_ms / other.cpu_ms * more for (own, other), more in zip(pairs, more_faces, strict=True)]),
    }


def _turn(peer: PeerProcess, path: Path, times: int) -> Turn:
    answer = peer.ask(do="time", picture=str(path), times=times)
    return Turn(median(answer["ms"]), float(answer["cpu_ms"]), int(answer["faces"]))


def _range(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {
        "median": rounded(median(values)),
        "p5": rounded(percentile(values, 5)),
        "p95": rounded(percentile(values, 95)),
    }
