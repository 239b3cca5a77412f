"""A control group of the kernel around one process: so much memory and processor, and what it used of them.

Version 1 (memory and cpu controllers, each in a tree of its own) or 2, whichever is there and writable. See
`cgroups(7)` and Documentation/admin-guide/cgroup-v1/memory.rst of Linux.
"""

import contextlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recognition.errors import UnavailableError

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
_REMOVE_WITHIN_S = 10.0


class NoControlGroups(UnavailableError):
    """This machine, or this user, cannot limit a process."""

    code = "no_control_groups"


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used of the limits so far; memory in MB (10^6 bytes), without what the kernel can drop."""

    memory_mb: float
    oom_kills: int
    periods: int
    throttled_periods: int
    throttled_s: float


class LimitedGroup(Protocol):
    """A group with limits."""

    @property
    def version(self) -> int:
        """Of the kernel's interface: 1 or 2."""

    @property
    def joined_by(self) -> tuple[str, ...]:
        """What goes before a command so that it runs within the limits."""

    def usage(self) -> Usage:
        """As it is now."""


@contextmanager
def limited(*, memory_bytes: int, cores: float, root: Path = ROOT) -> Iterator[LimitedGroup]:
    """A group with so much memory, no swap, and so many cores; it is removed when the block ends.

    Raises NoControlGroups when there is none that may be written.
    """
    name = f"rollcall-{secrets.token_hex(4)}"
    group = _V2(root / name) if (root / "cgroup.controllers").is_file() else _V1(root, name)
    try:
        group.make(memory_bytes, int(cores * PERIOD_US))
    except OSError as error:
        group.remove()
        raise NoControlGroups(
            f"no control group can be made below {root}: {error.strerror}",
            hint="run it as root, on a machine or in a container that may limit its processes",
        ) from error
    try:
        yield group
    finally:
        group.remove()


class _V1:
    version = 1

    def __init__(self, root: Path, name: str) -> None:
        self._memory, self._cpu = root / "memory" / name, root / "cpu" / name
        self.joined_by = _join(self._memory, self._cpu)

    def make(self, memory_bytes: int, quota_us: int) -> None:
        for folder in (self._memory, self._cpu):
            folder.mkdir()
        (self._memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
        with contextlib.suppress(FileNotFoundError):  # a kernel that does not account swap
            (self._memory / "memory.memsw.limit_in_bytes").write_text(str(memory_bytes))
        (self._cpu / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (self._cpu / "cpu.cfs_quota_us").write_text(str(quota_us))

    def usage(self) -> Usage:
        memory, cpu = _words(self._memory / "memory.stat"), _words(self._cpu / "cpu.stat")
        return Usage(
            memory_mb=(memory["total_rss"] + memory.get("total_shmem", 0)) / 1e6,
            oom_kills=_words(self._memory / "memory.oom_control").get("oom_kill", 0),
            periods=cpu["nr_periods"],
            throttled_periods=cpu["nr_throttled"],
            throttled_s=cpu["throttled_time"] / 1e9,
        )

    def remove(self) -> None:
        _remove(self._memory, self._cpu)


class _V2:
    version = 2

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.joined_by = _join(folder)

    def make(self, memory_bytes: int, quota_us: int) -> None:
        (self._folder.parent / "cgroup.subtree_control").write_text("+memory +cpu")
        self._folder.mkdir()
        (self._folder / "memory.max").write_text(str(memory_bytes))
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "memory.swap.max").write_text("0")
        (self._folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")

    def usage(self) -> Usage:
        memory, cpu = _words(self._folder / "memory.stat"), _words(self._folder / "cpu.stat")
        return Usage(
            memory_mb=(memory["anon"] + memory.get("shmem", 0)) / 1e6,
            oom_kills=_words(self._folder / "memory.events").get("oom_kill", 0),
            periods=cpu["nr_periods"],
            throttled_periods=cpu["nr_throttled"],
            throttled_s=cpu["throttled_usec"] / 1e6,
        )

    def remove(self) -> None:
        _remove(self._folder)


def _join(*folders: Path) -> tuple[str, ...]:
    # The shell becomes the command: the number of the process, and what signals reach, stay the same.
    script = "".join(f'echo $$ > "{folder}/cgroup.procs" && ' for folder in folders)
    return ("/bin/sh", "-c", f'{script}exec "$@"', "limited")


def _words(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}


def _remove(*folders: Path) -> None:
    for folder in folders:
        until = time.monotonic() + _REMOVE_WITHIN_S
        while folder.is_dir():
            try:
                folder.rmdir()
            except OSError:  # the kernel has not yet seen the last process off
                if time.monotonic() > until:
                    break
                time.sleep(0.05)
