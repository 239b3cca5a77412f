"""Class sessions. Without a timetable there is one open check-in session a day."""

from uuid import UUID

from fastapi import APIRouter

from storage import sessions
from stream_server.api.request import NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.messages import ClassSession, ClassSessions

router = APIRouter(prefix="/sessions", tags=["sessions"], responses=PROBLEMS)


@router.get("", summary="List sessions")
async def list_sessions(services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> ClassSessions:
    """The latest first."""
    async with services.database.acquire() as connection:
        page = await sessions.list_sessions(connection, limit=limit, cursor=cursor)
    return ClassSessions(sessions=tuple(map(_session, page.items)), next_cursor=page.next_cursor)


@router.get("/{session_id}", summary="One session", responses=NOT_FOUND)
async def get_session(session_id: UUID, services: ServicesOf) -> ClassSession:
    """A session."""
    async with services.database.acquire() as connection:
        return _session(await sessions.get(connection, session_id))


def _session(session: sessions.ClassSession) -> ClassSession:
    return ClassSession(
        id=session.session_id,
        kind=session.kind.value,
        title=session.title,
        day=session.site_day,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
    )
