import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stream_server import memory


def test_resident_memory_is_told_in_megabytes() -> None:
    assert 10 < memory.rss_mb() < 10_000


def test_the_peak_is_not_below_what_is_held_now() -> None:
    held = np.ones(4_000_000)  # 32 MB that are really touched
    assert memory.peak_rss_mb() >= memory.rss_mb() * 0.99
    assert held.nbytes / 1e6 < memory.peak_rss_mb()


def test_the_peak_stands_in_where_the_kernel_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATM", tmp_path / "nothing")
    assert memory.rss_mb() == pytest.approx(memory.peak_rss_mb(), rel=0.05)


def in_a_child(code: str) -> list[str]:
    """What a process of its own prints: the limits hold for a whole process and for good."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_with_the_limits_a_freed_large_block_goes_back_to_the_kernel() -> None:
    # Freeing a block of 20 MB makes glibc keep the next ones of up to that size; with the limits it does not.
    code = """
import numpy as np
from stream_server.memory import limit_malloc, rss_mb
LIMIT and limit_malloc()
np.ones(2_500_000)
blocks = [np.ones(400_000) for _ in range(20)]
keep = blocks[-1]
full = rss_mb()
del blocks
print(full - rss_mb())
"""
    (freed_without,) = in_a_child(code.replace("LIMIT", "False"))
    (freed_with,) = in_a_child(code.replace("LIMIT", "True"))
    assert float(freed_with) > 40 > float(freed_without)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_free_memory_is_given_back_when_asked() -> None:
    code = """
import numpy as np
from stream_server.memory import give_back, rss_mb
np.ones(2_500_000)
blocks = [np.ones(10_000) for _ in range(600)]
keep = blocks[-1]
del blocks
before = rss_mb()
print(give_back(), before - rss_mb())
"""
    said, freed = in_a_child(code)
    assert said == "True"
    assert float(freed) > 20


def test_where_the_c_library_has_no_such_limits_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_libc", lambda: None)
    assert memory.limit_malloc() is False
    assert memory.give_back() is False
