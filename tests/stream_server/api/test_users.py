"""Users over REST, asked for by an admin; what needs a server that runs is in tests/integration/test_sign_in.py."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from starlette.types import ASGIApp, Receive, Scope, Send

from storage import users
from storage.users import Role, User
from stream_server.access.accounts import Accounts
from stream_server.access.passwords import Passwords
from stream_server.access.principals import Kind, Principal
from stream_server.access.rights import ALL_RIGHTS, Right
from stream_server.access.shared_attempts import SharedAttempts
from tests.stream_server.api.conftest import MORNING, Api

ADMIN = Principal(
    Kind.USER,
    UUID(int=9),
    "Admin",
    ALL_RIGHTS | {Right.GRANT},
    role=Role.ADMIN,
    subjects=frozenset({("token", UUID(int=9))}),
)
AS_ADMIN = {"headers": {"Authorization": "Bearer rct_admin"}}
NEW = {"password": "another good one"}


class Access:
    """Lets one admin in."""

    def __init__(self) -> None:
        self.identities = self
        self.ended: list[tuple[str, UUID]] = []

    async def of(self, token: str) -> Principal:
        return ADMIN

    async def serve(self, app: ASGIApp, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    def end(self, kind: str, subject: UUID) -> None:
        self.ended.append((kind, subject))


@pytest_asyncio.fixture
async def admin(api: Api, attempts: SharedAttempts) -> Any:
    passwords = Passwords(memory_kib=8192, passes=1, length_min=10)
    api.services.access = Access()
    api.services.accounts = Accounts(api.database, passwords, api.settings.auth, attempts=attempts, now=lambda: MORNING)
    yield SimpleNamespace(api=api, passwords=passwords, access=api.services.access)
    passwords.close()


async def add(api: Api, login: str, role: Role = Role.VIEWER, name: str = "") -> User:
    async with api.database.acquire() as connection:
        return await users.add(
            connection,
            login=login,
            name=name or login.title(),
            role=role,
            password_hash="kept",
            created_by="test",
            now=MORNING,
        )


async def test_an_admin_sets_no_password_of_somebody_who_became_an_owner_while_it_was_hashed(
    admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api: Api = admin.api
    ada = await add(api, "ada")
    path = f"/users/{ada.user_id}/password"
    await api.call("PUT", path, 204, json=NEW, **AS_ADMIN)
    hash_it = admin.passwords.hash

    async def promoted_meanwhile(password: str) -> Any:
        async with api.database.acquire() as connection:
            await users.update(connection, ada.user_id, role=Role.OWNER)
        return await hash_it(password)

    async with api.database.acquire() as connection:
        before = (await users.get(connection, ada.user_id)).password_hash
    monkeypatch.setattr(admin.passwords, "hash", promoted_meanwhile)
    assert (await api.call("PUT", path, 403, json=NEW, **AS_ADMIN))["code"] == "forbidden"
    async with api.database.acquire() as connection:
        assert (await users.get(connection, ada.user_id)).password_hash == before
    assert admin.access.ended == [("user", ada.user_id)]


async def test_an_admin_signs_out_others_and_no_owner(admin: Any) -> None:
    ada, bob = await add(admin.api, "ada", Role.OWNER), await add(admin.api, "bob")
    await admin.api.call("DELETE", f"/users/{bob.user_id}/sessions", 204, **AS_ADMIN)
    await admin.api.call("DELETE", f"/users/{ada.user_id}/sessions", 403, **AS_ADMIN)
    await admin.api.call("DELETE", f"/users/{UUID(int=7)}/sessions", 404, **AS_ADMIN)
    assert admin.access.ended == [("user", bob.user_id)]


async def test_users_are_listed_in_pages_and_found_by_login(admin: Any) -> None:
    for number in range(5):
        await add(admin.api, f"user-{number}", name="Ada")
    logins: list[str] = []
    page: dict[str, Any] = {"next_cursor": None}
    while True:
        more = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = await admin.api.call("GET", "/users", params={"limit": 2, **more})
        logins += [user["login"] for user in page["users"]]
        if page["next_cursor"] is None:
            break
    assert sorted(logins) == [f"user-{number}" for number in range(5)]
    found = await admin.api.call("GET", "/users", params={"login": " USER-3 "})
    assert [user["login"] for user in found["users"]] == ["user-3"]
    assert (await admin.api.call("GET", "/users", params={"login": "a\0"}, status=400))["code"] == "text_unstorable"
    await admin.api.call("GET", "/users", params={"limit": 201}, status=422)
