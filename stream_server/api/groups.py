"""Groups, and who belongs to them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from storage import groups, memberships, people
from storage.visibility import EVERYTHING
from stream_server.api.audited import AuditOf
from stream_server.api.etags import CHANGES, IfMatch, show_version, wanted_version
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.api.visible import VisibleTo
from stream_server.day import Day
from stream_server.messages.roster import (
    Group,
    GroupCreate,
    GroupRef,
    Groups,
    GroupUpdate,
    Membership,
    MembershipCreate,
    Memberships,
    MembershipUpdate,
)
from stream_server.messages.wire import PersonRef
from stream_server.privacy.auditing import Action

router = APIRouter(tags=["roster"], responses=PROBLEMS)


@router.post("/groups", status_code=201, summary="Add a group", responses=CONFLICT)
async def create_group(body: GroupCreate, services: ServicesOf, audit: AuditOf, response: Response) -> Group:
    """A class, a course, a club."""
    async with services.database.acquire() as connection, connection.transaction():
        group = await groups.create(connection, name=body.name, external_id=body.external_id)
        await audit.changed(connection, Action.GROUP_CHANGED, subject=_subject(group.group_id), made=True)
    show_version(response, group.version)
    return _group(group)


@router.get("/groups", summary="List groups")
async def list_groups(
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    external_id: str | None = None,
    person_id: Annotated[UUID | None, Query(description="Groups that this person is or was in.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Groups:
    """By name; all conditions given must hold."""
    async with services.database.acquire() as connection:
        if person_id is not None:
            await audit.seen(connection, Action.MEMBERSHIPS_READ, person_id)
        page = await groups.list_groups(
            connection, visible, limit=limit, cursor=cursor, external_id=external_id, person_id=person_id
        )
    return Groups(groups=tuple(map(_group, page.items)), next_cursor=page.next_cursor)


@router.get("/groups/{group_id}", summary="One group", responses=NOT_FOUND)
async def get_group(group_id: UUID, services: ServicesOf, visible: VisibleTo, response: Response) -> Group:
    """A group."""
    async with services.database.acquire() as connection:
        group = await groups.get(connection, visible, group_id)
    show_version(response, group.version)
    return _group(group)


@router.patch("/groups/{group_id}", summary="Change a group", responses={**NOT_FOUND, **CHANGES})
async def update_group(
    group_id: UUID,
    body: GroupUpdate,
    services: ServicesOf,
    audit: AuditOf,
    response: Response,
    if_match: IfMatch = None,
) -> Group:
    """What is not given stays."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(
            connection, Action.GROUP_CHANGED, subject=_subject(group_id), fields=sorted(body.model_fields_set)
        )
        group = await groups.update(
            connection,
            group_id,
            version=wanted_version(if_match),
            name=body.name,
            external_id=body.external_id if "external_id" in body.model_fields_set else people.KEEP,
        )
    show_version(response, group.version)
    return _group(group)


@router.delete("/groups/{group_id}", status_code=204, summary="Remove a group", responses={**NOT_FOUND, **CHANGES})
async def delete_group(group_id: UUID, services: ServicesOf, audit: AuditOf, if_match: IfMatch = None) -> None:
    """Its lessons to come are cancelled; attendance that was recorded stays."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.GROUP_REMOVED, subject=_subject(group_id))
        await groups.remove(connection, group_id, version=wanted_version(if_match), at=services.now())


@router.post(
    "/groups/{group_id}/memberships", status_code=201, summary="Add a member", responses={**NOT_FOUND, **CONFLICT}
)
async def create_membership(
    group_id: UUID, body: MembershipCreate, services: ServicesOf, audit: AuditOf, response: Response
) -> Membership:
    """Students are expected at the group's lessons from the first day to the last."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.MEMBERSHIP_CHANGED, body.person_id, group=str(group_id))
        made = await memberships.add(
            connection,
            group_id=group_id,
            person_id=body.person_id,
            role=memberships.Role(body.role),
            starts_on=body.starts_on,
            ends_on=body.ends_on,
        )
    show_version(response, made.version)
    return _membership(made)


