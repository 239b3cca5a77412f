"""Made files of the kernel: a host with control groups of one kind or the other."""

from pathlib import Path

MIB = 2**20


class Host:
    """Folders that look like /sys/fs/cgroup and /proc. Memory of the machine: 8 GiB, of which 6 are free."""

    def __init__(self, folder: Path) -> None:
        self.cgroups, self.proc = folder / "cgroup", folder / "proc"
        self.put(self.proc / "meminfo", f"MemTotal: {8 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {6 * 2**20} kB\n")

    def put(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def is_in(self, *lines: str) -> None:
        """The lines of /proc/self/cgroup."""
        self.put(self.proc / "self" / "cgroup", "".join(line + "\n" for line in lines))

    def group_v2(self, path: str, **files: str) -> None:
        """A group of v2; `memory_max="max"` is its file memory.max."""
        self.put(self.cgroups / "cgroup.controllers", "cpu memory\n")
        for name, text in files.items():
            self.put(self.cgroups / path / name.replace("_", ".", 1), text + "\n")

    def group_v1(self, controller: str, path: str, **files: str) -> None:
        """A group of v1; `memory__limit_in_bytes="1"` is its file memory.limit_in_bytes."""
        for name, text in files.items():
            self.put(self.cgroups / controller / path / name.replace("__", ".", 1), text + "\n")

    def container(self, *, limit_mib: int = 256, used_mib: int = 100, cpu_max: str = "50000 100000") -> None:
        """What a container of a free tier sees: its own group as the root."""
        self.is_in("0::/")
        self.group_v2(
            "",
            memory_max=str(limit_mib * MIB),
            memory_current=str(used_mib * MIB),
            memory_stat="anon 1\ninactive_file 0\nactive_file 0\nslab_reclaimable 0",
            cpu_max=cpu_max,
        )
