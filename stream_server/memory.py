"""How much memory the process holds."""

import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")


def rss_mb() -> float:
    """Resident memory in MB (10^6 bytes); where the kernel does not say, the peak so far."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return peak_rss_mb()


def peak_rss_mb() -> float:
    """The most resident memory so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
