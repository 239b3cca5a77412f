"""Attendance as reports, of any length."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from storage import attendance
from storage.reports import Layout, ReportFilter
from stream_server.api.audited import AuditOf
from stream_server.api.request import PROBLEMS, ServicesOf
from stream_server.api.timed_stream import TimedStream
from stream_server.api.visible import VisibleTo
from stream_server.day import Day
from stream_server.messages.wire import ReportDocument
from stream_server.privacy.auditing import Action
from stream_server.reports.making import MEDIA_TYPES, Format
from stream_server.reports.page import CONTENT_SECURITY_POLICY

router = APIRouter(prefix="/reports", tags=["reports"], responses=PROBLEMS)


class ReportStream(TimedStream):
    """A file that is made as it is read."""

    def __init__(self, first: bytes, pieces: AsyncGenerator[bytes, None], format_: Format, name: str) -> None:
        disposition = "inline" if format_ is Format.HTML else "attachment"
        super().__init__(
            pieces,
            body=_all(first, pieces),
            media_type=MEDIA_TYPES[format_],
            headers={
                "Cache-Control": "no-store",
                "Content-Disposition": f'{disposition}; filename="{name}.{format_}"',
                "Content-Security-Policy": CONTENT_SECURITY_POLICY,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            },
        )


@router.get(
    "/attendance",
    summary="Attendance as a file or page",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The report. Its columns are in docs/reference/reports.md.",
            "model": ReportDocument,
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "text/html": {"schema": {"type": "string"}},
                MEDIA_TYPES[Format.XLSX]: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def report_attendance(
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    first_day: Annotated[
        Day | None, Query(alias="from", description="First day, of the site.", examples=["2026-03-02"])
    ] = None,
    last_day: Annotated[
        Day | None, Query(alias="to", description="Last day; part of the report.", examples=["2026-03-06"])
    ] = None,
    session: Annotated[UUID | None, Query(description="One session.")] = None,
    person: Annotated[UUID | None, Query(description="One person.")] = None,
    group: Annotated[UUID | None, Query(description="Sessions of one group.")] = None,
    status: Annotated[attendance.Status | None, Query(description="Only records that say so.")] = None,
    layout: Annotated[
        Layout, Query(description="What a row is; people and sessions come with counts.")
    ] = Layout.RECORDS,
    format_: Annotated[Format, Query(alias="format")] = Format.JSON,
    bom: Annotated[bool, Query(description="Begin CSV with a byte order mark, for Excel.")] = False,
) -> ReportStream:
    """All conditions given must hold; without any it is about today. Rows come in a fixed order, as they are read."""
    wanted = services.reports.checked(ReportFilter(first_day, last_day, session, person, status, group))
    async with services.database.acquire() as connection:
        await audit.seen(
            connection,
            Action.REPORT_MADE,
            person,
            layout=layout.value,
            format=format_.value,
            days=_name(wanted),
            session=None if session is None else str(session),
            group=None if group is None else str(group),
        )
    pieces = services.reports.pieces(visible, layout, wanted, format_, bom=bom)
    first = await anext(pieces)  # refused here, while there is still a status code to say so
    return ReportStream(first, pieces, format_, _name(wanted))


async def _all(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


def _name(wanted: ReportFilter) -> str:
    days = sorted({day.isoformat() for day in (wanted.first_day, wanted.last_day) if day is not None})
    return "-".join(["attendance", *days])
