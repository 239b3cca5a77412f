"""The steps before a server starts, each a real process."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_server.commands import preparation

STEP = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in *"$FAILS"*) exit 3;; *"$HANGS"*) exec sleep 60;; esac
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for Python writes down what it was called with."""
    program = tmp_path / "python"
    program.write_text(STEP)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    for name, value in (("LOG", str(tmp_path / "log")), ("FAILS", "nothing"), ("HANGS", "nothing")):
        monkeypatch.setenv(name, value)
    return tmp_path / "log"


def test_models_come_first_and_only_what_is_asked_for(log: Path) -> None:
    preparation.prepare(models=False, database=False)
    assert not log.exists()
    preparation.prepare(models=True, database=True)
    assert log.read_text().splitlines() == ["-m stream_server models fetch", "-m stream_server db upgrade --wait 30"]


def test_a_step_that_fails_ends_it_with_the_same_code(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "models fetch")
    with pytest.raises(SystemExit) as ended:
        preparation.prepare(models=True, database=True)
    assert ended.value.code == 3
    assert len(log.read_text().splitlines()) == 1


def test_signals_are_handled_as_before_when_it_is_done(log: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    preparation.prepare(models=False, database=True)
    assert signal.getsignal(signal.SIGTERM) is before


def test_told_to_stop_it_stops_its_step_and_ends_in_order(log: Path, tmp_path: Path) -> None:
    code = "import sys; from stream_server.commands.preparation import prepare; program = sys.argv.pop()\n"
    code += "sys.executable = program; prepare(models=False, database=True); sys.exit(7)"
    process = subprocess.Popen(
        [os.path.realpath("/proc/self/exe"), "-c", code, str(tmp_path / "python")],
        env={**os.environ, "HANGS": "db upgrade", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while not log.exists():
        time.sleep(0.02)
    process.terminate()
    assert process.wait(20) == 0
