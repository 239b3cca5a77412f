import logging

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from stream_server.serving.access_log import AccessLog

ADA = "1815c0de-0000-4000-8000-000000000001"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("there", status_code=203)(scope, receive, send)


async def lines_of(path: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO, logger="rollcall.requests")
    times = iter((1.0, 1.25))
    app = AccessLog(answer, mono=lambda: next(times))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        await client.get(path)
    return [record.getMessage() for record in caplog.records if record.name == "rollcall.requests"]


async def test_a_request_is_a_line_with_route_status_and_duration(caplog: pytest.LogCaptureFixture) -> None:
    assert await lines_of("/healthz", caplog) == ["GET /healthz 203 in 250.0 ms"]


async def test_neither_ids_nor_queries_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines_of(f"/api/v1/people/{ADA}?external_id=s-1815", caplog)
    assert line.startswith("GET /api/v1/people/{person_id} 203")
    assert "1815" not in line


async def test_an_address_where_nothing_is_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await lines_of("/wp-admin/%0Aforged", caplog)
    assert line.startswith("GET (nothing there) 203")


async def test_a_request_that_fails_is_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    caplog.set_level(logging.INFO, logger="rollcall.requests")
    transport = httpx.ASGITransport(AccessLog(fail), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/healthz")
    assert caplog.records[-1].getMessage().startswith("GET /healthz 0 in")


async def test_a_socket_is_a_line_when_it_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def accept(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def ignore(message: object) -> None:
        pass

    caplog.set_level(logging.INFO, logger="rollcall.requests")
    scope = {"type": "websocket", "path": "/ws/v1/camera/door"}
    await AccessLog(accept)(scope, ignore, ignore)  # type: ignore[arg-type]
    assert caplog.records[-1].getMessage().startswith("WEBSOCKET /ws/v1/camera/{camera_id} 101")
