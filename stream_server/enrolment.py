"""Enrolment by photograph: from the bytes of a picture to a stored template, or the reason why there is none; and what
else goes with consent.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from recognition.enrolment import Enrolment
from recognition.frames import decode
from recognition.pipeline import Recogniser
from recognition.types import Quality
from storage import templates
from storage.database import Connection
from stream_server.api.request import photo_limits
from stream_server.auditing import Action, Auditor
from stream_server.errors import EnrolmentRefused
from stream_server.services import Services
from stream_server.unknown_faces import forget_faces_like

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


async def enrol_photograph(
    services: Services, audit: Auditor, person_id: UUID, read: Callable[[], Awaitable[bytes]]
) -> tuple[templates.StoredTemplate, Quality]:
    """Enrol somebody with the picture that `read` gives. It is asked for only when there is consent and a place.

    Raises EnrolmentRefused, ImageError, NotFound, RequestError `consent_missing` or `template_limit`, and
    UnavailableError.
    """
    async with services.database.acquire() as connection:
        await templates.check_may_enrol(connection, person_id)
    async with services.executor.admit() as turn:
        photo = await read()
        enrolment = await turn.run(_looking_at(photo, services))
    if enrolment.refusal is not None:
        detail, hint = _WHY_REFUSED[enrolment.refusal.value]
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
    return stored, enrolment.quality


async def forget_unknown_faces_of(services: Services, connection: Connection, *person_ids: UUID) -> None:
    """Forget unknown faces that look like those who take consent back, or are erased, in the same transaction: call it
    first, and before the templates go. Raises NotFound.
    """
    await forget_faces_like(connection, services.box, person_ids, services.settings.recognition.review_distance)


def _looking_at(photo: bytes, services: Services) -> Callable[[Recogniser], Enrolment]:
    limits = photo_limits(services)
    return lambda recogniser: recogniser.enrol(decode(photo, limits))
