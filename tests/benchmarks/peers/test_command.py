import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.peers import command
from tests.benchmarks.peers.rows import failed, receiver, row


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command measures."""
    measured = [row("rollcall"), row("face_recognition", ratio=24.0), receiver("websockets")]

    def measure(peers: Any, models_dir: Path, *, advance: Any, **_: Any) -> list[dict[str, Any]]:
        advance("rollcall: install", 1.0)
        return measured

    monkeypatch.setattr(command, "measure", measure)
    return measured


def run(tmp_path: Path, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["peers", "--output", str(tmp_path), *arguments])


def test_the_command_writes_results_page_and_plot(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "peers.json").read_text("utf-8"))["peers"]
    assert [(kept["name"], kept["quick"]) for kept in written] == [
        ("rollcall", False),
        ("face_recognition", False),
        ("websockets", False),
    ]
    assert written[0]["machine"]["cores"] >= 1
    assert "# Beside its peers" in (tmp_path / "PEERS.md").read_text("utf-8")
    assert (tmp_path / "peers.svg").read_text("utf-8").startswith("<svg")


def test_a_peer_that_fails_does_not_fail_the_command_but_rollcall_does(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows[1] = failed("face_recognition", "no registry")
    assert run(tmp_path).exit_code == 0
    rows[0] = failed("rollcall", "no models")
    assert run(tmp_path).exit_code == 1


def test_with_json_standard_output_is_one_document(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    done = run(tmp_path, "--json", "--quick")
    assert [kept["quick"] for kept in json.loads(done.stdout)] == [True, True, True]


@pytest.mark.parametrize(("quick", "updated"), [(False, True), (True, False)])
def test_only_a_full_run_into_the_usual_folder_updates_the_readme(
    rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool, updated: bool
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- peers -->\n<!-- /peers -->\n", "utf-8")
    monkeypatch.setattr(command, "README", readme)
    monkeypatch.setattr(command, "OUTPUT", tmp_path)
    assert run(tmp_path, *(["--quick"] if quick else [])).exit_code == 0
    assert ("| The rollcall |" in readme.read_text("utf-8")) is updated


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (("human",), ["rollcall", "human"]),
        (("websockets",), ["rollcall-receiver", "websockets"]),
        (("rollcall",), ["rollcall"]),
    ],
)
def test_rollcall_is_measured_with_whoever_is_asked_for(only: tuple[str, ...], names: list[str]) -> None:
    assert [peer.name for peer in command.chosen(only)] == names


def test_without_a_name_everybody_is_measured() -> None:
    assert command.chosen(()) == list(command.PEERS)
