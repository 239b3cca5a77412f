"""Enrolment by photograph: from the bytes of a picture to a stored template, or the reason why there is none; and what
else goes with consent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from recognition.enrolment import Enrolment, EnrolmentRefusal
from recognition.frames import decode
from recognition.pipeline import Recogniser
from recognition.types import Embedding, Quality
from storage import templates
from storage.database import Connection
from stream_server.api.request import photo_limits
from stream_server.errors import EnrolmentRefused
from stream_server.people.unknown_faces import forget_faces_like
from stream_server.privacy.auditing import Action, Auditor
from stream_server.services import Services

_WHY_REFUSED = {
    "no_face": (
        "no face was found in the photograph",
        "use a picture in which the face is upright and well lit",
    ),
    "several_faces": (
        "there are several faces in the photograph",
        "use a picture of this person alone, or crop it",
    ),
    "too_small": ("the face is too small", "go nearer; the eyes should be at least 20 pixels apart"),
    "blurred": ("the face is blurred", "hold the camera still and use more light"),
    "turned": ("the face is turned away", "look into the camera"),
}


@dataclass(frozen=True, slots=True)
class Likeness:
    """Somebody else who is enrolled and looks so much alike that the two may be taken for each other."""

    person_id: UUID
    name: str
    distance: float
    same: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What a photograph is good for; the box is in parts of its width and height."""

    enrolment: Enrolment
    box_xyxy: tuple[float, float, float, float] | None


def why_refused(refusal: EnrolmentRefusal) -> tuple[str, str]:
    """A refusal in words, and what to do about it."""
    return _WHY_REFUSED[refusal.value]


async def look_at_photograph(services: Services, person_id: UUID, read: Callable[[], Awaitable[bytes]]) -> Looked:
    """What would come of enrolling somebody with the picture that `read` gives. Nothing is stored.

    Raises as `enrol_photograph` does, but for EnrolmentRefused and `template_limit`.
    """
    async with services.database.acquire() as connection:
        await templates.check_may_enrol(connection, person_id)
    async with services.executor.admit() as turn:
        return await turn.run(_looking_at(await read(), services))


async def enrol_photograph(
    services: Services, audit: Auditor, person_id: UUID, read: Callable[[], Awaitable[bytes]]
) -> tuple[templates.StoredTemplate, Quality, Likeness | None]:
    """Enrol somebody with the picture that `read` gives. It is asked for only when there is consent and a place.

    What is there of somebody else who looks alike tells of one person who was added twice, or of twins.

    Raises EnrolmentRefused, ImageError, NotFound, RequestError `consent_missing` or `template_limit`, and
    UnavailableError.
    """
    enrolment = (await look_at_photograph(services, person_id, read)).enrolment
    if enrolment.refusal is not None:
        detail, hint = why_refused(enrolment.refusal)
        raise EnrolmentRefused(detail, hint=hint, code=enrolment.refusal.value)
    assert enrolment.embedding is not None
    assert enrolment.quality is not None
    async with services.database.acquire() as connection, connection.transaction():
        stored = await templates.add(
            connection,
            cipher=services.box,
            person_id=person_id,
            model_id=services.models.chosen.model_id,
            embedding=enrolment.embedding,
            quality=enrolment.quality.score,
            source="photograph",
        )
        await audit.changed(
            connection, Action.TEMPLATE_ADDED, person_id, template=str(stored.template_id), source=stored.source
        )
    return stored, enrolment.quality, _likeness(services, person_id, enrolment.embedding)


async def forget_unknown_faces_of(services: Services, connection: Connection, *person_ids: UUID) -> None:
    """Forget unknown faces that look like those who take consent back, or are erased, in the same transaction: call it
    first, and before the templates go. Raises NotFound.
    """
    await forget_faces_like(connection, services.box, person_ids, services.settings.recognition.review_distance)


def _likeness(services: Services, person_id: UUID, embedding: Embedding) -> Likeness | None:
    match = services.people.gallery.search(embedding)
    if match is None:
        return None
    nearest = [(match.person_id, match.distance), (match.runner_up_person_id, match.runner_up_distance)]
    rules = services.settings.recognition
    for other, distance in nearest:
        name = None if other is None else services.people.name(other)
        # Faces that are to be ignored have no name, either.
        if other is None or other == str(person_id) or name is None or distance is None:
            continue
        if distance <= rules.review_distance:
            return Likeness(UUID(other), name, distance, distance <= rules.accept_distance)
    return None


def _looking_at(photo: bytes, services: Services) -> Callable[[Recogniser], Looked]:
    limits = photo_limits(services)

    def look(recogniser: Recogniser) -> Looked:
        image_bgr = decode(photo, limits)
        enrolment = recogniser.enrol(image_bgr)
        if enrolment.box_xyxy is None:
            return Looked(enrolment, None)
        height, width = image_bgr.shape[:2]
        x1, y1, x2, y2 = enrolment.box_xyxy
        return Looked(enrolment, (x1 / width, y1 / height, x2 / width, y2 / height))

    return look
