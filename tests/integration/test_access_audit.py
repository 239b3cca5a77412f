"""Who came in, who was kept out, and who let whom in: each is in the audit log once, or has not happened."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from storage.database import Connection, open_connection
from stream_server.child import ChildServer
from stream_server.privacy.auditing import Action
from tests.partners.session_browser import GOOD, Browser, browser_of

ABOUT_ACCESS = {action for action in Action if action.value.partition(".")[0] in ("user", "token", "pairing", "device")}
OWNER, NOBODY = "owner-token", "nobody"
# What is in these is what a change of them changes.
TABLES = ("users", "user_groups", "user_sessions", "api_tokens", "devices", "pairing_codes", "cameras")
Entry = tuple[str, str, str | None]


@pytest_asyncio.fixture
async def connection(database_dsn: str) -> AsyncIterator[Connection]:
    """To the database of the server, past it."""
    connection = await open_connection(database_dsn)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def server(own_server: Callable[..., ChildServer], database_dsn: str) -> AsyncIterator[ChildServer]:
    async with own_server(DATABASE_URL=database_dsn) as server:
        yield server


class Log:
    """What the audit log tells of access, as far as nobody has looked at it yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._seen: set[Any] = set()
        self.actions: set[str] = set()

    async def new(self) -> list[Entry]:
        rows = await self._connection.fetch("SELECT id, action, actor, subject FROM audit_log ORDER BY at, action DESC")
        new = [row for row in rows if row["id"] not in self._seen and row["action"] in ABOUT_ACCESS]
        self._seen |= {row["id"] for row in new}
        self.actions |= {row["action"] for row in new}
        return [(row["action"], row["actor"], row["subject"]) for row in new]


class Office:
    """An owner in a browser, a viewer in another, and somebody without anything."""

    def __init__(self, server: ChildServer, owner: Browser, viewer: Browser, anybody: httpx.AsyncClient) -> None:
        self.server, self.owner, self.viewer, self.anybody = server, owner, viewer, anybody

    async def ask(self, http: httpx.AsyncClient, method: str, path: str, status: int, body: Any = None) -> Any:
        answer = await http.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def by_owner(self, method: str, path: str, status: int, body: Any = None) -> Any:
        return await self.ask(self.owner.http, method, path, status, body)


@pytest_asyncio.fixture
async def office(server: ChildServer) -> AsyncIterator[Office]:
    async with (
        browser_of(server) as owner,
        browser_of(server) as viewer,
        httpx.AsyncClient(base_url=server.url, timeout=20) as anybody,
    ):
        yield Office(server, owner, viewer, anybody)


def a_user(login: str, role: str = "viewer") -> dict[str, str]:
    return {"login": login, "name": login.title(), "role": role, "password": GOOD}


