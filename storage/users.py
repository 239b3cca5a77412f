"""Users: those who work with Rollcall. Their passwords come here as argon2 hashes only.

Every change of what somebody may do ends their sessions or tells every server to look again, in the transaction that
makes it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

import asyncpg

from recognition.errors import RequestError
from storage import access
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.names import page_by_name
from storage.paging import LIMIT_DEFAULT, Page

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")

_COLUMNS = "id, login, name, role, password_hash, created_by, created_at, last_login_at"
_GROUPS = "ARRAY(SELECT group_id FROM user_groups WHERE user_id = users.id ORDER BY group_id) AS groups"
# An arbitrary number for the advisory lock under which owners are counted; it spells "owner" in ASCII.
_LOCK = 0x6F776E6572


class Role(StrEnum):
    """What somebody is here."""

    OWNER = "owner"
    ADMIN = "admin"
    TEACHER = "teacher"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. `groups` are those of a teacher, who sees nothing else (`visibility`)."""

    user_id: UUID
    login: str
    name: str
    role: Role
    groups: tuple[UUID, ...]
    created_by: str
    created_at: datetime
    last_login_at: datetime | None
    password_hash: str | None = field(default=None, repr=False)


async def add(
    connection: Connection,
    *,
    login: str,
    name: str,
    role: Role,
    password_hash: str,
    created_by: str,
    now: datetime,
    groups: Collection[UUID] = (),
    first_owner: bool = False,
) -> User:
    """Add a user. `login` is lower case.

    Raises RequestError `login_invalid`, Conflict `login_taken`, and with `first_owner` Conflict `setup_done` when there
    is an owner already.
    """
    if not LOGIN.fullmatch(login):
        raise RequestError(
            "that can be no login",
            hint="use 1 to 100 small letters, digits and . _ @ + -, beginning with a letter or digit",
            code="login_invalid",
        )
    async with connection.transaction():
        if first_owner:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if await has_owner(connection):
                raise Conflict("there is an owner already", hint="sign in with that account", code="setup_done")
        user_id = uuid4()
        try:
            await connection.execute(
                """
                INSERT INTO users (id, login, name, role, password_hash, created_by, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                """,
                user_id,
                login,
                name,
                role,
                password_hash,
                created_by,
                now,
            )
        except asyncpg.UniqueViolationError:
            raise Conflict(f"there is a user {login} already", hint="choose another", code="login_taken") from None
        await _set_groups(connection, user_id, groups)
        return await get(connection, user_id)


async def has_owner(connection: Connection) -> bool:
    """Whether anybody owns this server yet."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM users WHERE role = 'owner' AND removed_at IS NULL)"
    )
    return found


async def get(connection: Connection, user_id: UUID) -> User:
    """One user. Raises NotFound `user_not_found`, also for one who was removed."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, {_GROUPS} FROM users WHERE id = $1 AND removed_at IS NULL", user_id
    )
    if row is None:
        raise _unknown(user_id)
    return _user(row)


async def get_for_change(connection: Connection, user_id: UUID) -> User:
    """As `get`; nobody else changes a user until the transaction ends, so that a check of it holds."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    return await get(connection, user_id)


async def find_by_login(connection: Connection, login: str) -> User | None:
    """The user with this login, if there is one."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, {_GROUPS} FROM users WHERE login = $1 AND removed_at IS NULL", login
    )
    return None if row is None else _user(row)


async def list_users(
    connection: Connection, *, limit: int = LIMIT_DEFAULT, cursor: str | None = None, login: str | None = None
) -> Page[User]:
    """Users by name; `login` finds one. Raises RequestError for a bad limit or cursor."""
    conditions, arguments = ["removed_at IS NULL"], []
    if login is not None:
        arguments.append(login)
        conditions.append("login = $1")
    page = await page_by_name(
        connection,
        "users",
        f"{_COLUMNS}, {_GROUPS}",
        limit=limit,
        cursor=cursor,
        conditions=conditions,
        arguments=arguments,
    )
    return Page(tuple(map(_user, page.items)), page.next_cursor)


