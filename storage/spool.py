"""Sightings that wait on our own disk while the database is away.

One JSON document a line with a checksum before it, in segment files that are only ever appended to and deleted
whole. `append` returns after the data has reached the disk. `acknowledge` comes after the database has committed;
a crash between the two makes the same sightings come back, and storing a sighting twice changes nothing. So the
mark of what was acknowledged need not be as durable as the data.

Synchronous, and safe to call from several threads: call it from a thread, a disk may take its time.
"""

import contextlib
import errno
import fcntl
import os
import threading
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from recognition.types import Sighting
from storage.disk import fsync_folder
from storage.errors import SpoolInUse, StorageUnavailable
from storage.spool_lines import LINE_BYTES_MAX, blank, count_lines, decode, encode

RECORDS_MAX = 100_000
BYTES_MAX = 64 * 1024 * 1024
_SEGMENT_BYTES = 1024 * 1024
_POSITION = "position"
_SEGMENT_FILES = "[0-9]" * 12 + ".jsonl"


@dataclass(slots=True)
class _Segment:
    path: Path
    records: int  # valid ones that are not acknowledged
    size_bytes: int


class Spool:
    """A bounded queue on disk. When it is full the new sighting is refused and counted, never an old one dropped.

    The counts may be read from any thread at any time: none of them waits for the disk.
    """

    def __init__(self, folder: Path, max_records: int = RECORDS_MAX, max_bytes: int = BYTES_MAX) -> None:
        """Open or make the spool. Raises SpoolInUse when another process has it, StorageUnavailable otherwise."""
        self.folder = folder
        self.max_records = max_records
        self.max_bytes = max_bytes
        self._dropped = 0
        self._damaged = 0
        self._last_problem = ""
        self._pending = 0
        self._size_bytes = 0
        self._guard = threading.Lock()
        self._segments: deque[_Segment] = deque()
        self._done_with: list[Path] = []  # files to delete
        self._peeked: list[tuple[Path, int]] = []
        self._blanked: set[tuple[Path, int]] = set()  # of what was peeked
        self._offset = 0
        self._writing: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._load()
        except BlockingIOError as error:
            os.close(self._lock)
            raise SpoolInUse(
                f"another process uses the spool in {folder}",
                hint="stop the other Rollcall, or give this one a data folder of its own",
            ) from error
        except OSError as error:
            os.close(self._lock)
            raise _unusable(folder, error) from error

    @property
    def pending(self) -> int:
        """How many sightings wait."""
        return self._pending

    @property
    def size_bytes(self) -> int:
        """What they take on the disk."""
        return self._size_bytes

    @property
    def dropped(self) -> int:
        """How many sightings were refused since the start."""
        return self._dropped

    @property
    def damaged(self) -> int:
        """How many lines were unreadable at the start; one that a crash has cut short is among them."""
        return self._damaged

    @property
    def last_problem(self) -> str:
        """Why a sighting was refused last; empty when none was."""
        return self._last_problem

    def append(self, sighting: Sighting) -> bool:
        """Keep a sighting; True means that it is on the disk. False means refused, for the bound or by the disk."""
        line = encode(sighting)
        with self._guard:
            if len(line) > LINE_BYTES_MAX:
                return self._refuse("the sighting is too long to be real")
            if self.pending >= self.max_records or self.size_bytes + len(line) > self.max_bytes:
                return self._refuse("the spool is full")
            try:
                self._write(line)
            except OSError as error:
                # What a failed fsync has left in the file is unknown, so nothing more goes behind it.
                self._abandon_segment()
                return self._refuse(f"the disk refused: {error.strerror}")
            finally:
                self._count_again()
            return True

    def peek(self, limit: int = 100) -> list[Sighting]:
        """The oldest sightings, at most `limit`, without removing them. Raises StorageUnavailable."""
        with self._guard:
            self._uncount_blanked()
            try:
                return self._read(limit)
            except OSError as error:
                raise _unusable(self.folder, error) from error

    def acknowledge(self, count: int) -> None:
        """Remove the first `count` of what the last `peek` gave, after they were committed.

        Raises StorageUnavailable when the disk does not take that in. They are not given again even then, unless
        the process ends before the disk takes something in.
        """
        with self._guard:
            if not 0 <= count <= len(self._peeked):
                raise ValueError(f"{count} acknowledged, {len(self._peeked)} were given")
            if count == 0:
                return
            path, offset = self._peeked[count - 1]
            for done, _ in self._peeked[:count]:
                next(segment for segment in self._segments if segment.path == done).records -= 1
            self._blanked.difference_update(self._peeked[:count])
            self._peeked = self._peeked[count:]
            while self._segments[0].path != path:
                self._drop_first()
            self._offset = offset
            if self._segments[0].records <= 0:
                if len(self._segments) == 1:
                    self._close_segment()
                self._drop_first()
            self._count_again()
            try:
                self._delete_files()
                self._remember_position()
            except OSError as error:
                raise _unusable(self.folder, error) from error

    def people(self) -> set[UUID]:
        """Whose sightings are in the files, also those that are acknowledged but not deleted yet."""
        with self._guard:
            try:
                return {sighting.person_id for _, _, sighting in self._lines()}
            except OSError as error:
                raise _unusable(self.folder, error) from error

    def forget(self, person_ids: Container[UUID]) -> int:
        """Overwrite every sighting of these people on the disk, for good; return how many. Raises StorageUnavailable.

        The lines stay as blanks, so that the place of every other one is as it was.
        """
        with self._guard:
            try:
                found = [line for line in self._lines() if line[2].person_id in person_ids]
                for segment, (start, end), _ in found:
                    blank(segment.path, start, end)
                    if (segment.path, end) in self._peeked:
                        self._blanked.add((segment.path, end))  # somebody holds it and may still acknowledge it
                    elif segment is not self._segments[0] or end > self._offset:
                        segment.records -= 1
            except OSError as error:
                raise _unusable(self.folder, error) from error
            finally:
                self._count_again()
            return len(found)

    def close(self) -> None:
        """Close the files and let another process have the folder. What waits stays."""
        with self._guard:
            self._close_segment()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _load(self) -> None:
        name, offset = self._recall_position()
        for path in sorted(self.folder.glob(_SEGMENT_FILES)):
            if path.name < name:
                path.unlink()  # acknowledged; the crash came before it was deleted
                continue
            start = offset if path.name == name else 0
            records, damaged = count_lines(path, start)
            self._damaged += damaged
            if records == 0:
                path.unlink()
                continue
            if not self._segments:
                self._offset = start
            self._segments.append(_Segment(path, records, path.stat().st_size))
        self._count_again()

    def _lines(self) -> Iterator[tuple[_Segment, tuple[int, int], Sighting]]:
        for segment in tuple(self._segments):
            end = 0
            with segment.path.open("rb") as file:
                while line := file.readline(LINE_BYTES_MAX):
                    start, end = end, end + len(line)
                    if (sighting := decode(line)) is not None:
                        yield segment, (start, end), sighting

    def _uncount_blanked(self) -> None:
        """What was peeked, blanked and not acknowledged is not there any more."""
        for path, _ in self._blanked:
            next(segment for segment in self._segments if segment.path == path).records -= 1
        self._blanked.clear()
        self._count_again()

    def _read(self, limit: int) -> list[Sighting]:
        found: list[Sighting] = []
        self._peeked = []
        for number, segment in enumerate(self._segments):
            with segment.path.open("rb") as file:
                file.seek(self._offset if number == 0 else 0)
                while len(found) < limit and (line := file.readline(LINE_BYTES_MAX)):
                    sighting = decode(line)
                    if sighting is not None:
                        found.append(sighting)
                        self._peeked.append((segment.path, file.tell()))
            if len(found) >= limit:
                break
        return found

    def _write(self, line: bytes) -> None:
        if self._writing is not None and self._segments[-1].size_bytes + len(line) > _SEGMENT_BYTES:
            self._close_segment()
        if self._writing is None:
            self._open_segment()
        assert self._writing is not None
        written = os.write(self._writing, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, "no space for a whole line")
        os.fsync(self._writing)
        segment = self._segments[-1]
        segment.records += 1
        segment.size_bytes += len(line)

    def _open_segment(self) -> None:
        # Never the file of an earlier run: its last line may be cut short, and the next would be glued to it.
        last = max((int(path.stem) for path in self.folder.glob(_SEGMENT_FILES)), default=self._position_number())
        path = self.folder / f"{last + 1:012}.jsonl"
        self._writing = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._segments.append(_Segment(path, 0, 0))
        fsync_folder(self.folder)

    def _close_segment(self) -> None:
        if self._writing is not None:
            descriptor, self._writing = self._writing, None
            with contextlib.suppress(OSError):  # what counts was synced; the descriptor is free in any case
                os.close(descriptor)

    def _abandon_segment(self) -> None:
        if self._writing is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._writing, self._segments[-1].size_bytes)
        self._close_segment()
        if self._segments and self._segments[-1].records <= 0:
            self._done_with.append(self._segments.pop().path)
            if not self._segments:
                self._offset = 0
        with contextlib.suppress(OSError):
            self._delete_files()

    def _drop_first(self) -> None:
        self._done_with.append(self._segments.popleft().path)
        self._offset = 0

    def _delete_files(self) -> None:
        while self._done_with:
            self._done_with[-1].unlink(missing_ok=True)
            self._done_with.pop()

    def _count_again(self) -> None:
        self._pending = sum(max(segment.records, 0) for segment in self._segments)
        self._size_bytes = sum(segment.size_bytes for segment in self._segments)

    def _refuse(self, reason: str) -> bool:
        self._dropped += 1
        self._last_problem = reason
        return False

    def _position_number(self) -> int:
        name, _ = self._recall_position()
        return int(name.partition(".")[0] or 0)

    def _recall_position(self) -> tuple[str, int]:
        try:
            name, offset = (self.folder / _POSITION).read_text().split()
            return f"{int(name.partition('.')[0]):012}.jsonl", int(offset)
        except (OSError, ValueError):
            return "", 0

    def _remember_position(self) -> None:
        if not self._segments:
            return  # nothing waits, and the files that did are gone
        new = self.folder / f"{_POSITION}.new"
        new.write_text(f"{self._segments[0].path.name} {self._offset}")
        new.chmod(0o600)
        new.replace(self.folder / _POSITION)


def _unusable(folder: Path, error: OSError) -> StorageUnavailable:
    return StorageUnavailable(
        f"the spool in {folder} cannot be used: {error.strerror}", hint="check the folder's owner and free space"
    )
