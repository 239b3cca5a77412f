"""Accounts: signing in and out, the first owner, and changing one's password. Over HTTP it is `api.sign_in`."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from recognition.errors import RequestError
from storage import user_sessions, users
from storage.database import Connection, Database
from storage.user_sessions import Session
from storage.users import Role, User
from stream_server.access.attempts import AttemptLimit
from stream_server.access.cookies import SESSION_TOKEN
from stream_server.access.passwords import Passwords
from stream_server.access.principals import Kind, Principal, digest
from stream_server.access.rights import ROLE_RIGHTS, Right
from stream_server.access.shared_attempts import SharedAttempts
from stream_server.privacy.auditing import Action, Auditor
from stream_server.settings import AuthSettings

log = logging.getLogger("rollcall.access")

WINDOW_S = 300
ATTEMPTS_IN_ALL = 300
ATTEMPTS_FROM_ONE_ADDRESS = 10
# More than one address may have, so that nobody alone can keep somebody else out.
ATTEMPTS_FOR_ONE_ACCOUNT = 30


class PasswordWrong(RequestError):
    """The current password, asked for again, is another. The session goes on."""

    code = "password_wrong"


class SignInRefused(RequestError):
    """Login or password are wrong; which of them is not told."""

    code = "sign_in_refused"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun; `token` is its secret."""

    session: Session
    token: str
    began_at: datetime


