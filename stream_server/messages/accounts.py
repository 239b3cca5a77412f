"""The bodies of the REST API that concern users, signing in, and API tokens."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, Field, SecretStr

from stream_server.access.passwords import LENGTH_MAX
from stream_server.access.scopes import SCOPES, Scope
from stream_server.messages.access import Label
from stream_server.messages.wire import Page, Shape

RoleName = Literal["owner", "admin", "teacher", "viewer"]
Login = Annotated[str, Field(min_length=1, max_length=100, examples=["ada"])]
Password = Annotated[SecretStr, Field(min_length=1, max_length=LENGTH_MAX)]
LIMIT = "They see and change what is of these, and nothing else."
Groups = Annotated[tuple[UUID, ...], Field(max_length=500)]


def written_time(value: object) -> object:
    """The value itself; a number, which would be taken for seconds since 1970, is refused."""
    if isinstance(value, int | float):
        raise ValueError("a time is written like 2026-01-31T12:00:00Z")
    return value


class SetUpState(Shape):
    """Whether the server has an owner."""

    needed: bool = Field(description="Nobody owns this server yet: `POST /api/v1/setup` with the owner's token.")


class SetUp(Shape):
    """The first owner."""

    login: Login
    name: Label
    password: Password


class SignIn(Shape):
    """Login and password."""

    login: Login
    password: Password


class PasswordChange(Shape):
    """Another password for oneself."""

    current: Password
    new: Password


class PasswordSet(Shape):
    """Another password for somebody else."""

    password: Password


class UserCreate(Shape):
    """A user to add."""

    login: Login = Field(description="Small letters, digits and . _ @ + -; capitals are made small.")
    name: Label
    role: RoleName
    password: Password
    groups: Groups = Field((), description=f"For a teacher: the groups (classes) that are theirs. {LIMIT}")


class UserUpdate(Shape):
    """What to change; what is absent stays."""

    name: Label | None = None
    role: RoleName | None = None
    groups: Groups | None = Field(None, description=f"Of a teacher. {LIMIT}")


class UserBody(Shape):
    """A user."""

    id: UUID
    login: str
    name: str
    role: RoleName
    groups: tuple[UUID, ...] = Field(description=f"Of a teacher. {LIMIT}")
    created_by: str
    created_at: datetime
    last_login_at: datetime | None


class Users(Page):
    """Users, by name."""

    users: tuple[UserBody, ...]


class SessionBody(Shape):
    """A session that has begun; its secret is in the cookie."""

    user: UserBody
    csrf_token: str = Field(description="To be sent as `X-CSRF-Token` with everything that changes something.")
    expires_at: datetime


class TokenCreate(Shape):
    """An API token to make."""

    name: Label
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(SCOPES))]
    expires_at: Annotated[AwareDatetime, BeforeValidator(written_time)] | None = Field(
        None, description="Null: until it is revoked."
    )


class TokenBody(Shape):
    """An API token, without its secret."""

    id: UUID
    name: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(None, description="Noted every few minutes.")


class TokenCreated(TokenBody):
    """A token just made. `token` is its secret: it is told once."""

    token: str


class Tokens(Shape):
    """The API tokens that are not revoked, by name."""

    tokens: tuple[TokenBody, ...]
