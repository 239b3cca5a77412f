"""ZIP files from strangers: what is looked at before a byte of them is unpacked, and how much may come out.

The sizes in the directory of an archive may lie, so what is read is counted as well.
"""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from recognition.errors import RequestError

# Above this the ratio of a member is looked at: a short file of blanks compresses a thousandfold and harms nobody.
_RATIO_FROM_BYTES = 1024 * 1024


class ArchiveRefused(RequestError):
    """An archive that is damaged, encrypted, or made to do harm."""

    code = "archive_refused"


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much may come out of an archive, tables being read twice. `ratio_max` is unpacked to packed size."""

    entries_max: int = 200
    total_bytes_max: int = 256 * 2**20
    ratio_max: int = 100


class Archive:
    """A checked archive. `names` are its files in their order, folders left out."""

    def __init__(self, archive: zipfile.ZipFile, limits: ArchiveLimits) -> None:
        self._archive = archive
        self._left_bytes = limits.total_bytes_max
        self._members = _checked(archive.infolist(), limits)
        self.names = tuple(self._members)

    @contextmanager
    def open(self, name: str) -> Iterator["Member"]:
        """Read a file of the archive. Raises ArchiveRefused when it is damaged, or when too much comes out."""
        try:
            with self._archive.open(self._members[name]) as member:
                yield Member(member, self._spend)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError) as error:
            raise ArchiveRefused(f"{name[:100]!r} in the archive cannot be unpacked", hint="pack it anew") from error
        except Exception as error:
            # zlib, lzma and bz2 have errors of their own, which need not be imported to be told.
            if type(error).__module__ in ("zlib", "lzma", "_lzma", "bz2"):
                raise ArchiveRefused(f"{name[:100]!r} in the archive is damaged", hint="pack it anew") from error
            raise

    def read(self, name: str, bytes_max: int) -> bytes:
        """A whole file, at most so many bytes. Raises ArchiveRefused."""
        with self.open(name) as member:
            data = member.read(bytes_max + 1)
        if len(data) > bytes_max:
            raise ArchiveRefused(f"{name[:100]!r} in the archive has more than {bytes_max:,} bytes")
        return data

    def _spend(self, count: int) -> None:
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise ArchiveRefused("more comes out of the archive than it says", hint="pack it anew")


class Member:
    """A file of an archive that is being read; what comes out of it is counted."""

    def __init__(self, file: IO[bytes], spend: Callable[[int], None]) -> None:
        self._file = file
        self._spend = spend

    def read(self, size: int = -1) -> bytes:
        """Some bytes, or all."""
        data = self._file.read(size)
        self._spend(len(data))
        return data

    def readline(self, size: int = -1) -> bytes:
        """A line, or the part of it that fits."""
        data = self._file.readline(size)
        self._spend(len(data))
        return data

    def seek(self, offset: int) -> int:
        """Go back, which unpacks anew."""
        return self._file.seek(offset)


@contextmanager
def opened(file: IO[bytes], limits: ArchiveLimits | None = None) -> Iterator[Archive]:
    """Look through a ZIP file. Raises ArchiveRefused."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ArchiveRefused("the archive is damaged or cut short", hint="pack it anew") from error
    with archive:
        yield Archive(archive, limits or ArchiveLimits())


def _checked(members: list[zipfile.ZipInfo], limits: ArchiveLimits) -> dict[str, zipfile.ZipInfo]:
    if len(members) > limits.entries_max:
        raise ArchiveRefused(f"the archive holds {len(members):,} files; at most {limits.entries_max:,} are taken")
    total = 0
    files: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        shown = repr(member.filename[:100])
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in member.filename or "\0" in member.filename:
            raise ArchiveRefused(f"{shown} in the archive leads out of it", hint="pack the folder anew")
        if member.is_dir():
            continue
        if member.flag_bits & 0x1:
            raise ArchiveRefused("the archive is encrypted", hint="pack it without a password")
        if member.file_size > max(_RATIO_FROM_BYTES, limits.ratio_max * member.compress_size):
            raise ArchiveRefused(f"{shown} in the archive unpacks to more than {limits.ratio_max} times its size")
        total += member.file_size
        if total > limits.total_bytes_max:
            raise ArchiveRefused(f"the archive unpacks to more than {limits.total_bytes_max // 2**20} MiB")
        if str(parts) in files:
            raise ArchiveRefused(f"{shown} is in the archive twice")
        files[str(parts)] = member
    return files
