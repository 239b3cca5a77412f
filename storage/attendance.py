"""Attendance: at most one record and one event per person and session, whatever happens at the same time.

Locks are taken in one order everywhere (camera, person, session, sighting, attendance, outbox), so that two
transactions never wait for each other in a circle.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from recognition.errors import InternalError, RequestError
from recognition.types import Sighting
from storage import cameras, corrections, outbox, people, punches, sessions
from storage.attendance_policy import DEFAULT_POLICY, AttendancePolicy, is_late, session_for, takes
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.rooms import Direction
from storage.sessions import ClassSession
from storage.statuses import Method, Status
from storage.visibility import Visible, is_known

__all__ = ["Method", "Outcome", "Recorded", "Status", "mark", "mark_manually", "record_punch", "record_sighting"]

NOTE_LENGTH_MAX = 1000
TWICE_BY_MISTAKE_S = 10


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
    """The result of storing. The ids are None when nothing was stored; `event_id` is set when `first`.

    `direction` is set when somebody came or went, where that is counted.
    """

    outcome: Outcome
    session_id: UUID | None = None
    attendance_id: UUID | None = None
    status: Status | None = None
    event_id: int | None = None
    direction: Direction | None = None

    @property
    def first(self) -> bool:
        """Whether this made the record."""
        return self.outcome is Outcome.FIRST


async def record_sighting(
    connection: Connection, sighting: Sighting, zone: ZoneInfo, policy: AttendancePolicy = DEFAULT_POLICY
) -> Recorded:
    """Store a sighting and what follows from it, in one transaction.

    It counts for the session in the camera's room, or else for the open session of its day, which is made if need be;
    the attendance record is made or its times grow; a status that a person has set stays. Storing the same sighting
    twice changes nothing. Without consent nothing is stored. Raises RequestError `camera_id_invalid`;
    StorageUnavailable comes from Database.acquire.
    """
    async with connection.transaction():
        await cameras.remember(connection, sighting.camera_id)
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
        session = await session_for(
            connection,
            camera_id=sighting.camera_id,
            person_id=sighting.person_id,
            at=sighting.captured_at,
            zone=zone,
            policy=policy,
        )
        if not await _insert_sighting(connection, sighting, session.session_id):
            return await _existing(connection, session.session_id, sighting.person_id, Outcome.DUPLICATE)
        return await mark(
            connection,
            session,
            sighting.person_id,
            person["name"],
            method=Method.FACE,
            at=sighting.captured_at,
            policy=policy,
            camera_id=sighting.camera_id,
            # Higher is closer, 0..1; no probability. Only kept to sort doubtful records.
            score=max(0.0, 1.0 - sighting.distance),
        )


async def record_punch(
    connection: Connection,
    visible: Visible,
    person_id: UUID,
    at: datetime,
    zone: ZoneInfo,
    policy: AttendancePolicy,
    *,
    method: Method,
    camera_id: str | None = None,
    session_id: UUID | None = None,
) -> Recorded:
    """Mark somebody who gave a PIN or showed a QR code, in the caller's transaction; needs no consent.

    In the given session, or the one that a face seen by this camera would count for. Raises NotFound, Conflict
    `person_erased` or `session_not_open`.
    """
    if camera_id is not None:
        await cameras.remember(connection, camera_id)
    person = await _person_to_mark(connection, visible, person_id)
    if session_id is None:
        session = await session_for(
            connection, camera_id=camera_id, person_id=person_id, at=at, zone=zone, policy=policy
        )
        if session.group_id is not None and not visible.has_group(session.group_id):
            raise NotFound(
                "no session of yours takes attendance there now", hint="name the session", code="session_not_found"
            )
    else:
        session = await sessions.get(connection, visible, session_id)
        if not takes(session, at, policy):
            raise Conflict(
                "this session does not take attendance now", hint="look at its times", code="session_not_open"
            )
    return await mark(
        connection, session, person_id, person["name"], method=method, at=at, policy=policy, camera_id=camera_id
    )


async def mark(
    connection: Connection,
    session: ClassSession,
    person_id: UUID,
    person_name: str,
    *,
    method: Method,
    at: datetime,
    policy: AttendancePolicy,
    camera_id: str | None = None,
    score: float | None = None,
) -> Recorded:
    """Say that somebody is there, in the caller's transaction, which holds the person.

    Somebody the clock has called absent, or late, and who turns out to have been there in time, is corrected; what a
    person has said stays.
    """
    late = is_late(session, at, policy)
    before = await connection.fetchval(
        "SELECT last_seen_at FROM attendance WHERE session_id = $1 AND person_id = $2", session.session_id, person_id
    )
    recorded = await _upsert(
        connection,
        session_id=session.session_id,
        person_id=person_id,
        person_name=person_name,
        status=Status.LATE if late else Status.PRESENT,
        method=method,
        seen_at=at,
        camera_id=camera_id,
        score=score,
    )
    if recorded.first:
        # Who is known to be there need not be asked about.
        await connection.execute(
            "DELETE FROM reviews WHERE session_id = $1 AND nearest_id = $2 AND state = 'open'",
            session.session_id,
            person_id,
        )
    elif recorded.attendance_id is not None:
        recorded = await _reconsider(connection, recorded, recorded.attendance_id, late=late, at=at)
    direction = await punches.direction_at(connection, camera_id)
    if direction is None or method not in (Method.FACE, Method.PIN, Method.QR):
        return recorded
    went = await punches.punch(
        connection,
        session_id=session.session_id,
        person_id=person_id,
        person_name=person_name,
        direction=direction,
        method=method,
        camera_id=camera_id,
        at=at,
        # A camera sees somebody all the while; a PIN is given on purpose, and at most twice by mistake.
        seen_before_at=before if method is Method.FACE else None,
        re_entry_s=policy.re_entry_s if method is Method.FACE else min(policy.re_entry_s, TWICE_BY_MISTAKE_S),
    )
    return replace(recorded, direction=went)


async def _reconsider(
    connection: Connection, recorded: Recorded, attendance_id: UUID, *, late: bool, at: datetime
) -> Recorded:
    """Correct what the clock has said, where somebody was there after all, or earlier than was known."""
    now = await connection.fetchrow("SELECT status, by_clock FROM attendance_now WHERE id = $1", attendance_id)
    assert now is not None
    better = now["status"] == Status.ABSENT or (now["status"] == Status.LATE and not late)
    if not now["by_clock"] or not better:
        return recorded
    status = Status.LATE if late else Status.PRESENT
    reason = "seen in time, as was stored later" if now["status"] == Status.LATE else "seen, as was stored later"
    await corrections.append(
        connection,
        attendance_id,
        version=None,
        status=status,
        by_whom="clock",
        reason=reason,
        at=at,
        by_clock=True,
    )
    return replace(recorded, status=status)


async def mark_manually(
    connection: Connection,
    visible: Visible,
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
        person = await _person_to_mark(connection, visible, person_id)
        if session_id is None:
            session = await sessions.ensure_open_session(connection, at, zone)
        else:
            session = await sessions.get(connection, visible, session_id)
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


async def _person_to_mark(connection: Connection, visible: Visible, person_id: UUID) -> Record:
    person: Record | None = await connection.fetchrow(
        "SELECT name, erased_at FROM people WHERE id = $1 FOR SHARE", person_id
    )
    if person is None or not await is_known(connection, visible, person_id):
        raise NotFound(f"there is no person {person_id}", code="person_not_found")
    if person["erased_at"] is not None:
        raise people.erased(person_id)
    return person


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
        # Also holds the record for what follows. least and greatest pass over NULL.
        await connection.execute(
            "SELECT 1 FROM attendance WHERE session_id = $1 AND person_id = $2 FOR UPDATE", session_id, person_id
        )
        if method is not Method.MANUAL and seen_at is not None:
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
        "SELECT id, status FROM attendance_now WHERE session_id = $1 AND person_id = $2", session_id, person_id
    )
    if row is None:  # a replayed sighting whose person or day is another now; the sighting itself is stored
        return Recorded(outcome)
    return Recorded(outcome, session_id, row["id"], Status(row["status"]))
