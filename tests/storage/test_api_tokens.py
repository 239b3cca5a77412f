import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from storage import api_tokens, outbox, users
from storage.database import Connection
from storage.errors import Conflict, NotFound
from storage.users import Role, User

HOUR = timedelta(hours=1)


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def add(connection: Connection, secret: str, now: datetime, **more: Any) -> api_tokens.ApiToken:
    values: dict[str, Any] = {"scopes": ["read"], "user_id": None, "created_by": "owner-token", "expires_at": None}
    return await api_tokens.add(
        connection, name=f"Token {secret}", token_sha256=sha256(secret), now=now, **(values | more)
    )


@pytest.fixture
async def ada_user(connection: Connection, noon: datetime) -> User:
    return await users.add(
        connection, login="ada", name="Ada", role=Role.ADMIN, password_hash="x", created_by="test", now=noon
    )


async def test_a_token_is_found_with_its_user_until_it_is_revoked(
    connection: Connection, ada_user: User, noon: datetime
) -> None:
    token = await add(connection, "one", noon, user_id=ada_user.user_id, scopes=["punch", "read"])
    found = await api_tokens.find(connection, sha256("one"), noon)
    assert found == (token, ada_user)
    assert await api_tokens.find(connection, sha256("two"), noon) is None
    await api_tokens.revoke(connection, token.token_id, noon)
    assert await api_tokens.find(connection, sha256("one"), noon) is None
    assert await api_tokens.list_tokens(connection) == []
    (event,) = await outbox.read_after(connection, 0)
    assert event.payload == {"kind": "token", "id": str(token.token_id)}
    for unknown in (token.token_id, UUID(int=1)):
        with pytest.raises(NotFound) as refused:
            await api_tokens.revoke(connection, unknown, noon)
        assert refused.value.code == "token_not_found"


async def test_it_ends_at_its_time_and_with_its_user(connection: Connection, ada_user: User, noon: datetime) -> None:
    await add(connection, "short", noon, expires_at=noon + HOUR)
    await add(connection, "hers", noon, user_id=ada_user.user_id)
    assert await api_tokens.find(connection, sha256("short"), noon) is not None
    assert await api_tokens.find(connection, sha256("short"), noon + HOUR) is None
    assert len(await api_tokens.list_tokens(connection)) == 2
    await users.remove(connection, ada_user.user_id, noon)
    assert await api_tokens.find(connection, sha256("hers"), noon) is None


async def test_when_it_was_used_is_noted_now_and_then(connection: Connection, noon: datetime) -> None:
    await add(connection, "one", noon)
    for minutes, used in ((0, 0), (4, 0), (5, 5)):
        await api_tokens.find(connection, sha256("one"), noon + timedelta(minutes=minutes))
        (token,) = await api_tokens.list_tokens(connection)
        assert token.last_used_at == noon + timedelta(minutes=used)


async def test_tokens_are_bounded_in_number(
    connection: Connection, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_tokens, "TOKENS_MAX", 2)
    first = await add(connection, "one", noon)
    await add(connection, "two", noon)
    with pytest.raises(Conflict) as refused:
        await add(connection, "three", noon)
    assert refused.value.code == "too_many_tokens"
    await api_tokens.revoke(connection, first.token_id, noon)
    await add(connection, "three", noon)