async def test_whatever_concerns_access_is_noted_once_with_who_and_whom(office: Office, connection: Connection) -> None:
    log = Log(connection)
    with_token = httpx.AsyncClient(
        base_url=office.server.url, headers={"Authorization": f"Bearer {office.server.token}"}, timeout=20
    )
    async with with_token:
        body = {"login": "ada", "name": "Ada", "password": GOOD}
        ada = f"user:{(await office.ask(with_token, 'POST', '/setup', 201, body))['user']['id']}"
    assert await log.new() == [("user.created", OWNER, ada), ("user.signed_in", ada, ada)]

    assert (await office.owner.sign_in("ada", "wrong horse")).status_code == 401
    assert await log.new() == [("user.sign_in_refused", NOBODY, ada)]
    assert (await office.owner.sign_in("nobody-is-called-so")).status_code == 401
    assert await log.new() == [("user.sign_in_refused", NOBODY, None)]
    assert (await office.owner.sign_in("ada")).status_code == 200
    assert await log.new() == [("user.signed_in", ada, ada)]

    viewer_id = (await office.by_owner("POST", "/users", 201, a_user("vera")))["id"]
    vera = f"user:{viewer_id}"
    assert await log.new() == [("user.created", ada, vera)]
    await office.by_owner("PATCH", f"/users/{viewer_id}", 200, {"name": "Vera V."})
    assert await log.new() == [("user.updated", ada, vera)]
    await office.by_owner("PUT", f"/users/{viewer_id}/password", 204, {"password": GOOD + "!"})
    assert await log.new() == [("user.password_changed", ada, vera)]
    await office.viewer.sign_in("vera", GOOD + "!")
    assert await log.new() == [("user.signed_in", vera, vera)]
    await office.by_owner("DELETE", f"/users/{viewer_id}/sessions", 204)
    assert await log.new() == [("user.sessions_ended", ada, vera)]
    await office.viewer.sign_in("vera", GOOD + "!")
    assert await log.new() == [("user.signed_in", vera, vera)]
    wrong = {"current": "is not it", "new": GOOD}
    await office.ask(office.viewer.http, "PUT", "/me/password", 403, wrong)
    assert await log.new() == [("user.password_refused", vera, vera)]
    changed = await office.ask(office.viewer.http, "PUT", "/me/password", 200, {"current": GOOD + "!", "new": GOOD})
    assert await log.new() == [("user.password_changed", vera, vera), ("user.signed_in", vera, vera)]
    office.viewer.http.headers["X-CSRF-Token"] = changed["csrf_token"]
    await office.ask(office.viewer.http, "POST", "/logout", 204)
    assert await log.new() == [("user.signed_out", vera, None)]
    await office.by_owner("DELETE", f"/users/{viewer_id}", 204)
    assert await log.new() == [("user.removed", ada, vera)]

    token_id = (await office.by_owner("POST", "/tokens", 201, {"name": "Export", "scopes": ["read"]}))["id"]
    assert await log.new() == [("token.made", ada, f"token:{token_id}")]
    await office.by_owner("DELETE", f"/tokens/{token_id}", 204)
    assert await log.new() == [("token.revoked", ada, f"token:{token_id}")]

    phone = {"camera_id": "phone-1", "name": "Phone", "create_camera": True}
    issued = await office.by_owner("POST", "/pairings", 201, phone)
    assert await log.new() == [("pairing.issued", ada, "camera:phone-1")]
    added = await connection.fetch("SELECT actor, subject FROM audit_log WHERE action = 'camera.changed'")
    assert [tuple(row) for row in added] == [(ada, "camera:phone-1")]
    await office.by_owner("DELETE", f"/pairings/{issued['id']}", 204)
    assert await log.new() == [("pairing.withdrawn", ada, "camera:phone-1")]
    await office.ask(office.anybody, "POST", "/pair", 403, {"code": issued["code"]})
    assert await log.new() == [("pairing.refused", NOBODY, None)]
    code = (await office.by_owner("POST", "/pairings", 201, phone))["code"]
    assert await log.new() == [("pairing.issued", ada, "camera:phone-1")]
    device_id = (await office.ask(office.anybody, "POST", "/pair", 201, {"code": code}))["device_id"]
    assert await log.new() == [("device.paired", f"device:{device_id}", "camera:phone-1")]
    await office.by_owner("DELETE", f"/devices/{device_id}", 204)
    assert await log.new() == [("device.revoked", ada, f"device:{device_id}")]

    assert log.actions == ABOUT_ACCESS, "some action is never written, or this test has no step for it"
    kept = await connection.fetchval("SELECT string_agg(a::text, ' ') FROM audit_log a")
    for secret in (GOOD, issued["code"], code, "nobody-is-called-so", office.server.token):
        assert secret not in kept


