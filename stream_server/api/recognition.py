"""One-shot recognition: a picture in, names out, nothing stored."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request

from recognition.frames import decode_scaled
from recognition.pipeline import Recogniser
from recognition.types import FaceResult, FaceState
from storage.visibility import known_people
from stream_server.api.audited import AuditOf
from stream_server.api.request import PHOTO_BODY, PHOTO_PROBLEMS, PROBLEMS, ServicesOf, photo_limits, read_photo
from stream_server.api.visible import VisibleTo
from stream_server.messages.people import Recognised, RecognisedFace
from stream_server.people.keeper import PeopleKeeper
from stream_server.privacy.auditing import Action


def make_router(*, max_photo_bytes: int) -> APIRouter:
    """The route of /recognise."""
    router = APIRouter(tags=["recognition"], responses=PROBLEMS)

    @router.post(
        "/recognise",
        summary="Who is in this picture?",
        responses=PHOTO_PROBLEMS,
        openapi_extra=PHOTO_BODY,
        max_body_size=max_photo_bytes,
    )
    async def recognise(request: Request, services: ServicesOf, audit: AuditOf, visible: VisibleTo) -> Recognised:
        """Marks nobody: one picture never decides attendance. A teacher knows their people only."""
        limits, gallery = photo_limits(services), services.people.gallery

        def look(recogniser: Recogniser) -> tuple[int, int, list[FaceResult]]:
            picture = decode_scaled(photo, limits)
            faces = recogniser.recognise_picture(picture.image_bgr, gallery, reduction=picture.reduction)
            return picture.width_px, picture.height_px, faces

        async with services.executor.admit() as turn:
            photo = await read_photo(request)
            width, height, faces = await turn.run(look)
        async with services.database.acquire() as connection, connection.transaction():
            if not visible.is_everything:
                known = await known_people(connection, visible, _compared_with(faces))
                faces = [_as_known(face, known) for face in faces]
            named: set[UUID | None] = {UUID(face.person_id) for face in faces if face.person_id is not None}
            for person_id in named or {None}:
                await audit.changed(connection, Action.PICTURE_RECOGNISED, person_id)
        return Recognised(width=width, height=height, faces=tuple(_face(face, services.people) for face in faces))

    return router


def _compared_with(faces: Iterable[FaceResult]) -> frozenset[UUID]:
    """Whom the faces came near."""
    matches = [face.match for face in faces if face.match is not None and not face.match.ignored]
    near = {one for match in matches for one in (match.person_id, match.runner_up_person_id) if one is not None}
    return frozenset(map(UUID, near))


def _as_known(face: FaceResult, known: frozenset[UUID]) -> FaceResult:
    """The face as it is to somebody who knows these people and no others: how near it came to others is not told."""
    match = face.match
    if match is None:
        return face
    if match.ignored or UUID(match.person_id) not in known:
        return replace(face, state=FaceState.UNKNOWN, person_id=None, match=None)
    if match.runner_up_person_id is None or UUID(match.runner_up_person_id) not in known:
        match = replace(match, runner_up_person_id=None, runner_up_distance=None)
    return replace(face, match=match)


def _face(face: FaceResult, people: PeopleKeeper) -> RecognisedFace:
    match = face.match
    x1, y1, x2, y2 = (round(value, 1) for value in face.box_xyxy)
    name = people.name(face.person_id) if face.person_id else None
    # A person erased a moment ago is no longer anybody.
    gone = face.state is FaceState.KNOWN and name is None
    return RecognisedFace(
        box_xyxy=(x1, y1, x2, y2),
        name=name,
        person_id=UUID(face.person_id) if face.person_id and name is not None else None,
        state="unknown" if gone else face.state.value,
        distance=None if match is None else round(match.distance, 4),
        runner_up=None if match is None or match.runner_up_distance is None else round(match.runner_up_distance, 4),
        score=round(face.score, 3),
    )
