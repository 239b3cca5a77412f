"""The lines of a spool: a sighting as JSON behind a checksum, and what is left of one that was forgotten."""

import json
import os
import zlib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from uuid import UUID

from recognition.types import Sighting

LINE_BYTES_MAX = 64 * 1024


def encode(sighting: Sighting) -> bytes:
    """A sighting as a line."""
    document = asdict(sighting)
    for name in ("sighting_id", "person_id"):
        document[name] = str(document[name])
    document["captured_at"] = sighting.captured_at.isoformat()
    body = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> Sighting | None:
    """The sighting of a line, or None when the line is cut short or altered."""
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        document = json.loads(body)
        for name in ("sighting_id", "person_id"):
            document[name] = UUID(document[name])
        document["captured_at"] = datetime.fromisoformat(document["captured_at"])
        return Sighting(**document)
    except (ValueError, TypeError, KeyError):
        return None  # written by another version with other fields


def count_lines(path: Path, offset: int) -> tuple[int, int]:
    """How many sightings follow an offset, and how many lines that are none."""
    records = damaged = 0
    with path.open("rb") as file:
        file.seek(offset)
        while line := file.readline(LINE_BYTES_MAX):
            if decode(line) is None:
                damaged += bool(line.strip())  # a blank one was forgotten
            else:
                records += 1
    return records, damaged


def blank(path: Path, start: int, end: int) -> None:
    """Overwrite a line with blanks, and return when that is on the disk."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, b" " * (end - start - 1) + b"\n", start)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
