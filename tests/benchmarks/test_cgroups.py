import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cgroups import ROOT, NoControlGroups, limited

MEMORY_BYTES = 64 * 2**20


def test_what_runs_in_a_group_is_killed_when_it_takes_more_memory_and_the_group_says_so() -> None:
    try:
        with limited(memory_bytes=MEMORY_BYTES, cores=0.5) as group:
            greedy = "held = bytearray(200 * 2**20); held[::4096] = b'x' * len(held[::4096])"
            done = subprocess.run([*group.joined_by, sys.executable, "-c", greedy], check=False)
            usage = group.usage()
    except NoControlGroups as error:
        pytest.skip(str(error))
    assert done.returncode == -9
    assert usage.oom_kills == 1


def test_the_wrapper_becomes_the_command() -> None:
    try:
        with limited(memory_bytes=MEMORY_BYTES, cores=0.5) as group:
            script = "import os; print(os.getpid(), open('/proc/self/cgroup').read())"
            started = subprocess.Popen(
                [*group.joined_by, sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
            )
            words, _ = started.communicate()
    except NoControlGroups as error:
        pytest.skip(str(error))
    assert words.startswith(f"{started.pid} ")
    assert "rollcall-" in words


def test_a_group_leaves_nothing_behind() -> None:
    def groups() -> set[str]:
        return {folder for folder, _, _ in os.walk(ROOT) if "rollcall-" in folder}

    before = groups()
    try:
        with limited(memory_bytes=MEMORY_BYTES, cores=1):
            assert groups() > before
    except NoControlGroups as error:
        pytest.skip(str(error))
    assert groups() <= before


def test_version_2_is_understood(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    (tmp_path / "cgroup.subtree_control").write_text("")
    with limited(memory_bytes=MEMORY_BYTES, cores=0.25, root=tmp_path) as group:
        (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
        assert group.version == 2
        assert (folder / "memory.max").read_text() == str(MEMORY_BYTES)
        assert (folder / "cpu.max").read_text() == "25000 100000"
        (folder / "memory.stat").write_text("anon 5000000\nfile 9000000\nshmem 1000000\n")
        (folder / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
        (folder / "cpu.stat").write_text("usage_usec 1\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1500000\n")
        usage = group.usage()
        for file in folder.iterdir():
            file.unlink()
    assert (usage.memory_mb, usage.oom_kills) == (6.0, 1)
    assert (usage.periods, usage.throttled_periods, usage.throttled_s) == (10, 4, 1.5)


def test_where_nothing_may_be_written_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoControlGroups) as refused, limited(memory_bytes=1, cores=1, root=tmp_path / "nowhere"):
        pass
    assert "as root" in refused.value.hint
