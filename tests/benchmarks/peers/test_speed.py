from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import speed
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.speed import Turn

PICTURES = {"four": Path("four.jpg")}


class Scripted:
    """A peer that takes a set time, and may fail at one of its turns."""

    def __init__(self, name: str, log: list[str], ms: float = 10.0, fails_at: int | None = None) -> None:
        self._name, self._log, self._ms, self._fails_at = name, log, ms, fails_at
        self.asked: list[int] = []

    def ask(self, **order: Any) -> dict[str, Any]:
        self._log.append(self._name)
        if len(self.asked) == self._fails_at:
            raise PeerFailed("no more")
        self.asked.append(order["times"])
        return {"ms": [self._ms] * order["times"], "cpu_ms": self._ms, "faces": 4}


def run(
    peers: dict[str, Any], rounds: int, pictures: dict[str, Path] = PICTURES
) -> tuple[list[speed.Round], dict[str, str], list[float]]:
    failed: dict[str, str] = {}
    done: list[float] = []
    results = speed.interleaved(
        peers,
        pictures,
        rounds=rounds,
        advance=done.append,
        failed=lambda name, error: failed.update({name: str(error)}),
    )
    return results, failed, done


def test_each_round_asks_everybody_and_another_one_first() -> None:
    log: list[str] = []
    results, failed, done = run({name: Scripted(name, log) for name in "abc"}, 3)
    assert ["".join(log[i : i + 3]) for i in range(3, 12, 3)] == ["abc", "bca", "cab"]
    assert [set(turns) for turns in results] == [{"a", "b", "c"}] * 3
    assert not failed
    assert done[-1] == 1.0


def test_the_first_round_is_not_counted_and_tells_how_long_a_turn_is() -> None:
    peers = {"quick": Scripted("quick", [], ms=20.0), "slow": Scripted("slow", [], ms=900.0)}
    results, _, _ = run(peers, 2)
    assert len(results) == 2
    assert peers["quick"].asked == [2, 15, 15]
    assert peers["slow"].asked == [2, 2, 2]


def test_one_that_fails_is_named_and_the_others_go_on() -> None:
    log: list[str] = []
    results, failed, _ = run({"a": Scripted("a", log), "b": Scripted("b", log, fails_at=2)}, 3)
    assert list(failed) == ["b"]
    assert "no more" in failed["b"]
    assert [sorted(turns) for turns in results] == [["a", "b"], ["a"], ["a"]]


def test_all_look_at_one_picture_before_the_next() -> None:
    log: list[str] = []
    run({name: Scripted(name, log) for name in "ab"}, 1, {"four": Path("four.jpg"), "empty": Path("empty.jpg")})
    assert "".join(log[4:]) == "abab"


@pytest.mark.parametrize(("ms", "times"), [(0.0, 40), (5.0, 40), (100.0, 3), (5000.0, 2)])
def test_a_turn_is_a_few_tenths_of_a_second_and_at_least_two_pictures(ms: float, times: int) -> None:
    assert speed.turn_length(ms) == times


def test_ratios_are_taken_within_a_round_so_that_a_slow_moment_falls_on_both() -> None:
    def turns(base_ms: float, peer_ms: float) -> speed.Round:
        return {"base": {"four": Turn(base_ms, base_ms, 4)}, "peer": {"four": Turn(peer_ms, peer_ms, 4)}}

    rounds = [turns(10, 100), turns(30, 300), turns(20, 200)]
    told = speed.figures(rounds, "peer", "base")["four"]
    assert told["ratio"] == {"median": 10.0, "p5": 10.0, "p95": 10.0}
    assert (told["ms"], told["ms_per_face"], told["faces"]) == (200.0, 50.0, 4)


def test_a_face_is_compared_with_a_face_when_not_all_were_found() -> None:
    rounds: list[speed.Round] = [{"base": {"four": Turn(20, 20, 4)}, "peer": {"four": Turn(100, 40, 2)}}]
    ratios = speed.per_face_ratios(rounds, "peer", "base", "four")
    assert ratios["time"] is not None
    assert ratios["cpu"] is not None
    assert (ratios["time"]["median"], ratios["cpu"]["median"]) == (10.0, 4.0)
    rounds = [{"base": {"four": Turn(20, 20, 4)}, "peer": {"four": Turn(100, 100, 0)}}]
    assert speed.per_face_ratios(rounds, "peer", "base", "four") == {"time": None, "cpu": None}
    assert speed.figures(rounds, "peer", "base")["four"]["ms_per_face"] is None
