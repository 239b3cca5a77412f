import ast
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import BASE, PEERS, ROOT, SLOWEST_KNOWN, TRANSPORT_BASE, Kind, named
from benchmarks.peers.process import runner


def test_every_peer_has_its_runner_its_lock_and_a_word_on_how_it_is_run() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    for peer in PEERS:
        assert runner(peer.runner).is_file()
        assert peer.environment.lock.exists()
        assert peer.how.endswith(".")
        assert (peer.distance_max is None) is (peer.kind is Kind.TRANSPORT)


def test_ratios_are_to_rollcall_as_it_is_without_any_setting() -> None:
    assert named(BASE).ours
    assert named(BASE).arguments == ("opencv",)
    assert named(TRANSPORT_BASE).kind is Kind.TRANSPORT
    assert not named(SLOWEST_KNOWN).ours
    with pytest.raises(KeyError):
        named("nobody")


@pytest.mark.parametrize("package", ["face-recognition", "dlib", "vladmandic/human", "tensorflow"])
def test_nothing_of_a_peer_is_ever_a_requirement_of_rollcall(package: str) -> None:
    files = [ROOT / "pyproject.toml", *(ROOT / "requirements").glob("*.txt"), ROOT / "web_client" / "package.json"]
    assert not [file.name for file in files if package in file.read_text("utf-8").lower()]


def test_what_runs_beside_a_peer_needs_nothing_of_rollcall() -> None:
    for name in ("answering.py", "face_recognition_peer.py", "opencv_peer.py", "websockets_peer.py"):
        tree = ast.parse(Path(runner(name)).read_text("utf-8"))
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {module.partition(".")[0] for module in modules}.isdisjoint(
            {"benchmarks", "recognition", "storage", "stream_server"}
        )
