"""Who saw or changed what. Append-only: triggers refuse every change but the deletion of what is too old.

Entries name people by id alone, so that nothing has to be changed here when somebody is erased.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from recognition.errors import InternalError
from storage.database import Connection, Record
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor

DETAILS_LENGTH_MAX = 2000
FORGET_MAX = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did. `subject` is such as `person:UUID`, None for what is about nobody in particular."""

    at: datetime
    actor: str
    action: str
    subject: str | None
    request_id: str
    details: dict[str, Any] = field(default_factory=dict)
    entry_id: UUID = field(default_factory=uuid4)


def of_person(person_id: UUID) -> str:
    """The subject of what is about a person."""
    return f"person:{person_id}"


async def append(connection: Connection, entry: Entry) -> None:
    """Store an entry: in the transaction of the change that it tells of, and before what was asked for is shown."""
    await append_all(connection, [entry])


async def append_all(connection: Connection, entries: Sequence[Entry]) -> None:
    """Store entries: in the transaction of the change that they tell of, and before what was asked for is shown."""
    rows = []
    for entry in entries:
        details = json.dumps(entry.details, ensure_ascii=False, allow_nan=False)
        if len(details) > DETAILS_LENGTH_MAX:
            raise InternalError(f"the details of {entry.action} are longer than {DETAILS_LENGTH_MAX} characters")
        rows.append((entry.entry_id, entry.at, entry.actor, entry.action, entry.subject, entry.request_id, details))
    await connection.executemany(
        """
        INSERT INTO audit_log (id, at, actor, action, subject, request_id, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)
        """,
        rows,
    )


async def list_entries(
    connection: Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Page[Entry]:
    """The newest first; conditions that are given must all hold, from `since` up to, not including, `until`.

    An `action` that ends with a full stop, such as `person.`, means all that begin so. Raises RequestError for a bad
    limit or cursor.
    """
    conditions: list[str] = []
    arguments: list[object] = [checked_limit(limit) + 1]

    def condition(template: str, *values: object) -> None:
        numbers = [f"${len(arguments) + offset + 1}" for offset in range(len(values))]
        arguments.extend(values)
        conditions.append(template.format(*numbers))

    if actor is not None:
        condition("actor = {}", actor)
    if action is not None:
        condition("starts_with(action, {})" if action.endswith(".") else "action = {}", action)
    if subject is not None:
        condition("subject = {}", subject)
    if since is not None:
        condition("at >= {}", since)
    if until is not None:
        condition("at < {}", until)
    before = time_cursor(cursor)
    if before is not None:
        condition("(at, id) < ({}, {})", *before)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await connection.fetch(f"SELECT * FROM audit_log {where} ORDER BY at DESC, id DESC LIMIT $1", *arguments)
    return page_of([_entry(row) for row in rows], limit, lambda entry: (entry.at, entry.entry_id))


async def forget(connection: Connection, older_than: datetime, limit: int = FORGET_MAX) -> int:
    """Delete entries from before `older_than`, at most `limit`; return how many. The last day cannot be deleted."""
    count: int = await connection.fetchval("SELECT forget_audit($1, $2)", older_than, limit)
    return count


def _entry(row: Record) -> Entry:
    return Entry(
        entry_id=row["id"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        subject=row["subject"],
        request_id=row["request_id"],
        details=json.loads(row["details"]),
    )
