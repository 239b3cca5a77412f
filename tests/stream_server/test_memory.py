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
