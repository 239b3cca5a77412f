"""Attendance: at most one record and one event per person and session, whatever happens at the same time.

Locks are taken in one order everywhere (camera, person, session, sighting, attendance, outbox), so that two
transactions never wait for each other in a circle.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from recognition.errors import InternalError, RequestError
from recognition.types import Sighting
from storage import cameras, outbox, people, sessions
from storage.database import Connection, Record
from storage.errors import NotFound

NOTE_LENGTH_MAX = 1000
PRUNE_MAX = 2000
"""Records that are deleted at once."""


class Status(StrEnum):
    """What a record says of a person."""

    PRESENT = "present"
    LATE = "late"
    ABSENT = "absent"
    EXCUSED = "excused"


class Method(StrEnum):
    """How a record came about."""

    FACE = "face"
    MANUAL = "manual"
    PIN = "pin"
    QR = "qr"


class Outcome(StrEnum):
    """What came of storing something."""

    FIRST = "first"  # the record was made, with its event
    AGAIN = "again"  # the record was there; at most its times grew
    DUPLICATE = "duplicate"  # this very sighting was stored before; nothing changed
    NOT_CONSENTED = "not_consented"  # nothing was stored
    ERASED = "erased"  # nothing was stored
    UNKNOWN_PERSON = "unknown_person"  # nothing was stored


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of storing. The ids are None when nothing was stored; `event_id` is set when `first`."""

    outcome: Outcome
    session_id: UUID | None = None
    attendance_id: UUID | None = None
    status: Status | None = None
    event_id: int | None = None

    @property
    def first(self) -> bool:
        """Whether this made the record."""
        return self.outcome is Outcome.FIRST


async def record_sighting(connection: Connection, sighting: Sighting, zone: ZoneInfo) -> Recorded:
    """Store a sighting and what follows from it, in one transaction.

    The open session of its day is made if need be; the attendance record is made or its times grow; a status
    that a person has set stays. Storing the same sighting twice changes nothing. Without consent nothing is
    stored. Raises RequestError `camera_id_invalid`; StorageUnavailable comes from Database.acquire.
    """
    async with connection.transaction():
        await cameras.ensure(connection, sighting.camera_id)
        # The lock lets no revocation or erasure pass between this look and the commit.
        person = await connection.fetchrow(
            "SELECT name, consent, erased_at FROM people WHERE id = $1 FOR SHARE", sighting.person_id
        )
        if person is None:
            return Recorded(Outcome.UNKNOWN_PERSON)
        if person["erased_at"] is not None:
            return Recorded(Outcome.ERASED)
        if person["consent"] != people.Consent.GRANTED:
            return Recorded(Outcome.NOT_CONSENTED)
        session = await sessions.ensure_open_session(connection, sighting.captured_at, zone)
        if not await _insert_sighting(connection, sighting, session.session_id):
            return await _existing(connection, session.session_id, sighting.person_id, Outcome.DUPLICATE)
        return await _upsert(
            connection,
            session_id=session.session_id,
            person_id=sighting.person_id,
            person_name=person["name"],
            status=Status.PRESENT,
            method=Method.FACE,
            seen_at=sighting.captured_at,
            camera_id=sighting.camera_id,
            # Higher is closer, 0..1; no probability. Only kept to sort doubtful records.
            score=max(0.0, 1.0 - sighting.distance),
        )


async def mark_manually(
    connection: Connection,
    person_id: UUID,
    at: datetime,
    zone: ZoneInfo,
    *,
    session_id: UUID | None = None,
    status: Status = Status.PRESENT,
    method: Method = Method.MANUAL,
    note: str | None = None,
) -> Recorded:
    """Make a record without a face, in the given session or the open one of the day; needs no consent.

    A record that is already there stays as it is, and the result names its status: a correction is another
    thing. Raises NotFound for an unknown person or session, Conflict `person_erased`, RequestError
    `note_invalid`.
    """
    if method is Method.FACE:
        raise InternalError("a record by face comes from a sighting")
    if note is not None and (len(note) > NOTE_LENGTH_MAX or "\0" in note):
        raise RequestError(
            "this note cannot be stored", hint=f"use at most {NOTE_LENGTH_MAX} characters", code="note_invalid"
        )
    async with connection.transaction():
        person = await connection.fetchrow("SELECT name, erased_at FROM people WHERE id = $1 FOR SHARE", person_id)
        if person is None:
            raise NotFound(f"there is no person {person_id}", code="person_not_found")
        if person["erased_at"] is not None:
            raise people.erased(person_id)
        if session_id is None:
            session = await sessions.ensure_open_session(connection, at, zone)
        else:
            session = await sessions.get(connection, session_id)
        return await _upsert(
            connection,
            session_id=session.session_id,
            person_id=person_id,
            person_name=person["name"],
            status=status,
            method=method,
            seen_at=at if status in (Status.PRESENT, Status.LATE) else None,
            note=note,
        )


