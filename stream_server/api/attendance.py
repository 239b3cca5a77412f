"""Attendance records: reading them, and marking somebody by hand."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from storage import attendance, attendance_lists, corrections, statuses
from stream_server.api.audited import AuditOf
from stream_server.api.etags import CHANGES, IfMatch, show_version, wanted_version
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.api.visible import VisibleTo
from stream_server.day import Day
from stream_server.messages.wire import (
    Attendance,
    AttendanceCorrection,
    AttendanceList,
    AttendanceMark,
    CorrectionMade,
    Corrections,
    PersonRef,
    Status,
)
from stream_server.privacy.auditing import Action

router = APIRouter(prefix="/attendance", tags=["attendance"], responses=PROBLEMS)


@router.get("", summary="List attendance")
async def list_attendance(
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    session_id: UUID | None = None,
    person_id: UUID | None = None,
    status: Annotated[Status | None, Query(description="Only records that say so.")] = None,
    day: Annotated[Day | None, Query(description="Day of the site, 2026-01-31.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AttendanceList:
    """In the order in which the records were made; all conditions given must hold."""
    async with services.database.acquire() as connection:
        await audit.seen(
            connection,
            Action.ATTENDANCE_READ,
            person_id,
            session=None if session_id is None else str(session_id),
            day=None if day is None else day.isoformat(),
        )
        page = await attendance_lists.list_records(
            connection,
            visible,
            session_id=session_id,
            person_id=person_id,
            status=None if status is None else statuses.Status(status),
            day=day,
            zone=services.site.zone,
            limit=limit,
            cursor=cursor,
        )
    return AttendanceList(attendance=tuple(map(attendance_body, page.items)), next_cursor=page.next_cursor)


@router.get("/{attendance_id}", summary="One record", responses=NOT_FOUND)
async def get_attendance(
    attendance_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo, response: Response
) -> Attendance:
    """A record, as it is after its corrections."""
    async with services.database.acquire() as connection:
        record = await attendance_lists.get(connection, visible, attendance_id)
        await audit.seen(connection, Action.ATTENDANCE_READ, record.person_id, record=str(attendance_id))
    show_version(response, record.version)
    return attendance_body(record)


@router.patch("/{attendance_id}", summary="Correct a record", responses={**NOT_FOUND, **CHANGES})
async def correct_attendance(
    attendance_id: UUID,
    body: AttendanceCorrection,
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    response: Response,
    if_match: IfMatch = None,
) -> Attendance:
    """Appended with who, when and why; what was there before stays readable."""
    async with services.database.acquire() as connection, connection.transaction():
        before = await attendance_lists.get(connection, visible, attendance_id)
        # Before the change: nothing slow may follow the event that it writes.
        await audit.changed(
            connection,
            Action.ATTENDANCE_CORRECTED,
            before.person_id,
            record=str(attendance_id),
            status=body.status,
        )
        await corrections.correct(
            connection,
            visible,
            attendance_id,
            version=wanted_version(if_match),
            status=statuses.Status(body.status),
            by_whom=audit.actor,
            reason=body.reason,
            at=services.now(),
        )
        record = await attendance_lists.get(connection, visible, attendance_id)
    show_version(response, record.version)
    return attendance_body(record)


@router.get("/{attendance_id}/corrections", summary="The corrections of a record", responses=NOT_FOUND)
async def list_corrections(
    attendance_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo
) -> Corrections:
    """Earliest first: who, when, why, and what was there before."""
    async with services.database.acquire() as connection:
        record = await attendance_lists.get(connection, visible, attendance_id)
        await audit.seen(connection, Action.ATTENDANCE_READ, record.person_id, record=str(attendance_id))
        rows = await corrections.list_corrections(connection, visible, attendance_id)
    return Corrections(
        corrections=tuple(
            CorrectionMade(
                version=row.number,
                status_before=row.status_before.value,
                status=row.status.value,
                by=row.by_whom,
                reason=row.reason,
                at=row.at,
            )
            for row in rows
        )
    )


@router.post(
    "",
    status_code=201,
    summary="Mark somebody by hand",
    responses={
        **NOT_FOUND,
        **CONFLICT,
        200: {"model": Attendance, "description": "There is a record already; it stays as it is"},
    },
)
async def mark(
    body: AttendanceMark, services: ServicesOf, audit: AuditOf, visible: VisibleTo, response: Response
) -> Attendance:
    """The way without a face: needs no consent and no template."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.ATTENDANCE_MARKED, body.person_id, method="manual")
        recorded = await attendance.mark_manually(
            connection,
            visible,
            body.person_id,
            services.now(),
            services.site.zone,
            session_id=body.session_id,
            status=statuses.Status(body.status),
            note=body.note,
        )
        assert recorded.attendance_id is not None
        record = await attendance_lists.get(connection, visible, recorded.attendance_id)
    if not recorded.first:
        response.status_code = 200
    show_version(response, record.version)
    return attendance_body(record)


def attendance_body(record: attendance_lists.AttendanceRecord) -> Attendance:
    """The JSON of a record."""
    return Attendance(
        id=record.attendance_id,
        session_id=record.session_id,
        person=PersonRef(id=record.person_id, name=record.person_name),
        status=record.status.value,
        method=record.method.value,
        first_seen=record.first_seen_at,
        last_seen=record.last_seen_at,
        camera=record.camera_id,
        note=record.note,
        version=record.version,
    )
