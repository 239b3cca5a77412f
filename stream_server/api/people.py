"""People, their consent, and the photographs they are enrolled with."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request

from recognition.types import Quality
from storage import people, sessions, templates
from storage.database import Connection
from stream_server.api.audited import AuditOf
from stream_server.api.request import (
    CONFLICT,
    NOT_FOUND,
    PHOTO_BODY,
    PHOTO_PROBLEMS,
    PROBLEMS,
    Cursor,
    Limit,
    ServicesOf,
    read_photo,
)
from stream_server.api.visible import VisibleTo
from stream_server.messages.people import (
    Enrolled,
    FaceCheck,
    LooksLike,
    People,
    PeopleSearch,
    Person,
    PersonCreate,
    PersonUpdate,
    QualityBody,
    TemplateBody,
    Templates,
)
from stream_server.messages.wire import PersonRef
from stream_server.people.enrolment import enrol_photograph, forget_unknown_faces_of, look_at_photograph, why_refused
from stream_server.privacy.auditing import Action, Auditor
from stream_server.services import Services


def make_router(*, max_photo_bytes: int) -> APIRouter:
    """The routes of /people."""
    router = APIRouter(prefix="/people", tags=["people"], responses=PROBLEMS)

    @router.post("", status_code=201, summary="Add a person", responses=CONFLICT)
    async def create_person(body: PersonCreate, services: ServicesOf, audit: AuditOf) -> Person:
        """A person without consent can be marked by hand but is never compared with a face."""
        async with services.database.acquire() as connection, connection.transaction():
            return _person(await add(connection, body, services, audit))

    @router.get("", summary="List people")
    async def list_people(
        services: ServicesOf,
        audit: AuditOf,
        visible: VisibleTo,
        external_id: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> People:
        """By name, a page at a time."""
        async with services.database.acquire() as connection:
            await audit.seen(connection, Action.PEOPLE_LISTED)
            page = await people.list_people(connection, visible, limit=limit, cursor=cursor, external_id=external_id)
        return People(people=tuple(map(_person, page.items)), next_cursor=page.next_cursor)

    @router.post("/search", summary="Find people")
    async def search_people(body: PeopleSearch, services: ServicesOf, audit: AuditOf, visible: VisibleTo) -> People:
        """By name, a page at a time. Changes nothing: it is sent as a body to keep names out of addresses."""
        async with services.database.acquire() as connection:
            await audit.seen(
                connection,
                Action.PEOPLE_LISTED,
                group=None if body.group_id is None else str(body.group_id),
            )
            page = await people.list_people(
                connection,
                visible,
                limit=body.limit,
                cursor=body.cursor,
                text=body.text,
                group_id=body.group_id,
                day=sessions.day_of(services.now(), services.site.zone),
            )
        return People(people=tuple(map(_person, page.items)), next_cursor=page.next_cursor)

    @router.get("/{person_id}", summary="One person", responses=NOT_FOUND)
    async def get_person(person_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo) -> Person:
        """A person; an erased one has no name."""
        async with services.database.acquire() as connection:
            person = await people.get(connection, visible, person_id)
            await audit.seen(connection, Action.PERSON_READ, person_id)
        return _person(person)

    @router.patch("/{person_id}", summary="Change a person", responses={**NOT_FOUND, **CONFLICT})
    async def update_person(person_id: UUID, body: PersonUpdate, services: ServicesOf, audit: AuditOf) -> Person:
        """What is not given stays. Taking consent back deletes templates and sightings at once."""
        consent = {True: people.Consent.GRANTED, False: people.Consent.REVOKED, None: None}[body.consent]
        async with services.database.acquire() as connection, connection.transaction():
            if body.consent is False:
                await forget_unknown_faces_of(services, connection, person_id)
            before = await people.hold(connection, person_id)
            person = await people.update(
                connection,
                person_id,
                at=services.now(),
                name=body.name,
                external_id=body.external_id if "external_id" in body.model_fields_set else people.KEEP,
                consent=consent,
                consent_text=body.consent_text,
                actor=audit.actor,
            )
            await _note_changes(connection, audit, before, person)
        return _person(person)

    @router.delete("/{person_id}", status_code=204, summary="Erase a person", responses=NOT_FOUND)
    async def erase_person(person_id: UUID, services: ServicesOf, audit: AuditOf) -> None:
        """Deletes name and templates for good; that somebody attended stays, without a name."""
        async with services.database.acquire() as connection, connection.transaction():
            await forget_unknown_faces_of(services, connection, person_id)
            before = await people.hold(connection, person_id)
            if before.erased_at is None:
                await audit.changed(connection, Action.PERSON_ERASED, person_id)
                await people.erase(connection, person_id, at=services.now(), actor=audit.actor)

    @router.post(
        "/{person_id}/templates",
        status_code=201,
        summary="Enrol by photograph",
        responses={**NOT_FOUND, **CONFLICT, **PHOTO_PROBLEMS},
        openapi_extra=PHOTO_BODY,
        max_body_size=max_photo_bytes,
    )
    async def enrol(person_id: UUID, request: Request, services: ServicesOf, audit: AuditOf) -> Enrolled:
        """One face, upright and sharp. When the photograph is refused the code says why:
        `no_face`, `several_faces`, `too_small`, `blurred`, `turned`, or `consent_missing`.
        """
        stored, quality, like = await enrol_photograph(services, audit, person_id, lambda: read_photo(request))
        looks_like = None
        if like is not None:
            other = PersonRef(id=like.person_id, name=like.name)
            looks_like = LooksLike(person=other, distance=round(like.distance, 4), same=like.same)
        return Enrolled(**_template(stored).model_dump(), face=_quality(quality), looks_like=looks_like)

    @router.post(
        "/{person_id}/templates/check",
        summary="Whether a picture would do to enrol with",
        responses={**NOT_FOUND, **CONFLICT, **PHOTO_PROBLEMS},
        openapi_extra=PHOTO_BODY,
        max_body_size=max_photo_bytes,
    )
    async def check(person_id: UUID, request: Request, services: ServicesOf) -> FaceCheck:
        """For a page that guides somebody before a camera. The person must have agreed; nothing is stored."""
        looked = await look_at_photograph(services, person_id, lambda: read_photo(request))
        refusal, quality = looked.enrolment.refusal, looked.enrolment.quality
        detail, hint = ("", "") if refusal is None else why_refused(refusal)
        return FaceCheck(
            refusal=None if refusal is None else refusal.value,
            detail=detail,
            hint=hint,
            face=None if quality is None else _quality(quality),
            box_xyxy=looked.box_xyxy,
        )

    @router.get("/{person_id}/templates", summary="The enrolled faces of a person", responses=NOT_FOUND)
    async def list_templates(person_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo) -> Templates:
        """Without the vectors: those are in the export of what is held on a person, when asked for."""
        async with services.database.acquire() as connection:
            await people.get(connection, visible, person_id)
            await audit.seen(connection, Action.TEMPLATES_READ, person_id)
            rows = await templates.list_of_person(connection, person_id)
        return Templates(templates=tuple(map(_template, rows)))

    @router.delete(
        "/{person_id}/templates/{template_id}",
        status_code=204,
        summary="Delete an enrolled face",
        responses=NOT_FOUND,
    )
    async def delete_template(person_id: UUID, template_id: UUID, services: ServicesOf, audit: AuditOf) -> None:
        """It is not compared with from now on."""
        async with services.database.acquire() as connection, connection.transaction():
            await audit.changed(connection, Action.TEMPLATE_DELETED, person_id, template=str(template_id))
            await templates.delete(connection, template_id, person_id=person_id)

    return router


async def add(connection: Connection, body: PersonCreate, services: Services, audit: Auditor) -> people.Person:
    """Add somebody, noted with what they have answered, in the caller's transaction. Raises as `people.create`."""
    person = await people.create(
        connection,
        name=body.name,
        external_id=body.external_id,
        consent=people.Consent.GRANTED if body.consent else people.Consent.NONE,
        consent_text=body.consent_text,
        actor=audit.actor,
        at=services.now(),
    )
    await audit.changed(connection, Action.PERSON_CREATED, person.person_id)
    if body.consent:
        await audit.changed(connection, Action.CONSENT_GRANTED, person.person_id, text=person.consent_text)
    return person