async def prune(connection: Connection, older_than: datetime, limit: int = PRUNE_MAX) -> int:
    """Delete records of sessions that ended before `older_than`, at most `limit`; return how many.

    As many as that: ask again. The sessions stay; they name nobody.
    """
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM attendance WHERE id IN (
                SELECT old.id FROM class_sessions AS session
                JOIN attendance AS old ON old.session_id = session.id
                WHERE session.ends_at < $1
                LIMIT $2 FOR UPDATE OF old SKIP LOCKED
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        older_than,
        limit,
    )
    return count


async def _insert_sighting(connection: Connection, sighting: Sighting, session_id: UUID) -> bool:
    row = await connection.fetchval(
        """
        INSERT INTO sightings (id, session_id, person_id, camera_id, captured_at, distance,
                               runner_up_distance, quality, evidence_frames, model_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (id) DO NOTHING RETURNING 1
        """,
        sighting.sighting_id,
        session_id,
        sighting.person_id,
        sighting.camera_id,
        sighting.captured_at,
        sighting.distance,
        sighting.runner_up_distance,
        sighting.quality,
        sighting.evidence_frames,
        sighting.model_id,
    )
    return row is not None


async def _upsert(
    connection: Connection,
    *,
    session_id: UUID,
    person_id: UUID,
    person_name: str,
    status: Status,
    method: Method,
    seen_at: datetime | None,
    camera_id: str | None = None,
    score: float | None = None,
    note: str | None = None,
) -> Recorded:
    # Two statements instead of DO UPDATE: which of the two happened decides about the event. A rival that
    # has not committed yet is waited for by the first one, and the second then sees its row.
    attendance_id: UUID | None = await connection.fetchval(
        """
        INSERT INTO attendance (id, session_id, person_id, status, method, first_seen_at, last_seen_at,
                                camera_id, score, note)
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)
        ON CONFLICT (session_id, person_id) DO NOTHING RETURNING id
        """,
        uuid4(),
        session_id,
        person_id,
        status,
        method,
        seen_at,
        camera_id,
        score,
        note,
    )
    if attendance_id is None:
        if method is Method.FACE:  # least and greatest pass over NULL
            await connection.execute(
                """
                UPDATE attendance
                SET first_seen_at = least(first_seen_at, $3), last_seen_at = greatest(last_seen_at, $3)
                WHERE session_id = $1 AND person_id = $2
                  AND (first_seen_at IS NULL OR NOT $3 BETWEEN first_seen_at AND last_seen_at)
                """,
                session_id,
                person_id,
                seen_at,
            )
        return await _existing(connection, session_id, person_id, Outcome.AGAIN)
    payload = {
        "attendance_id": str(attendance_id),
        "session_id": str(session_id),
        "person": {"id": str(person_id), "name": person_name},
        "status": status,
        "method": method,
        "first_seen": None if seen_at is None else seen_at.astimezone(UTC).isoformat(),
        "camera": camera_id,
    }
    event_id = await outbox.append(connection, "attendance.marked", payload)
    return Recorded(Outcome.FIRST, session_id, attendance_id, status, event_id)


async def _existing(connection: Connection, session_id: UUID, person_id: UUID, outcome: Outcome) -> Recorded:
    row: Record | None = await connection.fetchrow(
        "SELECT id, status FROM attendance WHERE session_id = $1 AND person_id = $2", session_id, person_id
    )
    if row is None:  # a replayed sighting whose person or day is another now; the sighting itself is stored
        return Recorded(outcome)
    return Recorded(outcome, session_id, row["id"], Status(row["status"]))
