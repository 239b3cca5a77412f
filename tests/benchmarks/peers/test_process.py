import os
import sys
from pathlib import Path

import pytest

from benchmarks.peers.process import PeerFailed, PeerProcess, off_last_core, on_last_core

ECHO = """
import json, os, sys
for line in sys.stdin:
    order = json.loads(line)
    if order["do"] == "end":
        sys.exit("enough")
    if order["do"] == "refuse":
        print(json.dumps({"error": "ValueError: not this\\nand a trace"}), flush=True)
        continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    print(json.dumps({**order, "cores": cores, "threads": os.environ["OMP_NUM_THREADS"]}), flush=True)
"""


@pytest.fixture
def echo(tmp_path: Path) -> PeerProcess:
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    return PeerProcess("echo", [sys.executable, str(script)])


def test_a_process_answers_orders_on_one_core_with_one_thread(echo: PeerProcess) -> None:
    with echo:
        assert echo.ask(do="say", word="x") == {"do": "say", "word": "x", "cores": 1, "threads": "1"}
        if sys.platform == "linux":
            assert (echo.peak_mb() or 0) > 5


def test_a_process_that_says_no_is_named_with_one_line_and_goes_on(echo: PeerProcess) -> None:
    with echo:
        with pytest.raises(PeerFailed, match=r"^echo: ValueError: not this$"):
            echo.ask(do="refuse")
        assert echo.ask(do="say")["do"] == "say"


def test_a_process_that_ends_is_named_with_its_last_words(echo: PeerProcess) -> None:
    with echo, pytest.raises(PeerFailed, match="echo ended: enough"):
        echo.ask(do="end")


def test_a_program_that_is_not_there_fails_like_any_other() -> None:
    with pytest.raises(PeerFailed, match="cannot be started"):
        PeerProcess("none", ["/nothing/like/this"]).start()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system knows no affinity")
def test_this_process_keeps_its_own_cores() -> None:
    before = os.sched_getaffinity(0)
    with on_last_core():
        assert os.sched_getaffinity(0) == {max(before)}
        with off_last_core():  # there is no other
            assert os.sched_getaffinity(0) == {max(before)}
    with off_last_core():
        assert os.sched_getaffinity(0) == (before - {max(before)} or before)
    assert os.sched_getaffinity(0) == before
