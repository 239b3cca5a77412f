"""Lists in pieces: a cursor names the last row that was given, so that rows added meanwhile move nothing."""

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


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], tuple[str | datetime, UUID]]) -> Page[T]:
    """Make a page of up to `limit + 1` rows in order; the one too many only tells that there is more."""
    items = tuple(rows[:limit])
    return Page(items, _encode(*key(items[-1])) if len(rows) > limit else None)


def text_cursor(cursor: str | None) -> tuple[str, UUID] | None:
    """What a cursor over (text, id) stands for. Raises RequestError `cursor_invalid`."""
    return None if cursor is None else _decode(cursor)


def time_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """What a cursor over (time, id) stands for. Raises RequestError `cursor_invalid`."""
    if cursor is None:
        return None
    text, row_id = _decode(cursor)
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC), row_id
    except (ValueError, OverflowError) as error:
        raise _invalid() from error


def _encode(position: str | datetime, row_id: UUID) -> str:
    text = position.astimezone(UTC).isoformat() if isinstance(position, datetime) else position
    document = json.dumps([text, str(row_id)], ensure_ascii=False)
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[str, UUID]:
    try:
        document = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        text, row_id = document
        if not isinstance(text, str) or "\0" in text:
            raise _invalid()
        text.encode()  # half a surrogate pair is a string to Python and an error to PostgreSQL
        return text, UUID(row_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _invalid() from error


def _invalid() -> RequestError:
    return RequestError(
        "the cursor cannot be understood", hint="use next_cursor of the page before", code="cursor_invalid"
    )
