from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage import api_tokens, users
from storage.database import Database
from storage.users import Role
from stream_server.access.api_tokens import ApiTokens, ExpiryPast
from stream_server.access.principals import OWNER_TOKEN, Forbidden, Kind, Principal, digest
from stream_server.access.rights import ROLE_RIGHTS, SCOPES, Right, asked_for
from stream_server.errors import status_of
from stream_server.privacy.auditing import Auditor

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def tokens(database: Database) -> ApiTokens:
    return ApiTokens(database, now=lambda: NOON)


async def find(tokens: ApiTokens, database: Database, secret: str) -> Principal | None:
    async with database.acquire() as connection:
        return await tokens.find(connection, digest(secret))


async def admin(database: Database, **more: Any) -> Principal:
    async with database.acquire() as connection:
        user = await users.add(
            connection, login="ada", name="Ada", role=Role.ADMIN, password_hash="x", created_by="test", now=NOON
        )
    return Principal(Kind.USER, user.user_id, "Ada", ROLE_RIGHTS[Role.ADMIN], role=Role.ADMIN, user_id=user.user_id)


async def test_a_token_has_its_scopes_and_nothing_else(tokens: ApiTokens, database: Database, auditor: Auditor) -> None:
    token, secret = await tokens.issue(
        "Export", [Right.READ, Right.READ, Right.PUNCH], expires_at=None, by=OWNER_TOKEN, audit=auditor
    )
    principal = await find(tokens, database, secret)
    assert principal is not None
    assert (principal.kind, principal.id, principal.name) == (Kind.API_TOKEN, token.token_id, "Export")
    assert principal.rights == {Right.READ, Right.PUNCH}
    assert not principal.is_owner
    assert token.created_by == "owner-token"
    assert secret.startswith("rct_")
    assert await find(tokens, database, secret + "x") is None


async def test_nobody_makes_a_token_that_may_more_than_themselves(
    tokens: ApiTokens, database: Database, auditor: Auditor
) -> None:
    teacher = Principal(Kind.USER, None, "Ada", ROLE_RIGHTS[Role.TEACHER], role=Role.TEACHER)
    with pytest.raises(Forbidden) as refused:
        await tokens.issue("Export", [Right.READ, Right.PEOPLE], expires_at=None, by=teacher, audit=auditor)
    assert "people" in refused.value.detail


async def test_a_token_may_never_more_than_its_maker_may_now(
    tokens: ApiTokens, database: Database, auditor: Auditor
) -> None:
    ada = await admin(database)
    assert ada.user_id is not None
    _, secret = await tokens.issue("Export", [Right.READ, Right.ADMIN], expires_at=None, by=ada, audit=auditor)
    principal = await find(tokens, database, secret)
    assert principal is not None
    assert principal.rights == {Right.READ, Right.ADMIN}
    assert ("user", ada.user_id) in principal.subjects
    async with database.acquire() as connection:
        await users.update(connection, ada.user_id, role=Role.TEACHER, groups=[ada.user_id])
    principal = await find(tokens, database, secret)
    assert principal is not None
    assert principal.rights == {Right.READ}
    assert principal.groups == (ada.user_id,)
    async with database.acquire() as connection:
        await users.remove(connection, ada.user_id, NOON)
    assert await find(tokens, database, secret) is None


async def test_a_token_with_every_scope_lets_nobody_else_in(
    tokens: ApiTokens, database: Database, auditor: Auditor
) -> None:
    for by in (OWNER_TOKEN, await admin(database)):
        _, secret = await tokens.issue("All", SCOPES, expires_at=None, by=by, audit=auditor)
        principal = await find(tokens, database, secret)
        assert principal is not None
        assert principal.rights == set(SCOPES)
        with pytest.raises(Forbidden) as refused:
            principal.check(asked_for({"type": "http", "method": "POST", "path": "/api/v1/tokens"}))
        assert "sign in" in refused.value.hint


@pytest.mark.parametrize("expires_at", [NOON, NOON - timedelta(days=365)])
async def test_a_token_that_would_be_worth_nothing_is_not_made(
    tokens: ApiTokens, database: Database, expires_at: datetime, auditor: Auditor
) -> None:
    with pytest.raises(ExpiryPast) as refused:
        await tokens.issue("Past", [Right.READ], expires_at=expires_at, by=OWNER_TOKEN, audit=auditor)
    assert status_of(refused.value) == 422
    async with database.acquire() as connection:
        assert await api_tokens.list_tokens(connection) == []


async def test_a_token_tells_when_it_ends(tokens: ApiTokens, database: Database, auditor: Auditor) -> None:
    _, secret = await tokens.issue(
        "Day", [Right.READ], expires_at=NOON + timedelta(days=1), by=OWNER_TOKEN, audit=auditor
    )
    principal = await find(tokens, database, secret)
    assert principal is not None
    assert principal.left_s(NOON) == 86_400
