"""The whole application, without its running parts: which doors are open, and how it refuses."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from stream_server.access.rights import RULES, Right
from stream_server.app import create_app
from stream_server.routes import JSON_BODY_MAX_BYTES, OPEN_BODY_MAX_BYTES
from stream_server.serving.pages import OFFICE
from stream_server.settings import AuthSettings, HttpSettings, Settings

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FOR_SESSIONS = {rule.path for rule in RULES if rule.right is Right.SESSION}
OPEN = {rule.path for rule in RULES if rule.right is Right.OPEN}


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """As it is before it has started: no service is there yet."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        auth=AuthSettings(token=SecretStr(TOKEN)),
        http=HttpSettings(allowed_origins=("https://school.example",)),
    )
    return create_app(settings)


def routes(routes_or_app: Any, prefix: str = "") -> Iterator[tuple[str, set[str] | None]]:
    """Every path with its methods, None for a WebSocket."""
    for route in routes_or_app:
        if hasattr(route, "original_router"):  # an included router
            yield from routes(route.original_router.routes, prefix + route.include_context.prefix)
        else:
            yield prefix + route.path, getattr(route, "methods", None)


def filled(path: str) -> str:
    for name in re.findall(r"{(\w+_id)}", path.replace("{camera_id}", "")):
        path = path.replace(f"{{{name}}}", str(UUID(int=1)))
    path = path.replace("{camera_id}", "door").replace("{kind}", "pin").replace("{name}", "camera.js")
    path = path.replace("{version}", "1").replace("{key}", "person-01")
    assert "{" not in path
    return path


async def ask(app: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test") as client:
        return await client.request(method, path, **options)


async def knock(app: FastAPI, path: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Open a WebSocket and return what the server sent."""
    sent: list[Any] = []
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def test_the_walk_finds_what_is_described_and_the_sockets(app: FastAPI) -> None:
    found = dict(routes(app.routes))
    assert set(app.openapi()["paths"]) < set(found)
    assert {path for path, methods in found.items() if methods is None} == {
        "/ws/v1/camera/{camera_id}",
        "/ws/v1/events",
    }


async def test_no_route_but_the_open_ones_answers_without_the_token(app: FastAPI) -> None:
    answered = set()
    for path, methods in routes(app.routes):
        for method in methods or ():
            response = await ask(app, method, filled(path))
            if response.status_code != 401:
                answered.add(path)
            elif method != "HEAD":
                assert response.json()["code"] == "unauthenticated"
    assert answered == OPEN


async def test_no_socket_opens_without_the_token(app: FastAPI) -> None:
    for path, methods in routes(app.routes):
        if methods is None:
            start, body = await knock(app, filled(path))
            assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
            assert b'"code":"unauthenticated"' in body["body"]


async def test_what_is_no_route_is_closed_too(app: FastAPI) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/nothing", "/debug/vars"):
        assert (await ask(app, "GET", path)).status_code == 401, path
        assert (await ask(app, "GET", path, headers=BEARER)).status_code == 404, path
    start, *_ = await knock(app, "/ws/v1/nothing")
    assert start.get("status") == 401


async def test_the_process_is_alive_before_it_can_do_its_work(app: FastAPI) -> None:
    response = await ask(app, "GET", "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_the_health_of_the_server_may_be_asked_for_without_a_body(app: FastAPI) -> None:
    assert (await ask(app, "HEAD", "/healthz")).status_code == 200
    assert (await ask(app, "HEAD", "/readyz", headers=BEARER)).status_code == 503  # it has not started
    assert (await ask(app, "HEAD", "/readyz")).status_code == 401


async def test_every_route_says_that_it_cannot_answer_while_the_server_starts_or_stops(app: FastAPI) -> None:
    for path, methods in routes(app.routes):
        files = {*OFFICE, "/camera", "/assets/{name}"}
        if path in {"/healthz", "/api/v1/openapi.json", "/api/v1/me"} | files | FOR_SESSIONS:
            continue
        for method in (methods or set()) - {"HEAD", "OPTIONS"}:
            response = await ask(app, method, filled(path), headers=BEARER)
            assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json"), path
            assert "retry-after" in response.headers
        if methods is None:
            start, body = await knock(app, filled(path), BEARER)
            assert (start["type"], start["status"]) == ("websocket.http.response.start", 503), path
            assert b'"code":"unavailable"' in body["body"]


async def test_a_site_that_is_not_allowed_gets_no_permission_for_its_pages(app: FastAPI) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for origin, allowed in (("https://school.example", True), ("https://evil.example", False)):
        response = await ask(app, "OPTIONS", "/api/v1/people", headers=asked | {"Origin": origin})
        assert (response.headers.get("access-control-allow-origin") == origin) is allowed
        assert response.headers.get("access-control-allow-credentials") is None


async def test_a_refusal_can_be_read_by_the_pages_of_an_allowed_site(app: FastAPI) -> None:
    response = await ask(app, "GET", "/api/v1/people", headers={"Origin": "https://school.example"})
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == "https://school.example"


async def test_input_that_cannot_be_used_is_a_problem_that_does_not_repeat_it(app: FastAPI) -> None:
    app.state.services = SimpleNamespace()
    for method, path, body in (
        ("POST", "/api/v1/people", {"name": " "}),
        ("POST", "/api/v1/people", {"name": "Lovelace" * 100}),
        ("POST", "/api/v1/people", {"name": "Ada", "consent": "Lovelace"}),
        ("PATCH", f"/api/v1/people/{UUID(int=1)}", {"name": ["Lovelace"]}),
        ("GET", "/api/v1/people/Lovelace", None),
        ("GET", "/api/v1/people?limit=Lovelace", None),
        ("GET", "/api/v1/people?limit=201", None),
        ("GET", "/api/v1/attendance?day=Lovelace", None),
        ("PUT", "/api/v1/cameras/Lovelace", {}),
        ("PUT", "/api/v1/cameras/door%0A", {}),
        ("PUT", "/api/v1/cameras/door", {"name": "Love\0lace"}),
        ("PUT", f"/api/v1/cameras/{'a' * 65}", {}),
        ("POST", "/api/v1/attendance", {"person_id": "Lovelace"}),
        ("GET", "/api/v1/events?after=-1", None),
    ):
        response = await ask(app, method, path, json=body, headers=BEARER)
        assert response.status_code == 422, path
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "invalid_input"
        assert "lace" not in response.text, path


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read(app: FastAPI) -> None:
    app.state.services = SimpleNamespace()
    body = b'{"name": "' + b"x" * JSON_BODY_MAX_BYTES + b'"}'
    headers = BEARER | {"Content-Type": "application/json"}
    response = await ask(app, "POST", "/api/v1/people", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "content_too_large")


async def test_whoever_has_no_credential_may_send_little(app: FastAPI) -> None:
    app.state.services = SimpleNamespace()
    for path in ("/api/v1/login", "/api/v1/pair"):
        body = b'{"code": "' + b"x" * OPEN_BODY_MAX_BYTES + b'"}'
        response = await ask(app, "POST", path, content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["code"]) == (413, "content_too_large")


def test_a_token_is_made_when_none_is_set_and_told_once(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    first = create_app(settings).state.new_token
    assert first == (tmp_path / "token").read_text().strip()
    assert create_app(settings).state.new_token is None


def test_a_token_that_is_set_is_not_written_anywhere(tmp_path: Path, app: FastAPI) -> None:
    assert app.state.new_token is None
    assert not (tmp_path / "token").exists()
