"""The guard with credentials that are looked up: rights, cookies, and pages of other sites."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from storage.errors import StorageUnavailable
from stream_server.access.auth import Guard
from stream_server.access.cookies import csrf_token
from stream_server.access.holders import Access
from stream_server.access.principals import Kind, Principal, principal_of
from stream_server.access.rights import Right
from stream_server.messages.wire import Event

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOST = "http://rollcall.test"
SESSION = "rcs_session"
COOKIE = {"Cookie": f"rollcall={SESSION}"}
PROOF = {"X-CSRF-Token": csrf_token(SESSION)}
PEOPLE = {
    SESSION: Principal(
        Kind.USER,
        UUID(int=1),
        "Ada",
        frozenset({Right.READ, Right.PUNCH, Right.SESSION}),
        session_id=UUID(int=2),
        subjects=frozenset({("user", UUID(int=1)), ("session", UUID(int=2))}),
    ),
    "rct_reader": Principal(
        Kind.API_TOKEN, UUID(int=3), "Export", frozenset({Right.READ}), subjects=frozenset({("token", UUID(int=3))})
    ),
    "rcd_phone": Principal(
        Kind.DEVICE,
        UUID(int=4),
        "Phone",
        frozenset({Right.STREAM}),
        camera_id="door",
        subjects=frozenset({("device", UUID(int=4))}),
    ),
}


class Identities:
    away = False

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, UUID]] = []

    async def of(self, token: str) -> Principal | None:
        if self.away:
            raise StorageUnavailable("away")
        return PEOPLE.get(token)

    def forget(self, kind: str, subject: UUID) -> None:
        self.forgotten.append((kind, subject))


class Peers:
    def __init__(self) -> None:
        self.ended: list[tuple[str, UUID]] = []

    def end_of(self, kind: str, subject: UUID) -> None:
        self.ended.append((kind, subject))

    def has_peer_of(self, kind: str, subject: UUID) -> bool:
        return kind == "device"


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        principal = scope.get("state", {}).get("principal")
        await PlainTextResponse(principal.name if principal else "nobody")(scope, receive, send)


@pytest.fixture
def access() -> Any:
    return Access(Identities(), Peers(), now=lambda: NOON)  # type: ignore[arg-type]


@pytest.fixture
def guard(access: Any) -> Guard:
    return Guard(inside, token="owner-token", access=lambda: access, allowed_origins=("https://school.example",))


async def ask(
    guard: Guard, method: str = "GET", path: str = "/api/v1/people", headers: dict[str, str] | None = None
) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=guard), base_url=HOST) as client:
        return await client.request(method, path, headers=headers)


async def opens(guard: Guard, path: str, headers: dict[str, str], subprotocols: tuple[str, ...] = ()) -> int:
    """101, or the status of the refusal."""
    sent: list[Any] = []
    scope = {
        "type": "websocket",
        "path": path,
        "headers": [(k.lower().encode(), v.encode()) for k, v in ({"host": "rollcall.test"} | headers).items()],
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    return 101 if sent[0]["type"] == "websocket.accept" else int(sent[0]["status"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_whoever_has_the_right_is_let_in_by_name(guard: Guard) -> None:
    assert (await ask(guard, headers=bearer("rct_reader"))).text == "Export"
    assert (await ask(guard, headers=COOKIE)).text == "Ada"
    assert (await ask(guard, headers=bearer("owner-token"))).text == "owner"


async def test_a_token_of_another_scope_is_refused_with_the_right_it_lacks(guard: Guard) -> None:
    for token, method, path, right in (
        ("rct_reader", "POST", "/api/v1/people", "people"),
        ("rct_reader", "POST", "/api/v1/attendance", "punch"),
        ("rct_reader", "POST", "/whip/door", "stream"),
        ("rct_reader", "GET", "/api/v1/users", "admin"),
        ("rcd_phone", "GET", "/api/v1/people", "read"),
        ("owner-token", "POST", "/api/v1/logout", "session"),
    ):
        answer = await ask(guard, method, path, bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
        assert f"`{right}`" in answer.json()["detail"]


async def test_another_cameras_token_opens_nothing(guard: Guard) -> None:
    phone = bearer("rcd_phone")
    assert await opens(guard, "/ws/v1/camera/door", phone) == 101
    assert await opens(guard, "/ws/v1/camera/door", {}, ("rollcall.v1", "rollcall.bearer.rcd_phone")) == 101
    assert await opens(guard, "/ws/v1/camera/yard", phone) == 403
    assert await opens(guard, "/ws/v1/events", phone) == 403
    assert (await ask(guard, "POST", "/whip/door", phone)).text == "Phone"
    for method, path in (("POST", "/whip/yard"), ("DELETE", "/whip/yard/x"), ("PATCH", "/whip/yard/x")):
        assert (await ask(guard, method, path, phone)).status_code == 403


async def test_what_is_not_named_is_closed_even_to_the_owner(guard: Guard) -> None:
    for path in ("/x", "/api/v1/people/", "/debug/vars", "/api/v2/people"):
        answer = await ask(guard, "GET", path, bearer("owner-token"))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await ask(guard, "GET", path)).status_code == 401
    answer = await ask(guard, "PUT", "/api/v1/people", bearer("owner-token"))
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "POST"}


async def test_while_the_database_is_away_or_the_server_starts_an_unknown_token_is_told_to_wait(
    guard: Guard, access: Any
) -> None:
    access.identities.away = True
    for headers in (bearer("rct_reader"), COOKIE):
        answer = await ask(guard, headers=headers)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
    assert (await ask(guard, headers=bearer("nonsense"))).status_code == 401
    assert (await ask(guard, headers=bearer("owner-token"))).text == "owner"
    assert (await ask(Guard(inside, token="owner-token"), headers=bearer("rcd_phone"))).status_code == 503


async def test_what_changes_something_by_cookie_needs_a_proof_that_a_page_of_ours_asks(guard: Guard) -> None:
    assert (await ask(guard, "POST", "/api/v1/attendance", COOKIE | PROOF)).text == "Ada"
    for proof in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 64}, {"X-CSRF-Token": csrf_token("rcs_other")}):
        answer = await ask(guard, "POST", "/api/v1/attendance", COOKIE | proof)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused")
    assert (await ask(guard, "POST", "/api/v1/attendance", bearer("owner-token"))).text == "owner"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": HOST, "Sec-Fetch-Site": "same-origin"}, 200),
        # Behind something that ends TLS: there the page's cookie has the name that no other host can set.
        ({"Origin": "https://rollcall.test", "Cookie": f"__Host-rollcall={SESSION}"}, 200),
        ({"Origin": "https://rollcall.test"}, 401),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://school.example", "Sec-Fetch-Site": "cross-site"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_a_page_of_another_site_changes_nothing_even_with_the_token(
    guard: Guard, headers: dict[str, str], status: int
) -> None:
    assert (await ask(guard, "POST", "/api/v1/attendance", COOKIE | PROOF | headers)).status_code == status


async def test_a_socket_by_cookie_needs_the_origin_of_a_page_of_ours(guard: Guard) -> None:
    assert await opens(guard, "/ws/v1/events", COOKIE | {"Origin": HOST}) == 101
    assert await opens(guard, "/ws/v1/events", COOKIE | {"Origin": "https://school.example"}) == 101
    assert await opens(guard, "/ws/v1/events", COOKIE) == 403
    assert await opens(guard, "/ws/v1/events", COOKIE | {"Origin": "https://evil.example"}) == 403
    assert await opens(guard, "/ws/v1/events", {"Origin": HOST}) == 401


async def test_a_session_is_no_bearer_token_and_a_token_no_cookie(guard: Guard) -> None:
    assert (await ask(guard, headers=bearer(SESSION))).status_code == 401
    for token in ("rct_reader", "rcd_phone", "owner-token"):
        assert (await ask(guard, headers={"Cookie": f"rollcall={token}"})).status_code == 401
    assert (await ask(guard, headers=COOKIE | bearer("wrong"))).status_code == 401


async def test_whoever_has_no_credential_may_sign_in_from_a_page_of_ours_only(guard: Guard) -> None:
    for path in ("/api/v1/login", "/api/v1/pair"):
        assert (await ask(guard, "POST", path)).text == "nobody"
        assert (await ask(guard, "POST", path, {"Origin": HOST})).text == "nobody"
        answer = await ask(guard, "POST", path, {"Origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert (await ask(guard, "GET", "/api/v1/setup", {"Origin": "https://evil.example"})).text == "nobody"


async def test_access_that_ends_is_forgotten_and_takes_its_connections_with_it() -> None:
    identities, peers = Identities(), Peers()
    access = Access(identities, peers, now=lambda: NOON)  # type: ignore[arg-type]
    phone = ("device", UUID(int=4))
    access.on_event(Event(id=1, type="access.changed", at=NOON, data={"kind": "device", "id": str(UUID(int=4))}))
    access.on_event(Event(id=2, type="attendance.marked", at=NOON, data={}))
    assert identities.forgotten == peers.ended == [phone]
    assert access.is_connected(*phone)
    assert not access.is_connected("user", UUID(int=4))


async def test_a_peer_that_was_opened_while_its_credential_ended_ends_too() -> None:
    peers = Peers()
    access = Access(Identities(), peers, now=lambda: NOON)  # type: ignore[arg-type]

    async def opens_a_peer(scope: Scope, receive: Receive, send: Send) -> None:
        access.end("device", UUID(int=4))
        peers.ended.clear()
        await inside(scope, receive, send)

    guard = Guard(opens_a_peer, token="owner-token", access=lambda: access)
    assert (await ask(guard, "POST", "/whip/door", bearer("rcd_phone"))).status_code == 200
    assert peers.ended == [("device", UUID(int=4))]


async def test_who_signs_out_ends_the_peers_of_that_session_and_none_of_the_users_others() -> None:
    peers = Peers()
    access = Access(Identities(), peers, now=lambda: NOON)  # type: ignore[arg-type]
    ended: tuple[str, UUID] = ("session", UUID(int=2))

    async def signs_out(scope: Scope, receive: Receive, send: Send) -> None:
        access.end(*ended)
        await inside(scope, receive, send)

    guard = Guard(signs_out, token="owner-token", access=lambda: access)
    assert (await ask(guard, "POST", "/api/v1/logout", COOKIE | PROOF)).status_code == 200
    assert set(peers.ended) == {("session", UUID(int=2))}
    peers.ended.clear()
    ended = ("user", UUID(int=1))
    await ask(guard, "POST", "/api/v1/logout", COOKIE | PROOF)
    # A peer that the ended request opened belongs to its session; the user's other ones were ended when it was said.
    assert peers.ended == [("user", UUID(int=1)), ("session", UUID(int=2))]


async def test_a_session_that_expires_under_way_ends_its_own_peers_only() -> None:
    peers = Peers()
    access = Access(Identities(), peers, now=lambda: NOON)  # type: ignore[arg-type]
    principal = replace(PEOPLE[SESSION], expires_at=NOON)

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None: ...

    async with asyncio.timeout(20):
        await access.serve(waits, principal, {"type": "http"}, receive, send)
    assert peers.ended == [("session", UUID(int=2))]


def test_a_route_is_told_who_asks() -> None:
    principal = PEOPLE["rct_reader"]
    connection: Any = SimpleNamespace(scope={"state": {"principal": principal}})
    assert principal_of(connection) is principal