@router.get("/memberships", summary="List memberships")
async def list_memberships(
    services: ServicesOf,
    audit: AuditOf,
    visible: VisibleTo,
    group_id: UUID | None = None,
    person_id: UUID | None = None,
    day: Annotated[Day | None, Query(description="Those that hold on this day of the site.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Memberships:
    """In the order in which they were made; all conditions given must hold."""
    async with services.database.acquire() as connection:
        group = None if group_id is None else str(group_id)
        await audit.seen(connection, Action.MEMBERSHIPS_READ, person_id, group=group)
        page = await memberships.list_memberships(
            connection, visible, group_id=group_id, person_id=person_id, day=day, limit=limit, cursor=cursor
        )
    return Memberships(memberships=tuple(map(_membership, page.items)), next_cursor=page.next_cursor)


@router.get("/memberships/{membership_id}", summary="One membership", responses=NOT_FOUND)
async def get_membership(
    membership_id: UUID, services: ServicesOf, audit: AuditOf, visible: VisibleTo, response: Response
) -> Membership:
    """A membership."""
    async with services.database.acquire() as connection:
        found = await memberships.get(connection, visible, membership_id)
        await audit.seen(connection, Action.MEMBERSHIPS_READ, found.person_id, group=str(found.group_id))
    show_version(response, found.version)
    return _membership(found)


@router.patch("/memberships/{membership_id}", summary="Change a membership", responses={**NOT_FOUND, **CHANGES})
async def update_membership(
    membership_id: UUID,
    body: MembershipUpdate,
    services: ServicesOf,
    audit: AuditOf,
    response: Response,
    if_match: IfMatch = None,
) -> Membership:
    """What is not given stays. Somebody who leaves gets a last day."""
    given = body.model_fields_set
    async with services.database.acquire() as connection, connection.transaction():
        before = await memberships.get(connection, EVERYTHING, membership_id)
        await audit.changed(
            connection,
            Action.MEMBERSHIP_CHANGED,
            before.person_id,
            group=str(before.group_id),
            fields=sorted(given),
        )
        changed = await memberships.update(
            connection,
            membership_id,
            version=wanted_version(if_match),
            role=None if body.role is None else memberships.Role(body.role),
            starts_on=body.starts_on if "starts_on" in given else people.KEEP,
            ends_on=body.ends_on if "ends_on" in given else people.KEEP,
        )
    show_version(response, changed.version)
    return _membership(changed)


@router.delete(
    "/memberships/{membership_id}",
    status_code=204,
    summary="Delete a membership",
    responses={**NOT_FOUND, **CHANGES},
)
async def delete_membership(
    membership_id: UUID, services: ServicesOf, audit: AuditOf, if_match: IfMatch = None
) -> None:
    """As if it had never been; somebody who leaves gets a last day instead."""
    async with services.database.acquire() as connection, connection.transaction():
        gone = await memberships.get(connection, EVERYTHING, membership_id)
        await audit.changed(connection, Action.MEMBERSHIP_REMOVED, gone.person_id, group=str(gone.group_id))
        await memberships.remove(connection, membership_id, version=wanted_version(if_match))


def _subject(group_id: UUID) -> str:
    return f"group:{group_id}"


def _group(group: groups.Group) -> Group:
    return Group.model_validate(
        {
            "id": group.group_id,
            "name": group.name,
            "external_id": group.external_id,
            "source": group.source,
            "version": group.version,
            "created_at": group.created_at,
        }
    )


def _membership(one: memberships.Membership) -> Membership:
    return Membership(
        id=one.membership_id,
        group=GroupRef(id=one.group_id, name=one.group_name),
        person=PersonRef(id=one.person_id, name=one.person_name),
        role=one.role.value,
        starts_on=one.starts_on,
        ends_on=one.ends_on,
        external_id=one.external_id,
        version=one.version,
    )
