import os
import subprocess
import sys

import pytest

from benchmarks import processes

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of other processes")
NOBODY = 2**30


@linux_only
def test_a_process_has_a_peak_and_has_used_the_processor() -> None:
    peak_mb, used_s = processes.peak_rss_mb(os.getpid()), processes.cpu_s(os.getpid())
    assert peak_mb is not None
    assert peak_mb > 5
    assert used_s is not None
    assert used_s > 0


@linux_only
def test_a_process_that_does_not_use_webrtc_has_none_of_its_files() -> None:
    files = processes.webrtc_files(os.getpid())
    assert files is not None
    assert ("aiortc" in sys.modules) or files == []


def test_of_a_process_that_is_not_there_nothing_is_known() -> None:
    assert processes.peak_rss_mb(NOBODY) is None
    assert processes.cpu_s(NOBODY) is None
    assert processes.webrtc_files(NOBODY) is None


def test_processes_are_counted_by_a_word_of_their_command_line() -> None:
    assert processes.count_of(os.getpid(), "a-word-of-mine") == 0
    child = subprocess.Popen([sys.executable, "-c", "input() # a-word-of-mine"], stdin=subprocess.PIPE)
    assert processes.count_of(os.getpid(), "a-word-of-mine") == 1
    child.communicate()
    assert processes.count_of(os.getpid(), "a-word-of-mine") == 0
