"""Lessons: filled in by hand one by one, or imported from iCalendar."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from recognition.errors import RequestError
from storage import groups, lessons, rooms, timetable_import
from storage.database import Connection
from storage.errors import Conflict
from storage.lessons import FORM, LessonContent
from storage.timetable_rows import PlannedTime
from storage.visibility import EVERYTHING
from stream_server.api.audited import AuditOf
from stream_server.api.etags import CHANGES, IfMatch, show_version, wanted_version
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.api.roster import report_of
from stream_server.api.visible import VisibleTo
from stream_server.messages.lessons import Lesson, LessonForm, Lessons, OneLesson
from stream_server.messages.roster import RosterReport
from stream_server.privacy.auditing import Action
from stream_server.roster.uploads import uploaded
from stream_server.services import Services
from stream_server.timetable.expansion import WINDOW_DAYS, RuleUnusable

CALENDAR_BODY_MAX_BYTES = 8 * 2**20

router = APIRouter(tags=["timetable"], responses=PROBLEMS)


@router.post(
    "/timetable/import",
    summary="Import a timetable",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "An iCalendar file.",
            "content": {"text/calendar": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    response_model=RosterReport,
    responses=CONFLICT,
    max_body_size=CALENDAR_BODY_MAX_BYTES,
)
async def import_timetable(
    request: Request,
    services: ServicesOf,
    audit: AuditOf,
    apply: Annotated[bool, Query(description="Store it; otherwise only say what would happen.")] = False,
    source: Annotated[
        str, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="The timetable; importing it again replaces it.")
    ] = "timetable",
    late_after_s: Annotated[int | None, Query(ge=0, le=86_400)] = None,
) -> StreamingResponse:
    """By UID: what has begun is never touched, what is gone from the file is cancelled. Without `apply` a dry run."""
    from stream_server.timetable.calendar_file import read_calendar

    if source == FORM:
        raise Conflict("lessons filled in by hand are no timetable", hint="choose another name", code="source_taken")
    now, zone = services.now(), services.site.zone
    until = now + timedelta(days=WINDOW_DAYS)
    async with services.imports, uploaded(request) as path:
        rows = await asyncio.to_thread(lambda: read_calendar(path.read_bytes(), zone, now, until))
        async with services.database.acquire() as connection, connection.transaction():
            if apply:
                await audit.changed(connection, Action.TIMETABLE_IMPORTED, source=source)
            imported = await timetable_import.import_timetable(
                connection,
                rows,
                source=source,
                late_after_s=late_after_s,
                zone=zone,
                now=now,
                until=until,
                apply=apply,
            )
    return report_of(imported)


@router.post("/lessons", status_code=201, summary="Add a lesson", responses=NOT_FOUND)
async def create_lesson(body: LessonForm, services: ServicesOf, audit: AuditOf, response: Response) -> OneLesson:
    """Once, or every so many weeks; sessions are planned for the next 400 days."""
    ical, times, until = await asyncio.to_thread(_planned, body, services)
    async with services.database.acquire() as connection, connection.transaction():
        content = await _content(connection, body, ical)
        lesson_id = await lessons.create(connection, FORM, str(uuid4()), content)
        await audit.changed(connection, Action.LESSON_CHANGED, subject=f"lesson:{lesson_id}", made=True)
        await _plan(connection, services, lesson_id, times, until)
        lesson = await lessons.get(connection, EVERYTHING, lesson_id)
    show_version(response, lesson.version)
    return await _one_lesson(lesson)


@router.get("/lessons", summary="List lessons")
async def list_lessons(
    services: ServicesOf,
    visible: VisibleTo,
    source: str | None = None,
    group_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Lessons:
    """In the order in which they were made; all conditions given must hold."""
    async with services.database.acquire() as connection:
        page = await lessons.list_lessons(
            connection, visible, source=source, group_id=group_id, limit=limit, cursor=cursor
        )
    return Lessons(lessons=tuple(map(_lesson, page.items)), next_cursor=page.next_cursor)


@router.get("/lessons/{lesson_id}", summary="One lesson", responses=NOT_FOUND)
async def get_lesson(lesson_id: UUID, services: ServicesOf, visible: VisibleTo, response: Response) -> OneLesson:
    """A lesson."""
    async with services.database.acquire() as connection:
        lesson = await lessons.get(connection, visible, lesson_id)
    show_version(response, lesson.version)
    return await _one_lesson(lesson)


@router.put("/lessons/{lesson_id}", summary="Change a lesson", responses={**NOT_FOUND, **CHANGES})
async def put_lesson(
    lesson_id: UUID,
    body: LessonForm,
    services: ServicesOf,
    audit: AuditOf,
    response: Response,
    if_match: IfMatch = None,
) -> OneLesson:
    """What has begun stays as it was. An imported lesson is changed in the timetable that it comes from."""
    version = wanted_version(if_match)
    ical, times, until = await asyncio.to_thread(_planned, body, services)
    async with services.database.acquire() as connection, connection.transaction():
        before = await lessons.lock(connection, lesson_id, version)
        if before.source != FORM:
            raise Conflict(
                f"this lesson comes from the timetable {before.source!r}",
                hint="change it there and import it again",
                code="lesson_imported",
            )
        await audit.changed(connection, Action.LESSON_CHANGED, subject=f"lesson:{lesson_id}")
        await lessons.change(connection, lesson_id, await _content(connection, body, ical), version=None)
        await _plan(connection, services, lesson_id, times, until)
        lesson = await lessons.get(connection, EVERYTHING, lesson_id)
    show_version(response, lesson.version)
    return await _one_lesson(lesson)


@router.delete(
    "/lessons/{lesson_id}", status_code=204, summary="Hold a lesson no longer", responses={**NOT_FOUND, **CHANGES}
)
async def delete_lesson(lesson_id: UUID, services: ServicesOf, audit: AuditOf, if_match: IfMatch = None) -> None:
    """What is planned is cancelled; what was held stays with its attendance."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.LESSON_REMOVED, subject=f"lesson:{lesson_id}")
        await lessons.remove(connection, lesson_id, version=wanted_version(if_match), at=services.now())


