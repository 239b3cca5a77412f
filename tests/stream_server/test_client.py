import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from recognition.errors import RequestError
from stream_server import client as client_module
from stream_server.client import ServerAway, ServerClient, ServerSaidNo, local_client, local_token
from stream_server.settings import AuthSettings, Settings
from tests.partners.tunnel_edge import certified, hang_up

PROBLEM = {"title": "Conflict", "status": 409, "code": "external_id_taken", "detail": "taken", "hint": "another"}

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def client_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], ServerClient]:
    real = httpx.AsyncClient

    def make(answer: Answer) -> ServerClient:
        transport = httpx.MockTransport(answer)
        monkeypatch.setattr(client_module.httpx, "AsyncClient", lambda **options: real(transport=transport, **options))
        return ServerClient("http://rollcall.test/", "open-sesame")

    return make


async def test_the_token_goes_in_the_header(client_of: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer open-sesame"
        assert "open-sesame" not in str(request.url)
        return httpx.Response(200, json={"ok": True})

    async with client_of(answer) as client:
        assert await client.call("GET", "/api/v1/people") == {"ok": True}


async def test_the_page_between_of_a_tunnel_is_skipped(client_of: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["ngrok-skip-browser-warning"]
        return httpx.Response(200, json={})

    async with client_of(answer) as client:
        await client.call("GET", "/api/v1/people")


async def test_an_authority_of_this_machine_is_trusted_besides_the_others(tmp_path: Path) -> None:
    context, ca = certified(tmp_path / "tls")
    settings = Settings(_env_file=None, data_dir=tmp_path, auth=AuthSettings(token=SecretStr("x" * 16)))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await hang_up(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    async with server, local_client(url, settings) as client:
        assert await client.call("GET", "/") == {}
        async with ServerClient(url, "x", ca_file=ca.with_name("none.crt")) as stranger:
            with pytest.raises(ServerAway, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.call("GET", "/")


async def test_an_answer_without_a_body_is_nothing(client_of: Any) -> None:
    async with client_of(lambda _: httpx.Response(204)) as client:
        assert await client.call("DELETE", "/api/v1/people/1") is None


async def test_a_person_is_added_and_enrolled_with_the_picture_as_it_is(client_of: Any) -> None:
    seen: list[tuple[str, str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path, request.content))
        return httpx.Response(201, json={"id": str(UUID(int=7))})

    async with client_of(answer) as client:
        person_id = await client.add_person("Ada", consent=True)
        await client.enrol(person_id, b"\xff\xd8")
    assert person_id == UUID(int=7)
    assert json.loads(seen[0][2]) == {"name": "Ada", "consent": True}
    assert seen[1] == ("POST", f"/api/v1/people/{UUID(int=7)}/templates", b"\xff\xd8")


async def test_a_problem_of_the_server_becomes_an_error_with_its_code(client_of: Any) -> None:
    async with client_of(lambda _: httpx.Response(409, json=PROBLEM)) as client:
        with pytest.raises(ServerSaidNo) as raised:
            await client.call("POST", "/api/v1/people", body={})
    assert (raised.value.code, raised.value.detail, raised.value.hint) == ("external_id_taken", "taken", "another")


async def test_a_server_that_cannot_answer_now_is_away_with_its_reason(client_of: Any) -> None:
    problem = PROBLEM | {"status": 503, "code": "storage_unavailable"}
    async with client_of(lambda _: httpx.Response(503, json=problem)) as client:
        with pytest.raises(ServerAway) as raised:
            await client.call("GET", "/api/v1/people")
    assert raised.value.code == "storage_unavailable"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"null", b"[]", b"[1]", b'"detail"', b"7", b'{"detail": "no code"}', b"\xff"],
)
async def test_an_answer_of_something_else_says_that_it_may_be_no_rollcall(client_of: Any, body: bytes) -> None:
    for status, kind in ((404, ServerSaidNo), (502, ServerAway)):
        async with client_of(lambda _, status=status: httpx.Response(status, content=body)) as client:
            with pytest.raises(kind) as raised:
                await client.call("GET", "/api/v1/people")
        assert raised.value.detail == f"the server answered {status}"
        assert "Rollcall" in raised.value.hint


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("")])
async def test_a_server_that_is_not_there_is_away_with_what_to_do(client_of: Any, error: Exception) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    async with client_of(answer) as client:
        for ask in (lambda: client.call("GET", "/"), client.readiness):
            with pytest.raises(ServerAway) as raised:
                await ask()
            assert "http://rollcall.test" in raised.value.detail
            assert str(error) or "ReadTimeout" in raised.value.detail
            assert "rollcall serve" in raised.value.hint


async def test_readiness_is_read_also_while_the_server_starts(client_of: Any) -> None:
    body = {"status": "starting", "reasons": []}
    async with client_of(lambda _: httpx.Response(503, json=body)) as client:
        assert await client.readiness() == body
    async with client_of(lambda _: httpx.Response(401, json=PROBLEM | {"code": "unauthenticated"})) as client:
        with pytest.raises(ServerSaidNo) as raised:
            await client.readiness()
    assert raised.value.code == "unauthenticated"


async def test_a_list_is_read_to_its_end(client_of: Any) -> None:
    asked: list[dict[str, str]] = []
    pages = {None: ([1, 2], "b"), "b": ([3], "c"), "c": ([4], None)}

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        items, following = pages[request.url.params.get("cursor")]
        return httpx.Response(200, json={"attendance": [{"n": n} for n in items], "next_cursor": following})

    async with client_of(answer) as client:
        assert [record["n"] for record in await client.attendance()] == [1, 2, 3, 4]
    assert [params.get("cursor") for params in asked] == [None, "b", "c"]


def settings(folder: Path, token: str | None = None) -> Settings:
    auth = AuthSettings(token=None if token is None else SecretStr(token))
    return Settings(_env_file=None, data_dir=folder, auth=auth)


def test_the_token_of_this_machine_is_found(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("kept\n")
    assert local_token(settings(tmp_path)) == "kept"
    assert local_token(settings(tmp_path, "set" * 6)) == "set" * 6


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_token_that_nobody_knows_is_an_error_that_says_where_to_get_it(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(RequestError) as raised:
        local_token(settings(tmp_path))
    assert raised.value.code == "no_token"
    assert "ROLLCALL_AUTH__TOKEN" in raised.value.hint
