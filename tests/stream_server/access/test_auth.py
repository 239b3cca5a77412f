import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from recognition.errors import UnavailableError
from stream_server.access import wrong_tokens
from stream_server.access.auth import Guard, load_or_make_token

TOKEN = "correct-horse"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """What is guarded: says so to whoever gets in."""
    if scope["type"] == "http":
        await PlainTextResponse("inside")(scope, receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "lifespan.startup.complete"})


def guard(*allowed_origins: str, token: str = TOKEN) -> Guard:
    return Guard(inside, token=token, allowed_origins=allowed_origins)


async def get(path: str = "/api/v1/people", headers: Any = None, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=guard(**options))
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test") as client:
        return await client.get(path, headers=headers)


async def handshake(
    guard: Guard,
    headers: dict[str, str] | None = None,
    subprotocols: tuple[str, ...] = (),
    query: bytes = b"",
    host: str | None = "rollcall.test",
) -> list[dict[str, Any]]:
    """Open a WebSocket and return what the server sent."""
    all_headers = ({} if host is None else {"host": host}) | (headers or {})
    scope = {
        "type": "websocket",
        "path": "/ws/v1/events",
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in all_headers.items()],
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    return sent


async def is_let_in(guard: Guard, **options: Any) -> bool:
    first, *_ = await handshake(guard, **options)
    return bool(first["type"] == "websocket.accept")


async def test_a_request_with_the_token_is_let_in() -> None:
    assert (await get(headers=BEARER)).text == "inside"
    assert (await get(headers={"authorization": f"bearer  {TOKEN} "})).text == "inside"


async def test_guesses_at_the_owners_token_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_tokens, "GUESSES_FROM_ONE", 3)
    app, path = guard(), "/api/v1/people"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://rollcall.test") as client:
        for _ in range(5):
            assert (await client.get(path, headers=BEARER)).status_code == 200
        answers = [await client.get(path, headers={"Authorization": f"Bearer {number}"}) for number in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert (await client.get(path, headers=BEARER)).status_code == 429
    transport = httpx.ASGITransport(app=app, client=("192.0.2.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test") as client:
        assert (await client.get(path, headers=BEARER)).status_code == 200


async def test_only_healthz_and_the_pages_are_open() -> None:
    for path in ("/healthz", "/", "/camera", "/assets/camera-1a2b.js"):
        assert (await get(path)).text == "inside", path
    shut = ("/camera/", "/Camera", "/assets", "/assets/x/y", "//assets/x", "/assets/../readyz", "/x/assets/y")
    for path in (
        *shut,
        "/readyz",
        "/healthz/",
        "/healthz/x",
        "/Healthz",
        "/%2Fhealthz",  # httpx would take //healthz for a host and /
        "/api/v1/openapi.json",
        "/new",
    ):
        assert (await get(path)).status_code == 401, path


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": f"Bearer {TOKEN} {TOKEN}"},
        {"Authorization": "Bearer \xe9\xff".encode("latin-1")},
        {"X-Token": TOKEN},
        {"Cookie": f"token={TOKEN}"},
    ],
)
async def test_a_request_without_the_right_token_is_a_problem_that_says_how_to_send_it(headers: Any) -> None:
    response = await get(headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"].startswith("Bearer")
    problem = response.json()
    assert (problem["code"], problem["status"]) == ("unauthenticated", 401)
    assert "Authorization: Bearer" in problem["hint"]
    assert TOKEN not in response.text


async def test_a_token_in_the_address_is_ignored() -> None:
    assert (await get(f"/api/v1/people?token={TOKEN}&access_token={TOKEN}")).status_code == 401
    assert not await is_let_in(guard(), query=f"token={TOKEN}&access_token={TOKEN}".encode())


async def test_a_socket_is_opened_with_the_token_in_the_header_or_as_a_subprotocol() -> None:
    assert await is_let_in(guard(), headers=BEARER)
    assert await is_let_in(guard(), subprotocols=("rollcall.v1", f"rollcall.bearer.{TOKEN}"))


@pytest.mark.parametrize(
    "subprotocols",
    [(), ("rollcall.v1",), ("rollcall.bearer.",), ("rollcall.bearer.wrong",), (TOKEN,), (f"bearer.{TOKEN}",)],
)
async def test_a_socket_without_the_right_token_is_denied_with_a_problem(subprotocols: tuple[str, ...]) -> None:
    start, body = await handshake(guard(), subprotocols=subprotocols)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert b'"code":"unauthenticated"' in body["body"]


async def test_a_page_of_this_server_may_open_sockets_through_a_tunnel_too() -> None:
    for origin in ("http://rollcall.test", "https://rollcall.test", "https://Rollcall.Test"):
        assert await is_let_in(guard(), headers=BEARER | {"Origin": origin}), origin
    assert await is_let_in(guard(), headers=BEARER | {"Origin": "http://rollcall.test:8000"}, host="rollcall.test:8000")


async def test_a_page_of_an_allowed_site_may_open_sockets() -> None:
    allowed = guard("https://School.example/", "http://localhost:5173")
    for origin in ("https://school.example", "HTTPS://SCHOOL.EXAMPLE", "http://localhost:5173"):
        assert await is_let_in(allowed, headers=BEARER | {"Origin": origin}), origin
    assert not await is_let_in(allowed, headers=BEARER | {"Origin": "http://school.example"})


@pytest.mark.parametrize("host", ["rollcall.test", "", None])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://rollcall.test.evil.example",
        "http://rollcall.test:81",
        "null",
        "",
        "file://",
        "http://[",
        "nonsense",
    ],
)
async def test_a_page_of_another_site_may_not_open_sockets_whatever_token_it_has(origin: str, host: str | None) -> None:
    start, body = await handshake(guard(), headers=BEARER | {"Origin": origin}, host=host)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert b'"code":"origin_not_allowed"' in body["body"]
    assert b"ROLLCALL_HTTP__ALLOWED_ORIGINS" in body["body"]


