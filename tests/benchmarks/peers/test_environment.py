import json
import os
from pathlib import Path

import pytest

from benchmarks.peers import environment
from benchmarks.peers.catalogue import PEERS, Environment
from benchmarks.peers.environment import NotInstalled, install, reason, size_of


def test_files_are_weighed_once_and_links_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(bytes(100))
    (tmp_path / "two").write_bytes(bytes(20))
    os.link(tmp_path / "two", tmp_path / "a" / "two again")
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    assert size_of([tmp_path]) == 120
    assert size_of([tmp_path / "two", tmp_path / "nothing"]) == 20


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("", "no reason was given"),
        ("warning: x\nERROR: no  matching\nnotice", "ERROR: no matching"),
        ("npm error code E404\nnpm error 404 x", "npm error code E404"),
        ("ERROR: cannot reach https://user:secret@registry.example/simple now", "ERROR: cannot reach (address) now"),
        ("one\ntwo", "two"),
    ],
)
def test_the_reason_is_one_line_without_an_address(stderr: str, said: str) -> None:
    assert reason(stderr) == said


def test_what_cannot_be_installed_says_why_and_is_tried_again(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("nothing-like-this\n")  # without a hash, which pip refuses before it asks anybody
    wanted = Environment("broken", lock)
    for _ in range(2):
        with pytest.raises(NotInstalled, match="broken cannot be installed: ERROR"):
            install(wanted, tmp_path / "build")


def test_an_environment_is_installed_once_for_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installs: list[str] = []

    def pretend(wanted: Environment, home: Path) -> None:
        installs.append(wanted.name)
        (home / "node_modules").mkdir()
        (home / "node_modules" / "x.js").write_bytes(bytes(7))

    monkeypatch.setattr(environment, "_install_npm", pretend)
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": {}}))
    wanted = Environment("one", tmp_path)
    assert [install(wanted, tmp_path / "build").bytes for _ in range(2)] == [7, 7]
    assert installs == ["one"]
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": {"x": {}}}))
    install(wanted, tmp_path / "build")
    assert installs == ["one", "one"]


def test_every_lock_is_there_pinned_and_names_no_host() -> None:
    for wanted in {peer.environment for peer in PEERS}:
        lock = wanted.lock / "package-lock.json" if wanted.is_npm else wanted.lock
        text = lock.read_text("utf-8")
        # What npm calls the "url" of a package is where its makers ask for money.
        assert not [
            line for line in text.splitlines() if "://" in line and '"url"' not in line and "funding" not in line
        ]
        assert '"resolved"' not in text
        assert ("integrity" if wanted.is_npm else "--hash=sha256:") in text
