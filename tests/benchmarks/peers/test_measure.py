import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import measure
from benchmarks.peers.accuracy import Recall
from benchmarks.peers.catalogue import Environment, Kind, Peer
from benchmarks.peers.environment import Installed, NotInstalled
from benchmarks.peers.sets import Labelled, PictureSets

# A peer that sees one face in every picture, as wide as the first byte of the file says.
RUNNER = """
import json, pathlib, sys
for line in sys.stdin:
    order = json.loads(line)
    face = {"box": [0, 0, 40, 60], "embedding": [1.0, 0.0]}
    answers = {
        "facts": {"versions": {"seer": "1"}},
        "look": {"faces": [face]},
        "portrait": {"face": {"template": [1.0, 0.0], "probe": [1.0, 0.0]}},
        "time": {"ms": [2.0] * order.get("times", 1), "cpu_ms": 2.0, "faces": 1},
    }
    print(json.dumps(answers[order["do"]]), flush=True)
"""


def peer(name: str, environment: str = "there", ours: bool = False) -> Peer:
    lock = Environment(environment, Path("lock.txt"))
    return Peer(name, name, Kind.RECOGNITION, lock, "runner.py", "As it is.", distance_max=0.5, ours=ours)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Measures scripted peers on made-up pictures; the environment `missing` cannot be installed."""
    script = tmp_path / "runner.py"
    script.write_text(RUNNER)
    pictures = tmp_path / "picture.jpg"
    pictures.write_bytes(b"\xff")
    labelled = Labelled(pictures, (((0.0, 0.0, 40.0, 60.0), "ann"),))

    def install(environment: Environment) -> Installed:
        if environment.name == "missing":
            raise NotInstalled("missing cannot be installed: no registry")
        return Installed(environment, tmp_path, Path(sys.executable), 12_300_000)

    sets = PictureSets(dict.fromkeys(("four", "small", "empty"), pictures), (labelled,), (labelled,))
    monkeypatch.setattr(measure, "install", install)
    monkeypatch.setattr(measure, "runner", lambda name: script)
    monkeypatch.setattr(measure, "picture_sets", lambda *_: sets)
    steps: list[tuple[str, float]] = []

    def go(*peers: Peer) -> list[measure.Row]:
        return measure.measure(
            peers,
            tmp_path,
            faces_dir=None,
            mirror=None,
            plan=measure.Plan(rounds=2, starts=1, load=measure.QUICK.load),
            advance=lambda step, done: steps.append((step, done)),
        )

    return go


def test_each_peer_becomes_a_row_with_everything_that_was_measured(run: Any) -> None:
    first, second = run(peer("rollcall"), peer("seer"))
    assert first["error"] is second["error"] is None
    assert second["facts"] == {"versions": {"seer": "1"}}
    assert second["installed"]["mb"] == 12.3
    assert second["first_answer_s"] > 0
    assert second["time"]["four"]["ms_per_face"] == 2.0
    assert second["per_face_ratio"]["time"]["median"] == 1.0
    found = second["accuracy"]["photographs"]
    assert found["large"] == found["small"] == Recall(1, 1, 0).as_dict()
    assert found["rank1"] == 1.0
    assert "portraits" not in second["accuracy"]


def test_one_that_cannot_be_installed_is_a_row_that_says_why_and_the_others_are_measured(run: Any) -> None:
    first, second, third = run(peer("rollcall"), peer("gone", environment="missing"), peer("seer"))
    assert second["error"] == "missing cannot be installed: no registry"
    assert second["recognises"]
    assert "time" not in second
    assert first["time"]
    assert third["time"]


def test_one_that_fails_at_its_first_picture_is_a_row_that_says_why(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "runner", lambda name: Path("/nothing/like/this.py"))
    (row,) = run(peer("rollcall"))
    assert row["error"].startswith("rollcall ended: ")