async def test_the_life_of_the_application_needs_no_token() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await guard()({"type": "lifespan"}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "lifespan.startup.complete"}]


async def test_a_token_that_is_not_ascii_can_be_sent_as_utf8_or_not_at_all() -> None:
    headers = {"Authorization": b"Bearer \xff\xfe"}
    assert (await get(headers=headers, token="schlüssel")).status_code == 401


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_token_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "deeper"
    token, new = load_or_make_token(folder)
    assert new
    assert len(token) >= 32
    assert mode(folder / "token") == 0o600
    assert load_or_make_token(folder) == (token, False)
    assert load_or_make_token(tmp_path / "another")[0] != token


def test_a_token_that_was_put_there_is_kept_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  mine\n")
    assert load_or_make_token(tmp_path) == ("mine", False)


def test_an_empty_token_file_is_filled_and_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o644)
    token, new = load_or_make_token(tmp_path)
    assert new
    assert mode(tmp_path / "token") == 0o600
    assert (tmp_path / "token").read_text().strip() == token


def _a_file(path: Path) -> Path:
    path.write_text("")
    return path / "data"


def _a_folder_as_token(path: Path) -> Path:
    (path / "token").mkdir(parents=True)
    return path


def _bytes_as_token(path: Path) -> Path:
    path.mkdir()
    (path / "token").write_bytes(b"\xff\xfe\x00")
    return path


@pytest.mark.parametrize("obstacle", [_a_file, _a_folder_as_token, _bytes_as_token])
def test_a_token_that_cannot_be_kept_is_an_error_that_says_what_to_do(
    tmp_path: Path, obstacle: Callable[[Path], Path]
) -> None:
    with pytest.raises(UnavailableError) as raised:
        load_or_make_token(obstacle(tmp_path / "obstacle"))
    assert raised.value.code == "token_unusable"
    assert "ROLLCALL_AUTH__TOKEN" in raised.value.hint


SCRAPER = "scrape-scrape-scrape"


async def get_with_scraper(path: str, token: str, scrape_token: str | None = SCRAPER) -> int:
    transport = httpx.ASGITransport(app=Guard(inside, token=TOKEN, scrape_token=scrape_token))
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test") as client:
        return (await client.get(path, headers={"Authorization": f"Bearer {token}"})).status_code


async def test_the_scrapers_token_opens_the_metrics_and_nothing_else() -> None:
    assert await get_with_scraper("/metrics", SCRAPER) == 200
    for path in ("/readyz", "/api/v1/people", "/api/v1/me", "/api/v1/openapi.json", "/nothing"):
        assert await get_with_scraper(path, SCRAPER) == 401, path


async def test_metrics_are_closed_to_everybody_else_but_who_may_read() -> None:
    assert await get_with_scraper("/metrics", TOKEN) == 200
    assert await get_with_scraper("/metrics", "wrong-wrong-wrong-wrong") == 401
    assert await get_with_scraper("/metrics", SCRAPER, scrape_token=None) == 401


async def test_guessing_at_the_scrapers_token_is_limited() -> None:
    transport = httpx.ASGITransport(app=Guard(inside, token=TOKEN, scrape_token=SCRAPER))
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test") as client:
        for number in range(wrong_tokens.GUESSES_FROM_ONE + 1):
            await client.get("/metrics", headers={"Authorization": f"Bearer guess-guess-guess-{number}"})
        right = await client.get("/metrics", headers={"Authorization": f"Bearer {SCRAPER}"})
    assert right.status_code == 429
