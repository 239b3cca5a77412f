"""Who a credential stands for, and the two ways in which a request carries one."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from starlette.requests import HTTPConnection

from recognition.errors import RequestError
from storage.users import Role
from storage.visibility import EVERYTHING, Visible
from stream_server.access.rights import ALL_RIGHTS, Asked, Right


class Kind(StrEnum):
    """What sort of credential it is."""

    OWNER_TOKEN = "owner-token"
    USER = "user"
    API_TOKEN = "api-token"
    DEVICE = "device"


class Forbidden(RequestError):
    """The credential is good, but not for this."""

    code = "forbidden"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `subjects` are the (kind, id) whose revocation ends it: a session ends with its user, too.

    `camera_id` limits it to one camera, `groups`, those of a teacher, to what is theirs; None is no limit. `user_id` is
    the user behind it, which an API token may have, too. It is worth nothing from `expires_at` on.
    """

    kind: Kind
    id: UUID | None
    name: str
    rights: frozenset[Right]
    camera_id: str | None = None
    role: Role | None = None
    groups: tuple[UUID, ...] | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    subjects: frozenset[tuple[str, UUID]] = frozenset()
    expires_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Such as `user:0f3c…`, or `owner-token`: what stays of somebody in a record of what was done."""
        return self.kind.value if self.id is None else f"{self.kind}:{self.id}"

    @property
    def is_owner(self) -> bool:
        """Whether it may do what concerns owners."""
        return self.kind is Kind.OWNER_TOKEN or self.role is Role.OWNER

    @property
    def visible(self) -> Visible:
        """What it may see, and change as far as its rights go."""
        if self.groups is None and self.role is not Role.TEACHER:
            return EVERYTHING
        return Visible(frozenset(self.groups or ()))

    @property
    def own_subjects(self) -> frozenset[tuple[str, UUID]]:
        """The session, token or device that the credential is, without the user behind it."""
        return frozenset(subject for subject in self.subjects if subject[0] != "user")

    def has_expired(self, now: datetime) -> bool:
        """Whether it stands for nobody any more."""
        return self.expires_at is not None and self.expires_at <= now

    def left_s(self, now: datetime) -> float | None:
        """Seconds until it expires; None when it does not by itself."""
        return None if self.expires_at is None else max(0.0, (self.expires_at - now).total_seconds())

    def check(self, asked: Asked) -> None:
        """Raises Forbidden unless it may do what is asked."""
        assert asked.rule is not None
        needed = Right.READ if asked.rule.right is Right.METRICS else asked.rule.right
        if needed is Right.GRANT and self.kind in (Kind.API_TOKEN, Kind.DEVICE):
            raise Forbidden(
                "users and tokens are made by people, never by a token", hint="sign in, or use the owner's token"
            )
        if needed not in (Right.OPEN, Right.SIGNED_IN) and needed not in self.rights:
            raise Forbidden(
                f"this needs the right `{needed}`, which the {self.kind} does not have",
                hint="GET /api/v1/me tells what it may do",
            )
        if self.camera_id is not None and needed is Right.STREAM and asked.camera_id != self.camera_id:
            raise Forbidden(
                "this device may stream as one camera, and this is another",
                hint=f"its camera is {self.camera_id}; pair it anew for another",
            )


OWNER_TOKEN = Principal(Kind.OWNER_TOKEN, None, "owner", ALL_RIGHTS | {Right.SETUP, Right.GRANT})


def principal_of(connection: HTTPConnection) -> Principal:
    """Whom the guard has let in; only for routes that are not open to everybody."""
    principal = found_principal(connection)
    assert principal is not None
    return principal


def found_principal(connection: HTTPConnection) -> Principal | None:
    """The same; None where the route is open to everybody."""
    principal: Any = connection.scope.get("state", {}).get("principal")
    assert principal is None or isinstance(principal, Principal)
    return principal


def digest(secret: str) -> bytes:
    """SHA-256, 32 bytes: how secrets of 256 random bits are kept and compared."""
    return hashlib.sha256(secret.encode()).digest()
