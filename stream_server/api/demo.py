"""The people of the demo, to try a site with."""

from typing import Annotated

from fastapi import APIRouter, Path

from stream_server.api.audited import AuditOf
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, ServicesOf
from stream_server.demo import people as demo_people
from stream_server.messages.site import DemoPeople, DemoPerson

router = APIRouter(prefix="/demo", tags=["people"], responses=PROBLEMS)


@router.get("", summary="The people of the demo")
async def list_demo(services: ServicesOf) -> DemoPeople:
    """Who can be added, and who was."""
    reason = await demo_people.problem(services)
    async with services.database.acquire() as connection:
        roles = await demo_people.everybody(connection)
    return DemoPeople(available=reason == "", reason=reason, people=tuple(map(_person, roles)))


@router.put("/{key}", summary="Add somebody of the demo", responses={**NOT_FOUND, **CONFLICT})
async def add_demo_person(
    key: Annotated[str, Path(pattern=r"^person-\d\d$")], services: ServicesOf, audit: AuditOf
) -> DemoPerson:
    """With a photograph that comes with the model package and a name that is made up; nothing happens twice."""
    return _person(await demo_people.add(services, audit, key))


@router.delete("", status_code=204, summary="Erase the people of the demo")
async def erase_demo(services: ServicesOf, audit: AuditOf) -> None:
    """All of them, with their faces; what they attended stays, without their names."""
    await demo_people.erase_all(services, audit)


def _person(role: demo_people.Role) -> DemoPerson:
    return DemoPerson(
        key=role.key,
        name=role.name,
        person_id=None if role.person is None else role.person.person_id,
        enrolled=role.person is not None and role.person.template_count > 0,
    )
