"""API tokens: for programs, with scopes. A token never may more than the user who made it may now."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from recognition.errors import RequestError
from storage import api_tokens
from storage.api_tokens import ApiToken
from storage.database import Connection, Database
from storage.users import Role
from stream_server.access.principals import Forbidden, Kind, Principal, digest
from stream_server.access.rights import ALL_RIGHTS, ROLE_RIGHTS, Right
from stream_server.privacy.auditing import Action, Auditor

API_TOKEN = "rct_"


class ExpiryPast(RequestError):
    """A token that would have expired before it was made."""

    code = "expiry_past"


class ApiTokens:
    """Issues tokens and finds whom they stand for."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def issue(
        self, name: str, scopes: Sequence[Right], *, expires_at: datetime | None, by: Principal, audit: Auditor
    ) -> tuple[ApiToken, str]:
        """A new token and its secret, which is not kept. Raises ExpiryPast, and Forbidden for what its maker lacks."""
        if lacking := set(scopes) - by.rights:
            raise Forbidden(
                f"a token cannot have scopes that its maker lacks: {', '.join(sorted(lacking))}",
                hint="GET /api/v1/me tells what you may do",
            )
        if expires_at is not None and expires_at <= self._now():
            raise ExpiryPast("the token would have expired already", hint="give a time that is to come, or none")
        secret = API_TOKEN + secrets.token_urlsafe(32)
        async with self._database.acquire() as connection, connection.transaction():
            token = await api_tokens.add(
                connection,
                name=name,
                scopes=sorted(set(scopes)),
                token_sha256=digest(secret),
                user_id=by.user_id,
                created_by=by.actor,
                now=self._now(),
                expires_at=expires_at,
            )
            subject = f"token:{token.token_id}"
            await audit.changed(connection, Action.TOKEN_MADE, subject=subject, scopes=list(token.scopes))
        return token, secret

    async def find(self, connection: Connection, token_sha256: bytes) -> Principal | None:
        """The program with this token."""
        found = await api_tokens.find(connection, token_sha256, self._now())
        if found is None:
            return None
        token, user = found
        subjects = {("token", token.token_id)}
        if user is not None:
            subjects.add(("user", user.user_id))
        bound = ALL_RIGHTS if user is None else ROLE_RIGHTS[user.role]
        return Principal(
            Kind.API_TOKEN,
            token.token_id,
            token.name,
            frozenset(right for right in bound if right in token.scopes),
            groups=user.groups if user is not None and user.role is Role.TEACHER else None,
            user_id=token.user_id,
            subjects=frozenset(subjects),
            expires_at=token.expires_at,
        )
