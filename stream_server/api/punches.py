"""The ways without a face: personal PINs and QR codes, and the kiosk that takes them."""

import io
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header

from recognition.errors import InternalError, RequestError
from storage import attendance, attendance_lists, cameras, credentials, idempotency, people, punches
from storage.credentials import CredentialKind
from storage.database import Connection
from storage.errors import Conflict
from storage.statuses import Method
from storage.visibility import Visible, is_known
from stream_server.access.attempts import TooManyAttempts
from stream_server.api.audited import AuditOf
from stream_server.api.request import NOT_FOUND, PROBLEMS, CameraId, ServicesOf
from stream_server.api.visible import VisibleTo
from stream_server.messages.punches import Kind, KioskPunchBody, PunchBody, PunchEntry, Punches, PunchMade
from stream_server.messages.roster import PinMade, QrMade
from stream_server.messages.wire import PersonRef
from stream_server.privacy.auditing import Action, Auditor
from stream_server.services import Services

# Even with a hundred thousand PINs one try in a thousand meets one that is taken.
TRIES = 20

router = APIRouter(tags=["attendance"], responses=PROBLEMS)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Chosen by the client for each punch. Sent again within a day, it is answered as before, to "
        "whoever may still see who was marked.",
    ),
]


class CredentialUnknown(RequestError):
    """Nobody has this PIN or code."""

    code = "credential_unknown"


_ATTEMPTED: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    429: {"description": "Too many wrong attempts", "content": {"application/problem+json": {}}},
}


@router.post("/punches", summary="Mark somebody by PIN or QR code", responses=_ATTEMPTED)
async def punch(
    body: PunchBody,
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    idempotency_key: IdempotencyKey = None,
) -> PunchMade:
    """Needs no consent. Wrong attempts are limited for each camera or kiosk, and for the whole site."""
    return await _once(body, services, audit, visible, idempotency_key)


@router.post("/cameras/{camera_id}/punches", summary="Mark somebody at this kiosk", responses=_ATTEMPTED)
async def punch_at_kiosk(
    camera_id: CameraId,
    body: KioskPunchBody,
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    idempotency_key: IdempotencyKey = None,
) -> PunchMade:
    """For whoever may stream as this camera, as a paired device may. The room of the camera says which session."""
    at = PunchBody(pin=body.pin, qr=body.qr, camera=camera_id)
    return await _once(at, services, audit, visible, idempotency_key)


async def _once(
    body: PunchBody, services: Services, audit: Auditor, visible: Visible, idempotency_key: str | None
) -> PunchMade:
    """What came of an attempt; of one that is sent again, what came of it then."""
    key = None if idempotency_key is None else f"{audit.actor}:{idempotency_key}"
    digest = services.credentials.digest("punch", body.model_dump_json() + _secret(body))
    # A wrong attempt is stored too: it is a value here, and an error only after the commit.
    async with services.database.acquire() as connection, connection.transaction():
        if key is not None and (before := await idempotency.answered(connection, key, digest)) is not None:
            answer = PunchMade.model_validate(before)
            # Whoever asks may have lost the group since.
            await people.get(connection, visible, answer.person.id)
            await attendance_lists.get(connection, visible, answer.attendance_id)
            return answer
        made = await _punch(connection, visible, body, services, audit)
        if isinstance(made, PunchMade) and key is not None:
            await idempotency.remember(connection, key, digest, made.model_dump(mode="json"), services.now())
    if isinstance(made, RequestError):
        raise made
    return made


@router.get("/sessions/{session_id}/punches/{person_id}", summary="When somebody came and went", responses=NOT_FOUND)
async def list_punches(
    session_id: UUID, person_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo
) -> Punches:
    """Earliest first; where no camera counts coming and going there is nothing."""
    async with services.database.acquire() as connection:
        rows = await punches.list_of_person(connection, visible, session_id, person_id)
        await audit.seen(connection, Action.ATTENDANCE_READ, person_id, session=str(session_id))
    entries = [
        {"direction": row.direction.value, "method": row.method.value, "camera": row.camera_id, "at": row.at}
        for row in rows
    ]
    return Punches(punches=tuple(PunchEntry.model_validate(entry) for entry in entries))


