"""Attendance records: reading them, and marking somebody by hand."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from storage import attendance, attendance_lists
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, Cursor, Day, Limit, ServicesOf
from stream_server.messages import Attendance, AttendanceList, AttendanceMark, PersonRef

router = APIRouter(prefix="/attendance", tags=["attendance"], responses=PROBLEMS)


@router.get("", summary="List attendance")
async def list_attendance(
    services: ServicesOf,
    session_id: UUID | None = None,
    person_id: UUID | None = None,
    status: Annotated[attendance.Status | None, Query(description="Only records that say so.")] = None,
    day: Annotated[Day | None, Query(description="Day of the site, 2026-01-31.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AttendanceList:
    """In the order in which the records were made; all conditions given must hold."""
    async with services.database.acquire() as connection:
        page = await attendance_lists.list_records(
            connection,
            session_id=session_id,
            person_id=person_id,
            status=status,
            day=day,
            zone=services.settings.site.zone,
            limit=limit,
            cursor=cursor,
        )
    return AttendanceList(attendance=tuple(map(_record, page.items)), next_cursor=page.next_cursor)


@router.get("/{attendance_id}", summary="One record", responses=NOT_FOUND)
async def get_attendance(attendance_id: UUID, services: ServicesOf) -> Attendance:
    """A record."""
    async with services.database.acquire() as connection:
        return _record(await attendance_lists.get(connection, attendance_id))


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
async def mark(body: AttendanceMark, services: ServicesOf, response: Response) -> Attendance:
    """The way without a face: needs no consent and no template."""
    async with services.database.acquire() as connection:
        recorded = await attendance.mark_manually(
            connection,
            body.person_id,
            services.now(),
            services.settings.site.zone,
            session_id=body.session_id,
            note=body.note,
        )
        assert recorded.attendance_id is not None
        record = await attendance_lists.get(connection, recorded.attendance_id)
    if not recorded.first:
        response.status_code = 200
    return _record(record)


def _record(record: attendance_lists.AttendanceRecord) -> Attendance:
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
    )
