"""Lists in pieces: a cursor names the last row that was given, so that rows added meanwhile move nothing.

Cursors are part of addresses, which proxies log and browsers remember: they hold ids, times and counts, no names.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from recognition.errors import RequestError

LIMIT_MAX = 200
LIMIT_DEFAULT = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order; `next_cursor` gives the following ones and is None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


def checked_limit(limit: int) -> int:
    """The limit itself. Raises RequestError `limit_invalid` outside 1..200."""
    if not 1 <= limit <= LIMIT_MAX:
        raise RequestError(f"a limit of {limit} cannot be served", hint=f"use 1 to {LIMIT_MAX}", code="limit_invalid")
    return limit


@dataclass(frozen=True, slots=True)
class RowCursor:
    """The row that was given last, in a list whose order follows from what may change.

    `version` is another one when the row has changed since; then `given`, how many rows were given up to and with
    this one, tells roughly where the list was.
    """

    row_id: UUID
    version: str
    given: int


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], tuple[str | int | UUID | datetime, ...]]) -> Page[T]:
    """Make a page of up to `limit + 1` rows in order; the one too many only tells that there is more.

    `key` gives what the cursor holds: the fields of a RowCursor, or (time, id).
    """
    items = tuple(rows[:limit])
    return Page(items, _encode(key(items[-1])) if len(rows) > limit else None)


def row_cursor(cursor: str | None) -> RowCursor | None:
    """What a cursor over changeable rows stands for. Raises RequestError `cursor_invalid`."""
    if cursor is None:
        return None
    match _decode(cursor):
        # A bool is an int to Python; what is larger than this PostgreSQL refuses.
        case [str(row_id), str(version), int(given)] if given is not True and 0 < given < 2**31:
            return RowCursor(_uuid(row_id), version, given)
    raise _invalid()


def time_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """What a cursor over (time, id) stands for. Raises RequestError `cursor_invalid`."""
    if cursor is None:
        return None
    match _decode(cursor):
        case [str(text), str(row_id)]:
            try:
                return datetime.fromisoformat(text).astimezone(UTC), _uuid(row_id)
            except (ValueError, OverflowError) as error:
                raise _invalid() from error
    raise _invalid()


def _encode(position: Sequence[str | int | UUID | datetime]) -> str:
    parts = [_plain(part) for part in position]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _plain(part: str | int | UUID | datetime) -> str | int:
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    return str(part) if isinstance(part, UUID) else part


def _decode(cursor: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _invalid() from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise _invalid() from error


def _invalid() -> RequestError:
    return RequestError(
        "the cursor cannot be understood", hint="use next_cursor of the page before", code="cursor_invalid"
    )