async def _note_changes(connection: Connection, audit: Auditor, before: people.Person, after: people.Person) -> None:
    """Note what has become another: the same name or answer again is no change."""
    given = {"name": before.name != after.name, "external_id": before.external_id != after.external_id}
    if fields := sorted(name for name, changed in given.items() if changed):
        await audit.changed(connection, Action.PERSON_UPDATED, after.person_id, fields=fields)
    answers = [(person.consent, person.consent_text, person.consent_at) for person in (before, after)]
    if answers[0] == answers[1]:
        return
    if after.consent is people.Consent.GRANTED:
        await audit.changed(connection, Action.CONSENT_GRANTED, after.person_id, text=after.consent_text)
    else:
        await audit.changed(connection, Action.CONSENT_REVOKED, after.person_id)


def _person(person: people.Person) -> Person:
    return Person(
        id=person.person_id,
        name=person.name,
        external_id=person.external_id,
        consent=person.consent.value,
        consent_at=person.consent_at,
        consent_text=person.consent_text,
        templates=person.template_count,
        created_at=person.created_at,
    )


def _quality(quality: Quality) -> QualityBody:
    return QualityBody(
        size_px=round(quality.size_px, 1),
        sharpness=round(quality.sharpness, 2),
        yaw=round(quality.yaw, 2),
        pitch=round(quality.pitch, 2),
        score=round(quality.score, 3),
    )


def _template(stored: templates.StoredTemplate) -> TemplateBody:
    return TemplateBody(
        id=stored.template_id,
        person_id=stored.person_id,
        model_id=stored.model_id,
        quality=round(stored.quality, 3),
        source=stored.source,
        created_at=stored.created_at,
    )
