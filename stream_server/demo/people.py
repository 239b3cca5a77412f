"""The people of the demo in a real site, to try it with: added one by one, and erased together.

Nobody knows who they are. Their photographs come with the model package, their names are made up and say that they are
of the demo; so does the actor of their consent, who is nobody that could have asked them.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from recognition.errors import ModelError
from storage import consents, people
from storage.database import Connection
from storage.errors import NotFound
from storage.people import Person
from storage.visibility import EVERYTHING
from stream_server.demo.cast import are_photographs_there, enrolled_people, portrait
from stream_server.people.enrolment import enrol_photograph, forget_unknown_faces_of
from stream_server.privacy.auditing import Action, Auditor
from stream_server.services import Services

CONSENT_ACTOR = "demo"
_EXTERNAL_ID = "rollcall-demo-{}"


@dataclass(frozen=True, slots=True)
class Role:
    """One of them; `person` is whom they were added as."""

    key: str
    name: str
    person: Person | None


async def everybody(connection: Connection) -> tuple[Role, ...]:
    """All of them, added or not, in a fixed order."""
    return tuple([await _role(connection, key, name) for key, name in enrolled_people().items()])


async def problem(services: Services) -> str:
    """Why nobody can be added; empty when they can."""
    try:
        await asyncio.to_thread(are_photographs_there, services.settings.models_dir)
    except ModelError as error:
        return " ".join((error.detail, error.hint))
    return ""


async def add(services: Services, audit: Auditor, key: str) -> Role:
    """Add one of them with the photograph; who is there already and enrolled stays.

    Raises NotFound, ModelError when the photographs are not there, and as `enrol_photograph` does.
    """
    name = enrolled_people().get(key)
    if name is None:
        raise NotFound("the demo has nobody of this key", hint="GET /api/v1/demo lists them", code="person_not_found")
    photograph = await asyncio.to_thread(portrait, key, services.settings.models_dir)
    async with services.database.acquire() as connection, connection.transaction():
        role = await _role(connection, key, name)
        person = role.person
        if person is None:
            person = await people.create(
                connection,
                name=f"{name} (demo)",
                external_id=_EXTERNAL_ID.format(key),
                consent=people.Consent.GRANTED,
                consent_text=consents.NO_TEXT,
                actor=CONSENT_ACTOR,
                at=services.now(),
            )
            await audit.changed(connection, Action.PERSON_CREATED, person.person_id, demo=True)
            await audit.changed(connection, Action.CONSENT_GRANTED, person.person_id, demo=True)
    if person.template_count == 0:

        async def read() -> bytes:
            return photograph

        await enrol_photograph(services, audit, person.person_id, read)
    async with services.database.acquire() as connection:
        return await _role(connection, key, name)


async def erase_all(services: Services, audit: Auditor) -> None:
    """Erase everybody of the demo, as anybody is erased: what they attended stays, without their names."""
    async with services.database.acquire() as connection, connection.transaction():
        found: list[UUID] = [role.person.person_id for role in await everybody(connection) if role.person is not None]
        if not found:
            return
        await forget_unknown_faces_of(services, connection, *found)
        for person_id in found:
            await audit.changed(connection, Action.PERSON_ERASED, person_id)
            await people.erase(connection, person_id, at=services.now(), actor=audit.actor)


async def _role(connection: Connection, key: str, name: str) -> Role:
    page = await people.list_people(connection, EVERYTHING, limit=1, external_id=_EXTERNAL_ID.format(key))
    return Role(key, name, page.items[0] if page.items else None)
