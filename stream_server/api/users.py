"""Users, for owners and admins. What concerns owners is for owners alone."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from storage import users
from storage.users import Role, User
from stream_server.access.accounts import plain_login, user_subject
from stream_server.access.principals import Forbidden, Principal, principal_of
from stream_server.api.audited import AuditOf
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.messages.accounts import PasswordSet, UserBody, UserCreate, Users, UserUpdate
from stream_server.privacy.auditing import Action
from stream_server.services import Services

router = APIRouter(prefix="/users", tags=["access"], responses={**PROBLEMS, **CONFLICT})


@router.get("", summary="List users")
async def list_users(
    services: ServicesOf,
    login: Annotated[str | None, Query(max_length=100, description="The user with this login.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Users:
    """By name; `login` finds one."""
    wanted = None if login is None else plain_login(login)
    async with services.database.acquire() as connection:
        page = await users.list_users(connection, limit=limit, cursor=cursor, login=wanted)
    return Users(users=tuple(map(user_body, page.items)), next_cursor=page.next_cursor)


@router.post("", status_code=201, summary="Add a user")
async def create_user(body: UserCreate, request: Request, services: ServicesOf, audit: AuditOf) -> UserBody:
    """Only an owner adds owners."""
    principal, role = principal_of(request), Role(body.role)
    _check_owners(principal, role)
    user = await services.accounts.add(
        body.login,
        body.name,
        body.password.get_secret_value(),
        role=role,
        by=principal.actor,
        groups=body.groups,
        audit=audit,
    )
    return user_body(user)


@router.get("/{user_id}", summary="One user", responses=NOT_FOUND)
async def get_user(user_id: UUID, services: ServicesOf) -> UserBody:
    """A user."""
    return user_body(await _user(user_id, services))


@router.patch("/{user_id}", summary="Change a user", responses=NOT_FOUND)
async def update_user(
    user_id: UUID, body: UserUpdate, request: Request, services: ServicesOf, audit: AuditOf
) -> UserBody:
    """Another role or other groups end the user's connections, which come back with the new rights."""
    role = Role(body.role) if body.role else None
    async with services.database.acquire() as connection, connection.transaction():
        before = await users.get_for_change(connection, user_id)
        _check_owners(principal_of(request), before.role, role)
        await audit.changed(
            connection,
            Action.USER_UPDATED,
            subject=user_subject(user_id),
            fields=sorted(body.model_fields_set),
            role=body.role,
        )
        user = await users.update(connection, user_id, name=body.name, role=role, groups=body.groups)
    if (before.role, before.groups) != (user.role, user.groups):
        services.access.end("user", user_id)
    return user_body(user)


@router.delete("/{user_id}", status_code=204, summary="Remove a user", responses=NOT_FOUND)
async def remove_user(user_id: UUID, request: Request, services: ServicesOf, audit: AuditOf) -> Response:
    """Sessions, sockets and API tokens of the user end at once, on every server."""
    async with services.database.acquire() as connection, connection.transaction():
        _check_owners(principal_of(request), (await users.get_for_change(connection, user_id)).role)
        await audit.changed(connection, Action.USER_REMOVED, subject=user_subject(user_id))
        await users.remove(connection, user_id, services.now())
    services.access.end("user", user_id)
    return Response(status_code=204)


@router.put("/{user_id}/password", status_code=204, summary="Set a user's password", responses=NOT_FOUND)
async def set_password(
    user_id: UUID, body: PasswordSet, request: Request, services: ServicesOf, audit: AuditOf
) -> Response:
    """For somebody who has forgotten it. All their sessions end."""
    user = await _user(user_id, services)
    _check_owners(principal_of(request), user.role)
    password_hash = await services.accounts.hash_new(user, body.password.get_secret_value())
    async with services.database.acquire() as connection, connection.transaction():
        # Hashing takes a while, in which somebody may have become an owner.
        _check_owners(principal_of(request), (await users.get_for_change(connection, user_id)).role)
        await audit.changed(connection, Action.PASSWORD_CHANGED, subject=user_subject(user_id))
        await users.set_password(connection, user_id, password_hash)
    services.access.end("user", user_id)
    return Response(status_code=204)


@router.delete("/{user_id}/sessions", status_code=204, summary="Sign a user out everywhere", responses=NOT_FOUND)
async def end_sessions(user_id: UUID, request: Request, services: ServicesOf, audit: AuditOf) -> Response:
    """All sessions of the user end, with their sockets, on every server."""
    async with services.database.acquire() as connection, connection.transaction():
        _check_owners(principal_of(request), (await users.get_for_change(connection, user_id)).role)
        await audit.changed(connection, Action.SESSIONS_ENDED, subject=user_subject(user_id))
        await users.end_sessions(connection, user_id)
    services.access.end("user", user_id)
    return Response(status_code=204)


def user_body(user: User) -> UserBody:
    """A user as clients see one."""
    return UserBody(
        id=user.user_id,
        login=user.login,
        name=user.name,
        role=user.role.value,
        groups=user.groups,
        created_by=user.created_by,
        created_at=user.created_at,
        last_login_at=user.last_login_at,
    )


async def _user(user_id: UUID, services: Services) -> User:
    async with services.database.acquire() as connection:
        return await users.get(connection, user_id)


def _check_owners(principal: Principal, *roles: Role | None) -> None:
    """Forbidden where an owner is made, changed or removed by somebody who is none."""
    if Role.OWNER in roles and not principal.is_owner:
        raise Forbidden("what concerns owners is for owners alone", hint="ask an owner")
