"""How much memory the process holds, and how the C library is kept from holding more than it needs.

By default glibc gives every thread an arena of its own and, once a large block was freed, keeps blocks of that size for
later. Frames are large blocks on several threads: under load that came to 30 MB of free memory that nobody could use.
"""

import ctypes
import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")
_STATUS = Path("/proc/self/status")

# Of glibc's malloc.h. Setting a threshold also ends its growing by itself.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# A decoded frame of 640 x 480 stays on the heap (docs/performance.md: a tenth of a frame's time for some 5 MB).
_TRIM_BYTES = 1024 * 1024
_MMAP_BYTES = 2048 * 1024


def limit_malloc() -> bool:
    """One arena, and large blocks straight from and back to the kernel. Call before other threads start.

    False where the C library is not glibc and knows no such limits.
    """
    library = _libc()
    if library is None or not hasattr(library, "mallopt"):
        return False
    settings = ((_M_ARENA_MAX, 1), (_M_TRIM_THRESHOLD, _TRIM_BYTES), (_M_MMAP_THRESHOLD, _MMAP_BYTES))
    return all(library.mallopt(name, value) == 1 for name, value in settings)


def give_back() -> bool:
    """Give free memory back to the kernel; takes a few milliseconds. False where the C library cannot."""
    library = _libc()
    return library is not None and hasattr(library, "malloc_trim") and library.malloc_trim(0) == 1


def rss_mb() -> float:
    """Resident memory in MB (10^6 bytes); where the kernel does not say, the peak so far."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return peak_rss_mb()


def private_mb(pid: int) -> float:
    """Memory in MB that another process holds for itself alone, as heap and not as mapped files; 0 when it is gone."""
    held_kb = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                held_kb += int(line.split()[1])
    except OSError:
        return 0.0
    return held_kb * 1024 / 1e6


def peak_rss_mb() -> float:
    """The most resident memory of this process so far, in MB."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    # Elsewhere; on Linux this figure would be inherited from the process that started this one.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