def _planned(form: LessonForm, services: Services) -> tuple[str, tuple[PlannedTime, ...], datetime]:
    from stream_server.timetable.calendar_file import planned_times
    from stream_server.timetable.form import as_calendar

    now, zone = services.now(), services.site.zone
    until = now + timedelta(days=WINDOW_DAYS)
    ical = as_calendar(form)
    try:
        times = planned_times(ical, zone, now, until)
    except RuleUnusable as error:
        raise RequestError(f"the lesson cannot be planned: {error}", code="lesson_invalid") from error
    if not times and form.repeat is None and form.day < now.astimezone(zone).date():
        raise RequestError("the lesson lies in the past", hint="give a day to come", code="lesson_invalid")
    return ical, times, until


async def _plan(
    connection: Connection, services: Services, lesson_id: UUID, times: tuple[PlannedTime, ...], until: datetime
) -> None:
    zone = services.site.zone
    await lessons.plan(connection, lesson_id, times, rooms={}, zone=zone, now=services.now(), until=until)


async def _content(connection: Connection, form: LessonForm, ical: str) -> LessonContent:
    if form.group_id is not None:
        await groups.get(connection, EVERYTHING, form.group_id)
    if form.room_id is not None:
        await rooms.get(connection, form.room_id)
    return LessonContent(form.title.strip(), form.group_id, form.room_id, form.late_after_s, ical)


async def _one_lesson(lesson: lessons.Lesson) -> OneLesson:
    from stream_server.timetable.form import times_of

    times = await asyncio.to_thread(times_of, lesson.ical) if lesson.source == FORM else None
    return OneLesson(**_lesson(lesson).model_dump(), times=times)


def _lesson(lesson: lessons.Lesson) -> Lesson:
    return Lesson(
        id=lesson.lesson_id,
        source=lesson.source,
        uid=lesson.uid,
        title=lesson.title,
        group_id=lesson.group_id,
        room_id=lesson.room_id,
        late_after_s=lesson.late_after_s,
        next_at=lesson.next_at,
        planned_until=lesson.expanded_until,
        version=lesson.version,
    )
