"""Corrections of attendance: appended, never overwritten, with who, when, why, and what was there before."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from recognition.errors import RequestError
from storage import outbox, people
from storage.database import Connection
from storage.errors import Conflict, NotFound, Stale
from storage.statuses import Status
from storage.visibility import Visible

REASON_LENGTH_MAX = 500
# A record and all its corrections are read at once.
CORRECTIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Correction:
    """One change of a record. `number` is the version that it made; `by_clock`: no person did it."""

    number: int
    status_before: Status
    status: Status
    by_whom: str
    by_clock: bool
    reason: str | None
    at: datetime


async def correct(
    connection: Connection,
    visible: Visible,
    attendance_id: UUID,
    *,
    version: int | None,
    status: Status,
    by_whom: str,
    reason: str,
    at: datetime,
) -> None:
    """Append a correction with its event, if the record is still at `version` (None: whatever it is at).

    Raises NotFound, Stale, Conflict `person_erased` or `too_many_corrections`, and RequestError `reason_invalid`.
    """
    reason = reason.strip()
    if not reason or len(reason) > REASON_LENGTH_MAX or "\0" in reason:
        raise RequestError(
            "a correction needs a reason", hint=f"use 1 to {REASON_LENGTH_MAX} characters", code="reason_invalid"
        )
    async with connection.transaction():
        person_id = await _person_of(connection, visible, attendance_id)
        # The person before the record, as everywhere, so that erasing meanwhile ends in no circle.
        person = await connection.fetchrow("SELECT name, erased_at FROM people WHERE id = $1 FOR SHARE", person_id)
        assert person is not None
        if person["erased_at"] is not None:
            raise people.erased(person_id)
        await append(connection, attendance_id, version=version, status=status, by_whom=by_whom, reason=reason, at=at)


async def append(
    connection: Connection,
    attendance_id: UUID,
    *,
    version: int | None,
    status: Status,
    by_whom: str,
    reason: str,
    at: datetime,
    by_clock: bool = False,
) -> None:
    """Append a correction in the caller's transaction, which holds the person.

    Raises Stale and Conflict `too_many_corrections`.
    """
    # Two statements: a lock that was waited for shows the row as it is then, a view beside it as it was before.
    await connection.execute("SELECT 1 FROM attendance WHERE id = $1 FOR UPDATE", attendance_id)
    now = await connection.fetchrow(
        """
        SELECT a.session_id, a.person_id, a.status, a.version, p.name FROM attendance_now a
        JOIN people p ON p.id = a.person_id WHERE a.id = $1
        """,
        attendance_id,
    )
    assert now is not None
    if version is not None and version != now["version"]:
        raise Stale
    number = now["version"] + 1
    if number > CORRECTIONS_MAX + 1:
        raise Conflict(
            f"the record was corrected {CORRECTIONS_MAX} times",
            hint="that is no correcting any more; what it says now stays",
            code="too_many_corrections",
        )
    await connection.execute(
        """
        INSERT INTO attendance_corrections (attendance_id, number, status_before, status, by_whom, by_clock, reason, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        attendance_id,
        number,
        now["status"],
        status,
        by_whom,
        by_clock,
        reason,
        at,
    )
    await connection.execute("UPDATE attendance SET version = $2 WHERE id = $1", attendance_id, number)
    # Without the reason: it is free text, and events are kept beyond an erasure.
    payload = {
        "attendance_id": str(attendance_id),
        "session_id": str(now["session_id"]),
        "person": {"id": str(now["person_id"]), "name": now["name"]},
        "status_before": now["status"],
        "status": status,
        "by": by_whom,
        "version": number,
    }
    await outbox.append(connection, "attendance.corrected", payload)


async def list_corrections(connection: Connection, visible: Visible, attendance_id: UUID) -> list[Correction]:
    """The corrections of a record, earliest first. Raises NotFound for an unknown record."""
    await _person_of(connection, visible, attendance_id)
    rows = await connection.fetch(
        """
        SELECT number, status_before, status, by_whom, by_clock, reason, at FROM attendance_corrections
        WHERE attendance_id = $1 ORDER BY number
        """,
        attendance_id,
    )
    return [
        Correction(
            row["number"],
            Status(row["status_before"]),
            Status(row["status"]),
            row["by_whom"],
            row["by_clock"],
            row["reason"],
            row["at"],
        )
        for row in rows
    ]


async def _person_of(connection: Connection, visible: Visible, attendance_id: UUID) -> UUID:
    """Whose record it is. Raises NotFound."""
    arguments: list[object] = [attendance_id]
    condition = visible.record("a.session_id", "a.person_id", arguments)
    person_id: UUID | None = await connection.fetchval(
        f"SELECT a.person_id FROM attendance a WHERE a.id = $1 AND {condition}", *arguments
    )
    if person_id is None:
        raise NotFound(f"there is no attendance record {attendance_id}", code="attendance_not_found")
    return person_id
