"""Faces of people whom nobody has named: look at them, and say who they are."""

from uuid import UUID

from fastapi import APIRouter, Response

from recognition.errors import RequestError
from storage import templates, unknown_faces
from storage.database import Connection
from storage.unknown_faces import StoredUnknown
from stream_server.api.audited import AuditOf
from stream_server.api.people import add
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.messages.privacy import (
    UnknownFaceAssign,
    UnknownFaceBody,
    UnknownFaceNamed,
    UnknownFacePerson,
    UnknownFaces,
)
from stream_server.privacy.auditing import Action, Auditor
from stream_server.services import Services

router = APIRouter(prefix="/unknown-faces", tags=["unknown faces"], responses=PROBLEMS)

# More of one moment add little to a person's templates, whose number is bounded.
ENROLLED_MAX = 3

_JPEG: dict[int | str, dict[str, object]] = {
    200: {"description": "The picture", "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("", summary="Faces that nobody has named")
async def list_unknown_faces(
    services: ServicesOf, audit: AuditOf, ignored: bool = False, limit: Limit = 50, cursor: Cursor = None
) -> UnknownFaces:
    """Seen last first; with `ignored=true` those that are to be ignored. Empty unless the site keeps such faces."""
    async with services.database.acquire() as connection:
        await audit.seen(connection, Action.UNKNOWN_FACES_READ, ignored=ignored)
        page = await unknown_faces.list_faces(connection, ignored=ignored, limit=limit, cursor=cursor)
    return UnknownFaces(unknown_faces=tuple(map(_body, page.items)), next_cursor=page.next_cursor)


@router.get("/{face_id}", summary="One unknown face", responses=NOT_FOUND)
async def get_unknown_face(face_id: UUID, services: ServicesOf, audit: AuditOf) -> UnknownFaceBody:
    """How often and where it was seen."""
    async with services.database.acquire() as connection:
        await audit.seen(connection, Action.UNKNOWN_FACES_READ, subject=_subject(face_id))
        return _body(await unknown_faces.get(connection, face_id))


@router.get("/{face_id}/crop", summary="Its picture", response_class=Response, responses={**NOT_FOUND, **_JPEG})
async def get_crop(face_id: UUID, services: ServicesOf, audit: AuditOf) -> Response:
    """The best one that is kept: 150 by 150 pixels. Only where the site keeps pictures."""
    async with services.database.acquire() as connection:
        await audit.seen(connection, Action.UNKNOWN_FACES_READ, subject=_subject(face_id), crop=True)
        jpeg = await unknown_faces.crop(connection, face_id, services.box)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.post("/{face_id}/assign", summary="It is this person", responses={**NOT_FOUND, **CONFLICT})
async def assign(face_id: UUID, body: UnknownFaceAssign, services: ServicesOf, audit: AuditOf) -> UnknownFaceNamed:
    """Enrols the person with the best of the faces, and forgets the rest. The person must have agreed."""
    async with services.database.acquire() as connection, connection.transaction():
        return await _name(connection, services, audit, face_id, body.person_id)


@router.post("/{face_id}/person", status_code=201, summary="It is somebody new", responses={**NOT_FOUND, **CONFLICT})
async def add_person(face_id: UUID, body: UnknownFacePerson, services: ServicesOf, audit: AuditOf) -> UnknownFaceNamed:
    """Adds the person and enrols, both or neither. The person must have agreed."""
    async with services.database.acquire() as connection, connection.transaction():
        await unknown_faces.lock(connection)  # before a person, as everywhere
        person = await add(connection, body, services, audit)
        return await _name(connection, services, audit, face_id, person.person_id)


@router.post("/{face_id}/ignore", status_code=204, summary="Ignore this face", responses={**NOT_FOUND, **CONFLICT})
async def ignore(face_id: UUID, services: ServicesOf, audit: AuditOf) -> None:
    """It gets no name and is not collected again. Its pictures are deleted; what tells it from others must stay."""
    async with services.database.acquire() as connection, connection.transaction():
        ignored_max = services.settings.unknown_faces.max_people
        if await unknown_faces.ignore(connection, face_id, services.now(), ignored_max=ignored_max):
            await audit.changed(connection, Action.UNKNOWN_FACE_IGNORED, subject=_subject(face_id))


@router.delete("/{face_id}", status_code=204, summary="Discard this face", responses=NOT_FOUND)
async def discard(face_id: UUID, services: ServicesOf, audit: AuditOf) -> None:
    """Everything that is kept of it is deleted, also if it was to be ignored. Seen again, it is collected anew."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.UNKNOWN_FACE_DISCARDED, subject=_subject(face_id))
        await unknown_faces.delete(connection, face_id)


async def _name(
    connection: Connection, services: Services, audit: Auditor, face_id: UUID, person_id: UUID
) -> UnknownFaceNamed:
    # Before anything of the person is locked, as everywhere.
    await unknown_faces.lock(connection)
    members = await unknown_faces.best_members(connection, face_id, services.box, ENROLLED_MAX)
    await templates.check_may_enrol(connection, person_id)
    await unknown_faces.delete(connection, face_id)
    added = 0
    await audit.changed(connection, Action.UNKNOWN_FACE_NAMED, person_id, unknown_face=str(face_id))
    for model_id, embedding, quality in members:
        try:
            await templates.add(
                connection,
                cipher=services.box,
                person_id=person_id,
                model_id=model_id,
                embedding=embedding,
                quality=quality,
                source="unknown face",
            )
        except RequestError as error:
            if error.code == "template_limit" and added:
                break
            raise
        added += 1
    return UnknownFaceNamed(person_id=person_id, templates=added)


def _subject(face_id: UUID) -> str:
    return f"unknown_face:{face_id}"


def _body(face: StoredUnknown) -> UnknownFaceBody:
    return UnknownFaceBody(
        id=face.face_id,
        ignored=face.ignored,
        seen=face.seen,
        faces=face.members,
        quality=round(face.quality, 3),
        cameras=face.cameras,
        has_crop=face.has_crop,
        first_seen=face.first_seen_at,
        last_seen=face.last_seen_at,
    )
