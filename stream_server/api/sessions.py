"""Class sessions: the lessons that are held, and the open check-in of each day."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from storage import session_clock, sessions
from stream_server.access.principals import Forbidden
from stream_server.api.audited import AuditOf
from stream_server.api.etags import CHANGES, IfMatch, show_version, wanted_version
from stream_server.api.request import NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.api.visible import VisibleTo
from stream_server.day import Day
from stream_server.messages.wire import ClassSession, ClassSessions, SessionState
from stream_server.privacy.auditing import Action

router = APIRouter(prefix="/sessions", tags=["sessions"], responses=PROBLEMS)


@router.get("", summary="List sessions")
async def list_sessions(
    services: ServicesOf,
    visible: VisibleTo,
    group_id: UUID | None = None,
    room_id: UUID | None = None,
    state: SessionState | None = None,
    day: Annotated[Day | None, Query(description="Those that start on this day of the site.")] = None,
    first_day: Annotated[Day | None, Query(alias="from", description="Those that start on this day or later.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="Those that start on this day or earlier.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ClassSessions:
    """The latest first; all conditions given must hold."""
    zone = services.site.zone
    async with services.database.acquire() as connection:
        page = await sessions.list_sessions(
            connection,
            visible,
            limit=limit,
            cursor=cursor,
            group_id=group_id,
            room_id=room_id,
            state=None if state is None else sessions.SessionState(state),
            first_at=max((sessions.day_bounds(one, zone)[0] for one in (day, first_day) if one), default=None),
            before_at=min((sessions.day_bounds(one, zone)[1] for one in (day, last_day) if one), default=None),
        )
    return ClassSessions(sessions=tuple(map(_session, page.items)), next_cursor=page.next_cursor)


@router.get("/{session_id}", summary="One session", responses=NOT_FOUND)
async def get_session(session_id: UUID, services: ServicesOf, visible: VisibleTo, response: Response) -> ClassSession:
    """A session."""
    async with services.database.acquire() as connection:
        session = await sessions.get(connection, visible, session_id)
    show_version(response, session.version)
    return _session(session)


@router.post("/{session_id}/cancel", summary="Cancel a session", responses={**NOT_FOUND, **CHANGES})
async def cancel_session(
    session_id: UUID, services: ServicesOf, audit: AuditOf, response: Response, if_match: IfMatch = None
) -> ClassSession:
    """One that is planned; importing the timetable again does not bring it back."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.SESSION_CANCELLED, subject=f"session:{session_id}")
        session = await sessions.cancel(connection, session_id, version=wanted_version(if_match))
    show_version(response, session.version)
    return _session(session)


@router.post("/{session_id}/close", summary="Close a session", responses={**NOT_FOUND, **CHANGES})
async def close_session(
    session_id: UUID,
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    response: Response,
    if_match: IfMatch = None,
) -> ClassSession:
    """Before its end, or after it was missed: whoever was expected and has no record is absent."""
    async with services.database.acquire() as connection, connection.transaction():
        session = await sessions.get(connection, visible, session_id)
        if not visible.has_group(session.group_id):
            # They know of it, since their people were there, and so were others.
            raise Forbidden("a session of no group is nobody's to close", hint="an owner or admin can")
        await audit.changed(connection, Action.SESSION_CLOSED, subject=f"session:{session_id}")
        closed = await session_clock.close_by_hand(
            connection,
            visible,
            session_id,
            services.site.zone,
            services.now(),
            version=wanted_version(if_match),
        )
    show_version(response, closed.session.version)
    return _session(closed.session)


def _session(session: sessions.ClassSession) -> ClassSession:
    return ClassSession(
        id=session.session_id,
        kind=session.kind.value,
        title=session.title,
        day=session.site_day,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        state=session.state.value,
        group_id=session.group_id,
        room_id=session.room_id,
        lesson_id=session.lesson_id,
        late_after_s=session.late_after_s,
        version=session.version,
    )
