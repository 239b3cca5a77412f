"""The pages of programs and libraries in memory: what only the start has needed is let go of.

Loading a library reads its tables of symbols and relocations, and starting it runs through code that is never needed
again; ONNX Runtime alone leaves 22 MB of its file resident. Such pages belong to the file: once they are unmapped they
are not this process's memory any more, and what is needed again comes back from the file cache, a page fault each.
"""

import contextlib
import ctypes
import mmap
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

# A line of /proc/PID/smaps that begins a mapping: addresses, rights, offset, device, inode, path. Figures follow.
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (....) [0-9a-f]+ \S+ \d+ +(/.+)")


class Mapping(NamedTuple):
    """A part of a file in memory, from address `start` up to `end`."""

    start: int
    end: int
    path: str


def let_go() -> int:
    """Unmap the pages of code and constants of every loaded library; how many bytes of address space that was.

    Takes about ten milliseconds. 0 where that cannot be done: it needs Linux.
    """
    if sys.platform != "linux":
        return 0
    # First what stays where it is, then where that is. Reading the tables of the loader itself would not do: code of
    # Python that runs under the loader's lock ends in a deadlock with a thread that imports something.
    staying = {path for path in {mapping.path for mapping in _unwritten()} if _stays(path)}
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    done = 0
    for start, end, path in _unwritten():
        if path in staying and madvise(start, end - start, mmap.MADV_DONTNEED) == 0:
            done += end - start
    return done


def _unwritten() -> list[Mapping]:
    with Path("/proc/self/smaps").open(encoding="utf-8", errors="surrogateescape") as lines:
        return list(unwritten(lines))


def unwritten(smaps: Iterable[str]) -> Iterator[Mapping]:
    """The mappings of files of which every page is what the file says, and which nobody can write to.

    What a loader has relocated and protected then cannot be written either, but has pages of the process's own.
    """
    mapping = None
    for line in smaps:
        if (found := _MAPPING.match(line)) is not None:
            start, end, rights, path = found.groups()
            mapping = Mapping(int(start, 16), int(end, 16), path) if "w" not in rights and "s" not in rights else None
        elif mapping is not None and line.startswith("Anonymous:"):
            if line.split()[1] == "0":
                yield mapping
            mapping = None


@cache
def _stays(path: str) -> bool:
    """Whether a file is the program, or a library that is loaded; if so it is held, and is not unloaded any more."""
    if path == os.path.realpath("/proc/self/exe"):
        return True
    with contextlib.suppress(OSError):
        ctypes.CDLL(path, os.RTLD_LAZY | os.RTLD_NOLOAD | os.RTLD_NODELETE)
        return True
    return False