async def update(
    connection: Connection,
    user_id: UUID,
    *,
    name: str | None = None,
    role: Role | None = None,
    groups: Collection[UUID] | None = None,
) -> User:
    """Change what is given. Raises NotFound, and Conflict `last_owner` where nobody would own the server."""
    async with connection.transaction():
        user = await _locked(connection, user_id, stays_owner=role in (None, Role.OWNER))
        await connection.execute(
            "UPDATE users SET name = coalesce($2, name), role = coalesce($3, role) WHERE id = $1", user_id, name, role
        )
        if groups is not None:
            await connection.execute("DELETE FROM user_groups WHERE user_id = $1", user_id)
            await _set_groups(connection, user_id, groups)
        changed = await get(connection, user_id)
        if (changed.role, changed.groups) != (user.role, user.groups):
            await access.changed(connection, "user", user_id)
        return changed


async def set_password(connection: Connection, user_id: UUID, password_hash: str) -> None:
    """Store another hash; a new password ends all sessions. Raises NotFound."""
    async with connection.transaction():
        await _locked(connection, user_id, stays_owner=True)
        await connection.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user_id, password_hash)
        await end_sessions(connection, user_id)


async def replace_password(
    connection: Connection, checked: User, password_hash: str, *, ends_sessions: bool = True
) -> bool:
    """As `set_password`, if the hash is still the one of `checked`, against which the old password was tried.

    Returns whether it was. `ends_sessions` is False where only the hash is another, and not the password.
    """
    async with connection.transaction():
        done = await connection.fetchval(
            "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING true",
            checked.user_id,
            checked.password_hash,
            password_hash,
        )
        if done and ends_sessions:
            await end_sessions(connection, checked.user_id)
    return bool(done)


async def end_sessions(connection: Connection, user_id: UUID) -> None:
    """Sign somebody out everywhere."""
    async with connection.transaction():
        await connection.execute("DELETE FROM user_sessions WHERE user_id = $1", user_id)
        await access.changed(connection, "user", user_id)


async def remove(connection: Connection, user_id: UUID, now: datetime) -> None:
    """End a user's access, with all sessions and API tokens; name and id stay for what they did.

    Raises NotFound, and Conflict `last_owner`.
    """
    async with connection.transaction():
        await _locked(connection, user_id, stays_owner=False)
        await connection.execute("UPDATE users SET removed_at = $2, password_hash = NULL WHERE id = $1", user_id, now)
        await connection.execute("DELETE FROM user_groups WHERE user_id = $1", user_id)
        await connection.execute(
            "UPDATE api_tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", user_id, now
        )
        await end_sessions(connection, user_id)


async def _locked(connection: Connection, user_id: UUID, *, stays_owner: bool) -> User:
    """The user, whom nobody changes meanwhile; Conflict when they are the last owner and would not stay one."""
    user = await get_for_change(connection, user_id)
    if user.role is Role.OWNER and not stays_owner:
        owners = await connection.fetchval("SELECT count(*) FROM users WHERE role = 'owner' AND removed_at IS NULL")
        if owners <= 1:
            raise Conflict("this is the last owner", hint="make somebody else an owner first", code="last_owner")
    return user


async def _set_groups(connection: Connection, user_id: UUID, groups: Collection[UUID]) -> None:
    rows: Sequence[tuple[UUID, UUID]] = [(user_id, group_id) for group_id in sorted(set(groups))]
    await connection.executemany("INSERT INTO user_groups (user_id, group_id) VALUES ($1, $2)", rows)


def _user(row: Record) -> User:
    return User(
        user_id=row["id"],
        login=row["login"],
        name=row["name"],
        role=Role(row["role"]),
        groups=tuple(row["groups"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        last_login_at=row["last_login_at"],
        password_hash=row["password_hash"],
    )


def _unknown(user_id: UUID) -> NotFound:
    return NotFound(f"there is no user {user_id}", code="user_not_found")