async def test_what_is_refused_or_changes_nothing_is_not_noted_as_done(office: Office, connection: Connection) -> None:
    log = Log(connection)
    async with office.server.client() as client:
        await client.call("POST", "/api/v1/setup", body={"login": "ada", "name": "Ada", "password": GOOD})
    await office.owner.sign_in("ada")
    await log.new()
    for method, path, status, body in (
        ("POST", "/users", 409, a_user("ada")),
        ("POST", "/users", 422, a_user("bob") | {"password": "short"}),
        ("PATCH", f"/users/{uuid4()}", 404, {"name": "X"}),
        ("DELETE", f"/users/{uuid4()}", 404, None),
        ("PUT", f"/users/{uuid4()}/password", 404, {"password": GOOD}),
        ("DELETE", f"/users/{uuid4()}/sessions", 404, None),
        ("DELETE", f"/tokens/{uuid4()}", 404, None),
        ("DELETE", f"/devices/{uuid4()}", 404, None),
        ("DELETE", f"/pairings/{uuid4()}", 404, None),
        ("POST", "/pairings", 404, {"camera_id": "nowhere", "name": "Phone"}),
    ):
        await office.by_owner(method, path, status, body)
        assert await log.new() == [], (method, path)


async def test_what_cannot_be_noted_does_not_happen(office: Office, connection: Connection) -> None:
    async with office.server.client() as client:
        await client.call("POST", "/api/v1/setup", body={"login": "ada", "name": "Ada", "password": GOOD})
    await office.owner.sign_in("ada")
    vera = (await office.by_owner("POST", "/users", 201, a_user("vera")))["id"]
    await office.viewer.sign_in("vera")
    token_id = (await office.by_owner("POST", "/tokens", 201, {"name": "Export", "scopes": ["read"]}))["id"]
    phone = {"camera_id": "phone-1", "name": "Phone", "create_camera": True}
    code = (await office.by_owner("POST", "/pairings", 201, phone))["code"]
    device = await office.ask(office.anybody, "POST", "/pair", 201, {"code": code})
    waiting = await office.by_owner("POST", "/pairings", 201, phone)

    tried: list[Callable[[], Awaitable[httpx.Response]]] = []

    def by(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> None:
        tried.append(lambda: http.request(method, f"/api/v1{path}", json=body))

    owner, viewer = office.owner.http, office.viewer.http
    by(office.anybody, "POST", "/login", {"login": "vera", "password": GOOD})
    by(owner, "POST", "/users", a_user("carl"))
    by(owner, "PATCH", f"/users/{vera}", {"role": "admin"})
    by(owner, "PUT", f"/users/{vera}/password", {"password": GOOD + "!"})
    by(viewer, "PUT", "/me/password", {"current": GOOD, "new": GOOD + "!"})
    by(owner, "DELETE", f"/users/{vera}/sessions")
    by(viewer, "POST", "/logout")
    by(owner, "DELETE", f"/users/{vera}")
    by(owner, "POST", "/tokens", {"name": "Another", "scopes": ["read"]})
    by(owner, "DELETE", f"/tokens/{token_id}")
    by(owner, "POST", "/pairings", phone)
    by(owner, "POST", "/pairings", phone | {"camera_id": "phone-2"})
    by(owner, "DELETE", f"/pairings/{waiting['id']}")
    by(office.anybody, "POST", "/pair", {"code": waiting["code"]})
    by(owner, "DELETE", f"/devices/{device['device_id']}")

    async def state() -> dict[str, str]:
        # When somebody was seen is no change that is asked for.
        without = "- 'last_seen_at' - 'last_used_at'"
        return {
            table: await connection.fetchval(
                f"SELECT coalesce(string_agg((to_jsonb(t) {without})::text, ' ' ORDER BY t::text), '') FROM {table} t"
            )
            for table in TABLES
        }

    before = await state()
    assert all(before[table] for table in TABLES if table != "user_groups")
    await connection.execute("ALTER TABLE audit_log RENAME TO hidden")
    for attempt in tried:
        answer = await attempt()
        assert answer.status_code >= 500, f"{answer.request.method} {answer.request.url.path}: {answer.text}"
        assert await state() == before, f"{answer.request.method} {answer.request.url.path}"
    await connection.execute("ALTER TABLE hidden RENAME TO audit_log")
    for attempt in tried[8:10]:
        assert (await attempt()).is_success
    assert await state() != before