@router.post("/people/{person_id}/pin", status_code=201, summary="Give somebody a new PIN", responses=NOT_FOUND)
async def create_pin(person_id: UUID, services: ServicesOf, audit: AuditOf) -> PinMade:
    """It is told this once; the one before no longer works."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.CREDENTIAL_MADE, person_id, kind="pin")
        many = await credentials.count(connection, CredentialKind.PIN)
        for _ in range(TRIES):
            pin = services.credentials.new_pin(many)
            digests = services.credentials.digests_of_pin(pin)
            if await credentials.find(connection, CredentialKind.PIN, digests[1:]) is not None:
                continue
            try:
                await credentials.set_digest(connection, person_id, CredentialKind.PIN, digests[0])
            except Conflict as error:
                if error.code != "credential_taken":
                    raise
            else:
                return PinMade(pin=pin)
    raise InternalError("no PIN is free")


@router.post("/people/{person_id}/qr", status_code=201, summary="Give somebody a new QR code", responses=NOT_FOUND)
async def create_qr(person_id: UUID, services: ServicesOf, audit: AuditOf) -> QrMade:
    """It is told this once; the one before no longer works."""
    import segno

    text = services.credentials.new_code()
    digest = services.credentials.digest_of_code(text)
    assert digest is not None
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.CREDENTIAL_MADE, person_id, kind="qr")
        await credentials.set_digest(connection, person_id, CredentialKind.QR, digest)
    picture = io.BytesIO()
    segno.make(text, error="m", micro=False).save(picture, kind="svg", xmldecl=False, scale=8, border=4)
    return QrMade(text=text, svg=picture.getvalue().decode().strip())


@router.delete(
    "/people/{person_id}/credentials/{kind}",
    status_code=204,
    summary="Take somebody's PIN or QR code away",
    responses=NOT_FOUND,
)
async def delete_credential(person_id: UUID, kind: Kind, services: ServicesOf, audit: AuditOf) -> None:
    """At once. Doing it again changes nothing."""
    async with services.database.acquire() as connection, connection.transaction():
        if await credentials.revoke(connection, person_id, CredentialKind(kind)):
            await audit.changed(connection, Action.CREDENTIAL_REVOKED, person_id, kind=kind)


async def _punch(
    connection: Connection, visible: Visible, body: PunchBody, services: Services, audit: Auditor
) -> PunchMade | RequestError:
    """What came of an attempt, in the caller's transaction."""
    place = f"{audit.actor}:{body.camera or ''}"
    now, settings = services.now(), services.settings
    if body.camera is not None:
        await cameras.get(connection, body.camera)
    if not await credentials.may_try(connection, place, now, settings.attendance.pin_failures_max):
        return TooManyAttempts(round(credentials.FAILURES_WITHIN.total_seconds()))
    if body.pin is not None:
        kind, digests = CredentialKind.PIN, services.credentials.digests_of_pin(_secret(body))
    else:
        code = services.credentials.digest_of_code(_secret(body))
        kind, digests = CredentialKind.QR, [] if code is None else [code]
    person_id = await credentials.find(connection, kind, digests)
    # A PIN or code of somebody who is not theirs is as good as none, or trying them would tell names.
    if person_id is None or not await is_known(connection, visible, person_id):
        await credentials.note_failure(connection, place, now)
        await audit.seen(connection, Action.CREDENTIAL_REFUSED, kind=kind.value, camera=body.camera)
        return CredentialUnknown("nobody has this PIN or code", hint="try again, or ask for a new one")
    await audit.changed(connection, Action.ATTENDANCE_MARKED, person_id, method=kind.value, camera=body.camera)
    recorded = await attendance.record_punch(
        connection,
        visible,
        person_id,
        now,
        services.site.zone,
        settings.attendance.policy,
        method=Method.PIN if kind is CredentialKind.PIN else Method.QR,
        camera_id=body.camera,
        session_id=body.session_id,
    )
    person = await people.get(connection, visible, person_id)
    return PunchMade.model_validate(
        {
            "person": PersonRef(id=person_id, name=person.name),
            "session_id": recorded.session_id,
            "attendance_id": recorded.attendance_id,
            "status": recorded.status,
            "first": recorded.first,
            "direction": recorded.direction,
        }
    )


def _secret(body: PunchBody) -> str:
    given = body.pin or body.qr
    return "" if given is None else given.get_secret_value()
