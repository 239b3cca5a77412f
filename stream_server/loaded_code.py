"""The pages of programs and libraries in memory: what only the start has needed is let go of.

Loading a library reads its tables of symbols and relocations, and starting it runs through code that is never needed
again; ONNX Runtime alone leaves 22 MB of its file resident. Such pages belong to the file: once they are unmapped they
are not this process's memory any more, and what is needed again comes back from the file cache, a page fault each.
"""

import ctypes
import mmap
import os
import sys

_LOAD = 1  # PT_LOAD of elf.h
_WRITABLE = 2  # PF_W of elf.h
_ADDRESS = ctypes.c_size_t


class _Segment(ctypes.Structure):
    """Elf64_Phdr of elf.h."""

    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("physical", ctypes.c_uint64),
        ("file_bytes", ctypes.c_uint64),
        ("memory_bytes", ctypes.c_uint64),
        ("alignment", ctypes.c_uint64),
    )


class _Library(ctypes.Structure):
    """The head of dl_phdr_info of link.h."""

    _fields_ = (
        ("base", _ADDRESS),
        ("name", ctypes.c_char_p),
        ("segments", ctypes.POINTER(_Segment)),
        ("count", ctypes.c_uint16),
    )


_VISITOR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Library), ctypes.c_size_t, ctypes.c_void_p)


def let_go() -> int:
    """Unmap the pages of code and constants of every loaded library; how many bytes of address space that was.

    Takes some milliseconds. 0 where that cannot be done: it needs Linux on a processor of 64 bits.
    """
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return 0
    # With the interpreter lock held: the visitor runs under the loader's own lock, and a thread that imports something
    # takes these two in the same order.
    library = ctypes.PyDLL(None)
    if not hasattr(library, "dl_iterate_phdr"):
        return 0
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    page = os.sysconf("SC_PAGE_SIZE")
    done = 0

    # Under the loader's lock nothing can be loaded or unloaded: the addresses are what they are said to be. A segment
    # that cannot be written was never written, so what is in it is what is in the file. Segments that are written once,
    # when they are loaded, and protected then are marked as writable and left alone.
    def visit(about: "ctypes._Pointer[_Library]", _size: int, _data: int | None) -> int:
        nonlocal done
        for index in range(about.contents.count):
            segment = about.contents.segments[index]
            if segment.kind != _LOAD or segment.flags & _WRITABLE:
                continue
            address = about.contents.base + segment.address
            # Whole pages only: the first and the last might be shared with a segment that can be written.
            first, end = -(-address // page) * page, (address + segment.file_bytes) // page * page
            if first < end and library.madvise(first, end - first, mmap.MADV_DONTNEED) == 0:
                done += end - first
        return 0

    library.dl_iterate_phdr(_VISITOR(visit), None)
    return done
