"""What the kernel says of another process. Only Linux tells; elsewhere every answer is None."""

import contextlib
import os
from pathlib import Path

# Compiled parts of aiortc and of what only it needs: their files show in the memory map once they are imported.
_WEBRTC_PARTS = ("/aiortc/", "/pylibsrtp/", "/google_crc32c/")


def peak_rss_mb(pid: int) -> float | None:
    """The most resident memory so far, in MB (10^6 bytes).

    Not from `getrusage`: that peak is handed down from the process that started this one.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), None)


def cpu_s(pid: int) -> float | None:
    """Processor time used so far, in seconds."""
    try:
        # The name, in brackets, may hold spaces; user and system time are the 12th and 13th field behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def webrtc_files(pid: int) -> list[str] | None:
    """The names of the compiled files of aiortc that the process has loaded."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[5] for line in lines if any(part in line for part in _WEBRTC_PARTS)}
    return sorted(Path(path).name for path in paths)


def count_of(pid: int, word: str) -> int:
    """How many processes that run now and come from this one have the word in their command line."""
    import psutil

    count = 0
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            count += any(word in part for part in child.cmdline())
    return count
