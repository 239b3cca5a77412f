import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from stream_server.serving.request_id import RequestId


async def say(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.state.request_id)


async def ask(headers: dict[str, str]) -> tuple[str, str]:
    app = Starlette(routes=[Route("/", say)])
    app.add_middleware(RequestId)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/", headers=headers)
    return answer.text, answer.headers["X-Request-ID"]


async def test_the_id_that_a_client_sends_is_the_one_that_is_noted_and_answered() -> None:
    assert await ask({"X-Request-ID": "phone-7.2"}) == ("phone-7.2", "phone-7.2")


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\tb", "<script>"])
async def test_a_request_without_a_usable_id_is_given_one(given: str | None) -> None:
    noted, answered = await ask({} if given is None else {"X-Request-ID": given})
    assert noted == answered
    assert noted != given
    assert len(noted) == 16
    assert (await ask({}))[0] != noted
