"""API tokens for programs, with scopes. Only SHA-256 digests of them come here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from storage import access, users
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.users import User

TOKENS_MAX = 500
USED_EVERY = timedelta(minutes=5)

_COLUMNS = "id, name, scopes, user_id, created_by, created_at, expires_at, last_used_at"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token of a program. `user_id` is the user whose rights bound it, None for the owner's token's."""

    token_id: UUID
    name: str
    scopes: tuple[str, ...]
    user_id: UUID | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


async def add(
    connection: Connection,
    *,
    name: str,
    scopes: Sequence[str],
    token_sha256: bytes,
    user_id: UUID | None,
    created_by: str,
    now: datetime,
    expires_at: datetime | None,
) -> ApiToken:
    """Keep a new token. Raises Conflict `too_many_tokens` when there are `TOKENS_MAX`."""
    async with connection.transaction():
        if await connection.fetchval("SELECT count(*) FROM api_tokens WHERE revoked_at IS NULL") >= TOKENS_MAX:
            raise Conflict(
                f"there are {TOKENS_MAX} API tokens already", hint="revoke those not in use", code="too_many_tokens"
            )
        row = await connection.fetchrow(
            f"""
            INSERT INTO api_tokens (id, name, scopes, token_sha256, user_id, created_by, created_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_COLUMNS}
            """,
            uuid4(),
            name,
            list(scopes),
            token_sha256,
            user_id,
            created_by,
            now,
            expires_at,
        )
    assert row is not None
    return _token(row)


async def find(connection: Connection, token_sha256: bytes, now: datetime) -> tuple[ApiToken, User | None] | None:
    """The token with this digest and its user, unless it is revoked or has expired; notes that it was used."""
    row = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM api_tokens
        WHERE token_sha256 = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
        """,
        token_sha256,
        now,
    )
    if row is None:
        return None
    if row["last_used_at"] is None or now - row["last_used_at"] >= USED_EVERY:
        await connection.execute("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1", row["id"], now)
    if row["user_id"] is None:
        return _token(row), None
    try:
        return _token(row), await users.get(connection, row["user_id"])
    except NotFound:  # removed between the two looks
        return None


async def list_tokens(connection: Connection) -> list[ApiToken]:
    """The tokens that are not revoked, by name; expired ones are among them."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM api_tokens WHERE revoked_at IS NULL ORDER BY name, created_at, id"
    )
    return [_token(row) for row in rows]


async def revoke(connection: Connection, token_id: UUID, now: datetime) -> None:
    """End a token, with its event. Raises NotFound `token_not_found`, also for one that is revoked already."""
    async with connection.transaction():
        done = await connection.fetchval(
            "UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id", token_id, now
        )
        if done is None:
            raise NotFound(f"there is no API token {token_id}", code="token_not_found")
        await access.changed(connection, "token", token_id)


def _token(row: Record) -> ApiToken:
    return ApiToken(
        token_id=row["id"],
        name=row["name"],
        scopes=tuple(row["scopes"]),
        user_id=row["user_id"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )
