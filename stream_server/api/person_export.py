"""Everything that is held on one person, for the person."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from storage import held
from storage.errors import NotFound
from stream_server.api.audited import AuditOf
from stream_server.api.request import NOT_FOUND, PROBLEMS, ServicesOf
from stream_server.api.timed_stream import TimedStream
from stream_server.privacy.auditing import Action
from stream_server.privacy.person_export import document

router = APIRouter(prefix="/people", tags=["people"], responses=PROBLEMS)

_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One JSON document, named after the tables in docs/reference/database.md",
        "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
    }
}


@router.get(
    "/{person_id}/export",
    summary="Everything held on a person",
    response_class=StreamingResponse,
    responses={**NOT_FOUND, **_ANSWER},
)
async def export_person(
    person_id: UUID,
    services: ServicesOf,
    audit: AuditOf,
    vectors: Annotated[bool, Query(description="Also the vectors of the enrolled faces, as base64.")] = False,
) -> TimedStream:
    """Profile, answers to the consent texts, enrolled faces, attendance, sightings, events, and who has seen or changed
    any of it. Noted in the audit log every time.
    """
    async with services.database.acquire() as connection:
        person = await held.person(connection, person_id)
        if person is None:
            raise NotFound(f"there is no person {person_id}", code="person_not_found")
        await audit.changed(connection, Action.PERSON_EXPORTED, person_id, vectors=vectors)
    pieces = document(services.database, person, at=services.now(), cipher=services.box if vectors else None)
    headers = {
        "Content-Disposition": f'attachment; filename="person-{person_id}.json"',
        "Cache-Control": "no-store",
    }
    return TimedStream(pieces, media_type="application/json", headers=headers)
