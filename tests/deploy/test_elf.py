"""The cuts into ELF files, on libraries that the loader then loads."""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploy.elf import NotElf, hollow, stripped

LIBRARIES = Path(np.__file__).resolve().parent.parent / "numpy.libs"


def library(name: str) -> Path:
    found = sorted(LIBRARIES.glob(f"{name}-*.so*"))
    if not found:
        pytest.skip(f"this numpy brings no {name}")
    return found[0]


def in_new_process(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", f"import ctypes, sys\n{code}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_hollow_library_is_small_and_defines_what_the_whole_one_defines(tmp_path: Path) -> None:
    whole = library("libquadmath")
    path = tmp_path / whole.name
    path.write_bytes(hollow(whole.read_bytes(), whole.name, zero=True))
    assert path.stat().st_size * 10 < whole.stat().st_size
    loaded = ctypes.CDLL(str(path))
    for name in ("sqrtq", "cosq", "strtoflt128"):
        assert getattr(ctypes.CDLL(str(whole)), name)
        assert getattr(loaded, name)() == 0
    with pytest.raises(AttributeError):
        _ = loaded.no_such_function


def test_what_is_linked_to_it_loads_as_before_with_all_symbols_bound(tmp_path: Path) -> None:
    """libgfortran asks for libquadmath's symbols by version; the loader refuses it when one is missing."""
    quadmath, fortran = library("libquadmath"), library("libgfortran")
    path = tmp_path / quadmath.name
    path.write_bytes(hollow(quadmath.read_bytes(), quadmath.name))
    # Loaded first, it is the one that libgfortran finds by its name.
    code = "ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL); ctypes.CDLL(sys.argv[2], mode=2); print('loaded')"
    ended = in_new_process(code, path, fortran)
    assert ended.stdout == "loaded\n", ended.stderr
    maps = in_new_process(f"{code}\nprint(open('/proc/self/maps').read())", path, fortran).stdout
    assert str(path) in maps
    assert str(quadmath) not in maps


def test_a_call_into_a_hollow_library_ends_the_process(tmp_path: Path) -> None:
    whole = library("libquadmath")
    path = tmp_path / whole.name
    path.write_bytes(hollow(whole.read_bytes(), whole.name))
    ended = in_new_process("ctypes.CDLL(sys.argv[1]).sqrtq()", path)
    assert ended.returncode < 0


def test_it_does_not_make_the_stack_executable(tmp_path: Path) -> None:
    whole = library("libquadmath")
    path = tmp_path / whole.name
    path.write_bytes(hollow(whole.read_bytes(), whole.name))
    code = "ctypes.CDLL(sys.argv[1]); print([line for line in open('/proc/self/maps') if '[stack]' in line])"
    assert "rw-p" in in_new_process(code, path).stdout


def test_a_stripped_library_works(tmp_path: Path) -> None:
    whole = library("libquadmath").read_bytes()
    path = tmp_path / "stripped.so"
    path.write_bytes(stripped(whole + b"debugging symbols" * 1000))
    assert path.stat().st_size < len(whole)
    assert ctypes.CDLL(str(path)).strtoflt128
    assert stripped(path.read_bytes()) == path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"INPUT(libz.so)", b"\x7fELF\x01\x01\x01" + bytes(100), b"\x7fELF"])
def test_what_is_no_elf_file_is_refused(content: bytes) -> None:
    with pytest.raises(NotElf):
        stripped(content)
    with pytest.raises(NotElf):
        hollow(content, "lib.so")


def test_a_library_of_an_unknown_machine_is_not_hollowed() -> None:
    whole = bytearray(library("libquadmath").read_bytes())
    whole[18] = 8  # MIPS
    with pytest.raises(NotElf, match="machine 8"):
        hollow(bytes(whole), "lib.so")
