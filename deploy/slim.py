"""Take out of installed packages what the server never loads: `python -m deploy.slim SITE_PACKAGES`.

A step of the image's build. It prints what it took, how much and why; `python -m deploy.check` then proves that what is
left imports and recognises a face. `RULES` is the whole list.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from deploy.elf import NotElf, hollow, stripped


class Cut(StrEnum):
    """What is done with the files of a rule."""

    REMOVE = "remove"
    HOLLOW = "hollow"
    """Replaced by an empty library of the same name: calling it ends the process."""
    HOLLOW_ZERO = "hollow, answers 0"
    """The same, but a call answers 0: for what its user asks at once whether it is there."""
    STRIP = "strip"


@dataclass(frozen=True, slots=True)
class Rule:
    """Glob patterns below site-packages, what is done with what they find, and why nobody misses it."""

    cut: Cut
    patterns: tuple[str, ...]
    why: str


_FFMPEG = ("avcodec", "avformat", "avutil", "swscale", "swresample", "vpx", "crypto", "ssl", "drm")

RULES = (
    Rule(
        Cut.HOLLOW,
        tuple(f"opencv_python_headless.libs/lib{name}-*.so*" for name in _FFMPEG),
        "OpenCV's own FFmpeg, for VideoCapture and VideoWriter; pictures are read without, and streams by PyAV",
    ),
    Rule(
        Cut.HOLLOW_ZERO,
        ("av.libs/libx265-*.so*", "av.libs/libSvtAv1Enc-*.so*"),
        "encoders of PyAV's FFmpeg; the server only decodes",
    ),
    Rule(
        Cut.REMOVE,
        ("onnxruntime/capi/libonnxruntime.so.*",),
        "ONNX Runtime for C programs: a second copy of what the Python module holds",
    ),
    Rule(
        Cut.REMOVE,
        tuple(f"onnxruntime/{name}" for name in ("backend", "datasets", "quantization", "tools", "transformers")),
        "tools that convert networks, and samples; the networks are converted before",
    ),
    Rule(
        Cut.REMOVE,
        (
            *(f"sqlalchemy/dialects/{name}" for name in ("mssql", "mysql", "oracle", "sqlite")),
            "sqlalchemy/testing",
            "alembic/testing",
            "alembic/templates",
        ),
        "other databases than PostgreSQL, and templates of new migrations",
    ),
    Rule(
        Cut.REMOVE,
        ("numpy/f2py", "numpy/distutils", "numpy/_core/lib", "numpy/_core/*_tests.*.so", "numpy/_core/_simd.*.so"),
        "numpy's Fortran compiler front end, its static libraries and the modules that only its tests load",
    ),
    Rule(
        Cut.REMOVE,
        ("pygments/lexers/[a-z]*.py", "pygments/styles/[a-z]*.py"),
        "what rich colours the code of some 600 languages with; the commands print tables and bars",
    ),
    Rule(Cut.REMOVE, ("**/tests", "**/test"), "tests of packages"),
    Rule(
        Cut.REMOVE,
        ("**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.pxi", "**/*.c", "**/*.cpp", "**/*.h", "**/*.hpp", "**/*.a"),
        "sources, headers and static libraries of compiled modules, and stubs for type checkers",
    ),
    Rule(Cut.STRIP, ("**/*.so", "**/*.so.*"), "debugging symbols"),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a rule took away."""

    rule: Rule
    files: int
    size_bytes: int


def slim(site_packages: Path, rules: Iterable[Rule] = RULES) -> list[Taken]:
    """Apply the rules, in their order; a file is touched once. Raises NotElf for a library that cannot be hollowed."""
    touched: set[Path] = set()
    taken = []
    for rule in rules:
        files = [path for path in _files(site_packages, rule.patterns) if path not in touched]
        touched.update(files)
        before = _size(files)
        cut = _CUTS[rule.cut]
        for path in files:
            cut(path)
        _remove_empty(site_packages, rule)
        taken.append(Taken(rule, len(files), before - _size(path for path in files if path.exists())))
    return taken


def _files(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    seen: set[Path] = set()
    for pattern in patterns:
        for found in sorted(folder.glob(pattern)):
            inside = sorted(found.rglob("*")) if found.is_dir() else [found]
            for path in inside:
                if path.is_file() and not path.is_symlink() and path not in seen:
                    seen.add(path)
                    yield path


def _size(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _remove_empty(folder: Path, rule: Rule) -> None:
    if rule.cut is Cut.REMOVE:
        for pattern in rule.patterns:
            for found in list(folder.glob(pattern)):
                if found.is_dir():
                    shutil.rmtree(found)


def _hollow(path: Path, *, zero: bool) -> None:
    path.write_bytes(hollow(path.read_bytes(), path.name, zero=zero))


def _strip(path: Path) -> None:
    try:
        content = path.read_bytes()
        smaller = stripped(content)
    except NotElf:  # a linker script, or a library of another machine: left as it is
        return
    if len(smaller) < len(content):
        path.write_bytes(smaller)


_CUTS: dict[Cut, Callable[[Path], None]] = {
    Cut.REMOVE: Path.unlink,
    Cut.HOLLOW: partial(_hollow, zero=False),
    Cut.HOLLOW_ZERO: partial(_hollow, zero=True),
    Cut.STRIP: _strip,
}


def report(taken: Iterable[Taken]) -> str:
    """For people: one line a rule, and the sum."""
    lines = [
        f"{one.size_bytes / 1e6:7.1f} MB  {one.files:5} files  {one.rule.cut.value:18}  {one.rule.why}" for one in taken
    ]
    total = sum(one.size_bytes for one in taken)
    return "\n".join([*lines, f"{total / 1e6:7.1f} MB  in all"])


def main(arguments: list[str]) -> int:
    """`SITE_PACKAGES [REPORT.json]`; exit code 2 for wrong usage."""
    if len(arguments) not in (1, 2) or not Path(arguments[0]).is_dir():
        print("usage: python -m deploy.slim SITE_PACKAGES [REPORT.json]", file=sys.stderr)
        return 2
    taken = slim(Path(arguments[0]))
    print(report(taken))
    if len(arguments) == 2:
        rows = [
            {"cut": one.rule.cut, "why": one.rule.why, "files": one.files, "size_bytes": one.size_bytes}
            for one in taken
        ]
        Path(arguments[1]).write_text(json.dumps(rows, indent=2) + "\n")
    idle = [one.rule.why for one in taken if one.files == 0]
    for why in idle:
        # A package has changed its layout, or is gone: the rule is to be looked at.
        print(f"slim: nothing was found for: {why}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
