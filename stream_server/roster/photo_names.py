"""Whose photograph a file is, by its name: `s-1815.jpg`, `s-1815_2.jpg`, `s-1815 (2).jpg` or `s-1815/anything.jpg`."""

import re
from pathlib import PurePosixPath

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

_COUNTED = re.compile(r"(.+?)(?:[_-]\d{1,3}|\s?\(\d{1,3}\))")


def is_picture(path: str) -> bool:
    """Whether a file of a folder or archive is meant as a picture; hidden ones are not."""
    parts = PurePosixPath(path)
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts.parts)
    return parts.suffix.lower() in PICTURES and not hidden


def possible_ids(path: str) -> tuple[str, ...]:
    """The external ids that a file may be named for, the likeliest first."""
    parts = PurePosixPath(path)
    ids = [parts.stem]
    if (counted := _COUNTED.fullmatch(parts.stem)) is not None:
        ids.append(counted[1])
    if parts.parent.name:
        ids.append(parts.parent.name)
    return tuple(dict.fromkeys(ids))