class Accounts:
    """Users, as far as their passwords go."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        settings: AuthSettings,
        *,
        attempts: SharedAttempts,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._idle = timedelta(seconds=settings.session_idle_s)
        self._lifetime = timedelta(seconds=settings.session_max_s)
        self._now = now
        self._attempts = attempts
        self._by_address = AttemptLimit(
            "password by address", in_all=ATTEMPTS_IN_ALL, from_one=ATTEMPTS_FROM_ONE_ADDRESS, window_s=WINDOW_S
        )
        self._by_account = AttemptLimit(
            "password by account", in_all=ATTEMPTS_IN_ALL, from_one=ATTEMPTS_FOR_ONE_ACCOUNT, window_s=WINDOW_S
        )
        self._has_owner = False

    async def needs_set_up(self) -> bool:
        """Whether nobody owns this server yet."""
        if not self._has_owner:
            async with self._database.acquire() as connection:
                self._has_owner = await users.has_owner(connection)
        return not self._has_owner

    async def set_up(self, login: str, name: str, password: str, audit: Auditor) -> SignedIn:
        """The first owner, signed in. Raises Conflict `setup_done`, `login_taken`, PasswordTooWeak."""
        user = await self.add(login, name, password, role=Role.OWNER, by=audit.actor, audit=audit, first_owner=True)
        signed_in = await self._begin(user, audit)
        if signed_in is None:  # in the same moment another owner was made, and changed this one
            raise SignInRefused("the account has just been changed", hint="sign in")
        return signed_in

    async def add(
        self,
        login: str,
        name: str,
        password: str,
        *,
        role: Role,
        by: str,
        audit: Auditor,
        groups: tuple[UUID, ...] = (),
        first_owner: bool = False,
    ) -> User:
        """A new user. Raises Conflict `login_taken`, RequestError `login_invalid`, PasswordTooWeak."""
        self._passwords.check_strength(password, login)
        password_hash = await self._passwords.hash(password)
        async with self._database.acquire() as connection, connection.transaction():
            user = await users.add(
                connection,
                login=plain_login(login),
                name=name,
                role=role,
                password_hash=password_hash,
                created_by=by,
                now=self._now(),
                groups=groups,
                first_owner=first_owner,
            )
            await audit.changed(connection, Action.USER_CREATED, subject=user_subject(user.user_id), role=role.value)
        return user

    async def sign_in(self, login: str, password: str, source: str, audit: Auditor) -> SignedIn:
        """A new session. `source` is who asks, as of `attempts.source_of`.

        Raises TooManyAttempts, SignInRefused, PasswordsBusy and StorageUnavailable.
        """
        login = plain_login(login)
        async with self._attempts.attempt((self._by_address, source), (self._by_account, login), wrong=SignInRefused):
            user = None
            # What can be no login is nobody's; the database would not even take all of it (NUL).
            if users.LOGIN.fullmatch(login):
                async with self._database.acquire() as connection:
                    user = await users.find_by_login(connection, login)
            fits = await self._passwords.matches(user.password_hash if user else None, password)
            signed_in = None
            if user and fits:
                signed_in = await self._begin(await self._with_fresh_hash(user, password), audit, source=source)
            if signed_in is None:
                log.info("a sign-in from %s was refused", source)
                # Whatever was typed as login is not kept: it may have been the password.
                subject = "" if user is None else user_subject(user.user_id)
                async with self._database.acquire() as connection:
                    await audit.seen(connection, Action.SIGN_IN_REFUSED, subject=subject, source=source)
                raise SignInRefused("login or password are wrong", hint="an owner or admin can set a new password")
        log.info("user %s signed in from %s", signed_in.session.user.user_id, source)
        return signed_in

    async def sign_out(self, session_id: UUID, audit: Auditor) -> None:
        """End a session."""
        async with self._database.acquire() as connection, connection.transaction():
            await audit.changed(connection, Action.SIGNED_OUT)
            await user_sessions.end(connection, session_id)

    async def change_password(self, principal: Principal, current: str, new: str, audit: Auditor) -> SignedIn:
        """Another password for oneself; all sessions end, and a new one begins.

        Raises TooManyAttempts, PasswordWrong, PasswordTooWeak, PasswordsBusy.
        """
        assert principal.user_id is not None
        async with self._database.acquire() as connection:
            user = await users.get(connection, principal.user_id)
        async with self._attempts.attempt((self._by_account, user.login), wrong=PasswordWrong):
            if not await self._passwords.matches(user.password_hash, current):
                async with self._database.acquire() as connection:
                    await audit.seen(connection, Action.PASSWORD_REFUSED, subject=user_subject(user.user_id))
                raise _wrong_password()
        password_hash = await self.hash_new(user, new)
        async with self._database.acquire() as connection, connection.transaction():
            # Whoever set another password while this one was checked has the last word.
            done = await users.replace_password(connection, user, password_hash)
            if done:
                await audit.changed(connection, Action.PASSWORD_CHANGED, subject=user_subject(user.user_id))
        signed_in = await self._begin(replace(user, password_hash=password_hash), audit) if done else None
        if signed_in is None:
            raise _wrong_password()
        return signed_in

    async def hash_new(self, user: User, password: str) -> str:
        """The hash of another password for a user, to be stored. Raises PasswordTooWeak and PasswordsBusy."""
        self._passwords.check_strength(password, user.login)
        return await self._passwords.hash(password)

    async def find(self, connection: Connection, token_sha256: bytes) -> Principal | None:
        """The user of the session with this token."""
        session = await user_sessions.find(connection, token_sha256, self._now(), self._idle)
        if session is None:
            return None
        user = session.user
        return Principal(
            Kind.USER,
            user.user_id,
            user.name,
            ROLE_RIGHTS[user.role] | {Right.SESSION},
            role=user.role,
            groups=user.groups if user.role is Role.TEACHER else None,
            user_id=user.user_id,
            session_id=session.session_id,
            subjects=frozenset({("session", session.session_id), ("user", user.user_id)}),
            expires_at=session.expires_at,
        )

    async def _with_fresh_hash(self, user: User, password: str) -> User:
        """The user, whose password was right, with its hash made anew if it was made with older settings."""
        if user.password_hash is None or not self._passwords.is_outdated(user.password_hash):
            return user
        password_hash = await self._passwords.hash(password)
        async with self._database.acquire() as connection:
            done = await users.replace_password(connection, user, password_hash, ends_sessions=False)
        return replace(user, password_hash=password_hash) if done else user

    async def _begin(self, user: User, audit: Auditor, source: str | None = None) -> SignedIn | None:
        """A session for a user whose password was checked; None when it is another by now, or the user was removed."""
        assert user.password_hash is not None
        # Always a new secret: one that somebody planted in the browser before is worth nothing.
        token = SESSION_TOKEN + secrets.token_urlsafe(32)
        now = self._now()
        async with self._database.acquire() as connection, connection.transaction():
            session = await user_sessions.begin(
                connection,
                user.user_id,
                password_hash=user.password_hash,
                token_sha256=digest(token),
                now=now,
                expires_at=now + self._lifetime,
            )
            if session is None:
                return None
            own = audit.as_actor(user_subject(user.user_id))
            await own.changed(connection, Action.SIGNED_IN, subject=user_subject(user.user_id), source=source)
        return SignedIn(session, token, now)


def user_subject(user_id: UUID) -> str:
    """A user in the audit log, as actor and as subject."""
    return f"{Kind.USER}:{user_id}"


def plain_login(login: str) -> str:
    """A login as it is kept: small letters, nothing around it."""
    return login.strip().lower()


def _wrong_password() -> PasswordWrong:
    return PasswordWrong("the current password is wrong", hint="an owner or admin can set a new one")
