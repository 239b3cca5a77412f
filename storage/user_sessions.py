"""Sessions of users who have signed in. Only SHA-256 digests of their tokens come here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from storage import access, users
from storage.database import Connection
from storage.errors import NotFound
from storage.users import User

SESSIONS_MAX = 20
PRUNE_MAX = 2000
SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in, until `expires_at` at the latest."""

    session_id: UUID
    user: User
    expires_at: datetime


async def begin(
    connection: Connection,
    user_id: UUID,
    *,
    password_hash: str,
    token_sha256: bytes,
    now: datetime,
    expires_at: datetime,
) -> Session | None:
    """Begin a session. Of more than `SESSIONS_MAX` of one user those that were idle longest end.

    None when `password_hash`, against which the password was checked, is not the user's any more.
    """
    async with connection.transaction():
        # Locked, so that a change of the password comes before this or ends this session with the others.
        still = await connection.fetchval(
            "SELECT true FROM users WHERE id = $1 AND password_hash = $2 AND removed_at IS NULL FOR UPDATE",
            user_id,
            password_hash,
        )
        if still is None:
            return None
        await connection.execute("DELETE FROM user_sessions WHERE user_id = $1 AND expires_at <= $2", user_id, now)
        superfluous = await connection.fetch(
            """
            DELETE FROM user_sessions WHERE id IN (
                SELECT id FROM user_sessions WHERE user_id = $1 ORDER BY last_seen_at DESC OFFSET $2
            ) RETURNING id
            """,
            user_id,
            SESSIONS_MAX - 1,
        )
        session_id = uuid4()
        await connection.execute(
            """
            INSERT INTO user_sessions (id, user_id, token_sha256, created_at, last_seen_at, expires_at)
            VALUES ($1, $2, $3, $4, $4, $5)
            """,
            session_id,
            user_id,
            token_sha256,
            now,
            expires_at,
        )
        await connection.execute("UPDATE users SET last_login_at = $2 WHERE id = $1", user_id, now)
        user = await users.get(connection, user_id)
        for row in superfluous:
            await access.changed(connection, "session", row["id"])
    return Session(session_id, user, expires_at)


async def find(connection: Connection, token_sha256: bytes, now: datetime, idle: timedelta) -> Session | None:
    """The session with this token, unless it has expired or was idle for too long; notes that it was used."""
    row = await connection.fetchrow(
        """
        SELECT id, user_id, last_seen_at, expires_at FROM user_sessions
        WHERE token_sha256 = $1 AND expires_at > $2 AND last_seen_at > $3
        """,
        token_sha256,
        now,
        now - idle,
    )
    if row is None:
        return None
    if now - row["last_seen_at"] >= SEEN_EVERY:
        await connection.execute("UPDATE user_sessions SET last_seen_at = $2 WHERE id = $1", row["id"], now)
    try:
        user = await users.get(connection, row["user_id"])
    except NotFound:  # removed between the two looks
        return None
    return Session(row["id"], user, row["expires_at"])


async def end(connection: Connection, session_id: UUID) -> None:
    """Sign out; nothing happens to a session that is over."""
    async with connection.transaction():
        await connection.execute("DELETE FROM user_sessions WHERE id = $1", session_id)
        await access.changed(connection, "session", session_id)


async def prune(connection: Connection, idle_since: datetime, limit: int = PRUNE_MAX) -> int:
    """Delete the sessions that were idle, or had expired, before `idle_since`, at most `limit`; return how many."""
    count: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM user_sessions WHERE id IN (
                SELECT id FROM user_sessions WHERE expires_at < $1 OR last_seen_at < $1
                ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        idle_since,
        limit,
    )
    return count
