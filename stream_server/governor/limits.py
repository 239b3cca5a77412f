"""How much memory and processor this process may use: by its control groups (v1 or v2), else by the machine.

Files of the kernel, described in its Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst. Where they lie
is passed in, so that everything here can be tried on files that a test makes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")

# What v1 says for "no limit" is the largest number of pages in bytes; no machine has so much.
_NO_LIMIT_BYTES = 1 << 60
_LAST_BYTES = 1 << 30


class Source(StrEnum):
    """Where a figure is from."""

    CGROUP_V1 = "cgroup v1"
    CGROUP_V2 = "cgroup v2"
    MACHINE = "machine"
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory in use out of a limit, in bytes. What the kernel can take back at once, such as file cache, is not used.

    `stalled_share` is the part of the last 10 s in which something of the group waited for memory (PSI, "some"), 0..1;
    None where the kernel does not tell.
    """

    used_bytes: int
    limit_bytes: int
    source: Source
    stalled_share: float | None = None

    @property
    def share(self) -> float:
        """The part of the limit that is used, 0..1 and a little more.

        A machine is everybody's, and a large one is not short of memory while a gigabyte of it is left: there it is the
        part of its last gigabyte.
        """
        if self.source is Source.MACHINE:
            scale = min(max(1, self.limit_bytes), _LAST_BYTES)
            return max(0.0, 1 - (self.limit_bytes - self.used_bytes) / scale)
        return self.used_bytes / max(1, self.limit_bytes)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the process may use: bytes of memory, and processors (0.5 is half of one)."""

    memory_bytes: int
    memory_source: Source
    cpus: float
    cpu_source: Source


def read_limits(*, cgroups: Path = CGROUPS, proc: Path = PROC, cpus_of_machine: int) -> Limits:
    """The tightest limit of each kind among the process's groups and their parents, and the machine's own size."""
    uses = memory_uses(cgroups=cgroups, proc=proc)
    tightest = min(uses, key=lambda use: use.limit_bytes, default=MemoryUse(0, 1 << 33, Source.MACHINE))
    cpus, source = float(cpus_of_machine), Source.MACHINE
    for quota, its_source in _quotas(cgroups, proc):
        if quota < cpus:
            cpus, source = quota, its_source
    return Limits(tightest.limit_bytes, tightest.source, cpus, source)


def machine_cpus() -> int:
    """Processors that the process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def memory_uses(*, cgroups: Path = CGROUPS, proc: Path = PROC) -> list[MemoryUse]:
    """Use and limit of every group above the process that has a limit, and of the machine. Never raises."""
    uses = [*_uses_v2(cgroups, proc), *_uses_v1(cgroups, proc)]
    machine = _machine(proc)
    return uses if machine is None else [*uses, machine]


def _uses_v2(cgroups: Path, proc: Path) -> Iterator[MemoryUse]:
    for folder in _folders(_unified(cgroups), _group_paths(proc).get("")):
        limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
        if limit is None or used is None:
            continue
        stat = _pairs(folder / "memory.stat")
        cache = stat.get("inactive_file", 0) + stat.get("active_file", 0) + stat.get("slab_reclaimable", 0)
        yield MemoryUse(max(0, used - cache), limit, Source.CGROUP_V2, _stalled(folder / "memory.pressure"))


def _uses_v1(cgroups: Path, proc: Path) -> Iterator[MemoryUse]:
    for folder in _folders(cgroups / "memory", _group_paths(proc).get("memory")):
        limit, used = _number(folder / "memory.limit_in_bytes"), _number(folder / "memory.usage_in_bytes")
        if limit is None or used is None or limit >= _NO_LIMIT_BYTES:
            continue
        stat = _pairs(folder / "memory.stat")
        cache = stat.get("total_inactive_file", 0) + stat.get("total_active_file", 0)
        yield MemoryUse(max(0, used - cache), limit, Source.CGROUP_V1)


def _machine(proc: Path) -> MemoryUse | None:
    memory = _pairs(proc / "meminfo")
    total, available = memory.get("MemTotal:"), memory.get("MemAvailable:")
    if not total or available is None:
        return None
    return MemoryUse((total - available) * 1024, total * 1024, Source.MACHINE)


def _quotas(cgroups: Path, proc: Path) -> Iterator[tuple[float, Source]]:
    paths = _group_paths(proc)
    for folder in _folders(_unified(cgroups), paths.get("")):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            yield int(quota) / int(period), Source.CGROUP_V2
    mounted = next((name for name in ("cpu", "cpu,cpuacct") if (cgroups / name).is_dir()), None)
    if mounted is not None:
        for folder in _folders(cgroups / mounted, paths.get("cpu")):
            length, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
            if length is not None and length > 0 and period_us:
                yield length / period_us, Source.CGROUP_V1


def _unified(cgroups: Path) -> Path:
    """The mount of v2: on machines that have both, it lies in a folder of its own."""
    return cgroups if (cgroups / "cgroup.controllers").exists() else cgroups / "unified"


def _group_paths(proc: Path) -> dict[str, str]:
    """The group of the process by controller; "" is v2."""
    paths: dict[str, str] = {}
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def _folders(mount: Path, path: str | None) -> Iterator[Path]:
    """The group's folder and its parents up to the mount.

    In a container without a namespace of groups, the path is that of the host and the mount is the group itself.
    """
    if path is None or not mount.is_dir():
        return
    folder = mount
    found = [mount]
    for part in path.split("/"):
        if part in ("", "."):
            continue
        folder = folder / part
        if part == ".." or not folder.is_dir():
            break
        found.append(folder)
    yield from reversed(found)


def _stalled(path: Path) -> float | None:
    for line in _text(path).splitlines():
        kind, *fields = line.split()
        if kind == "some":
            for field in fields:
                name, _, value = field.partition("=")
                if name == "avg10":
                    try:
                        return float(value) / 100
                    except ValueError:
                        return None
    return None


def _pairs(path: Path) -> dict[str, int]:
    found = {}
    for line in _text(path).splitlines():
        name, *rest = line.split()
        if rest and rest[0].isdigit():
            found[name] = int(rest[0])
    return found


def _number(path: Path) -> int | None:
    """None for a file that is not there or says `max`."""
    try:
        return int(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
