import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

import recognition
import storage
import stream_server
from recognition.errors import ImageError, InternalError, ModelError, RequestError, RollcallError, UnavailableError
from storage.cipher import SecretUnreadable
from storage.errors import Conflict, NotFound, SchemaOutdated, StorageUnavailable
from stream_server.access.auth import OriginNotAllowed, Unauthenticated
from stream_server.errors import RETRY_AFTER_S, BodyLimitProblem, EnrolmentRefused, install_error_handlers, status_of
from stream_server.executor import ExecutorBusy

MEMBERS = {"type", "title", "status", "code", "detail", "hint"}


class Somebody(BaseModel):
    name: str = Field(max_length=5)
    age: int


def app_raising(error: Exception | None = None) -> FastAPI:
    app = FastAPI(openapi_url=None)
    install_error_handlers(app)
    app.add_middleware(BodyLimitProblem)

    @app.get("/raise")
    async def fail() -> None:
        if error is not None:
            raise error

    @app.post("/somebody", max_body_size=200)
    async def somebody(body: Somebody) -> None:
        return None

    return app


async def ask(app: FastAPI, method: str = "GET", path: str = "/raise", **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test") as client:
        return await client.request(method, path, **options)


def problem_of(response: httpx.Response) -> dict[str, Any]:
    """The body, once it is sure that it has the one shape."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) == MEMBERS
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["code"] == problem["code"].lower()
    assert problem["code"].replace("_", "").isalnum()
    assert problem["detail"]
    return problem


def all_errors(root: type[RollcallError] = RollcallError) -> Iterator[type[RollcallError]]:
    yield root
    for kind in root.__subclasses__():
        yield from all_errors(kind)


def import_everything() -> None:
    for package in (recognition, storage, stream_server):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                importlib.import_module(module.name)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestError("no"), 400),
        (RequestError("no", code="cursor_invalid"), 400),
        (Unauthenticated("no"), 401),
        (OriginNotAllowed("no"), 403),
        (NotFound("no"), 404),
        (NotFound("no", code="unknown_camera"), 404),
        (Conflict("no"), 409),
        (Conflict("no", code="external_id_taken"), 409),
        (ImageError("no", code="image_too_many_bytes"), 413),
        (ImageError("no", code="image_unknown_format"), 415),
        (ImageError("no"), 422),
        (ImageError("no", code="image_truncated"), 422),
        (ImageError("no", code="image_too_many_pixels"), 422),
        (EnrolmentRefused("no", code="several_faces"), 422),
        (UnavailableError("no"), 503),
        (StorageUnavailable("no"), 503),
        (SecretUnreadable("no"), 503),
        (SchemaOutdated("no"), 503),
        (ModelError("no"), 503),
        (ExecutorBusy("no"), 503),
        (InternalError("no"), 500),
        (RollcallError("no"), 500),
    ],
    ids=lambda value: value.code if isinstance(value, RollcallError) else None,
)
async def test_every_family_and_code_has_its_status_in_one_shape(error: RollcallError, status: int) -> None:
    error.hint = "what to do"
    response = await ask(app_raising(error))
    problem = problem_of(response)
    assert (response.status_code, problem["code"], problem["hint"]) == (status, error.code, "what to do")


def test_every_error_of_the_tree_has_a_code_and_a_status_of_its_family() -> None:
    import_everything()
    for kind in set(all_errors()):
        if not kind.__module__.startswith(("recognition", "storage", "stream_server")):
            continue  # made up by other tests
        status = status_of(kind("something happened"))
        if issubclass(kind, RequestError):
            assert 400 <= status < 500, kind
        elif issubclass(kind, UnavailableError):
            assert status == 503, kind
        else:
            assert status == 500, kind
        assert kind.code.replace("_", "").isalnum(), kind
        assert kind.code == kind.code.lower(), kind


async def test_what_may_work_later_says_when_to_try_again() -> None:
    assert (await ask(app_raising(StorageUnavailable("away")))).headers["retry-after"] == str(RETRY_AFTER_S)
    for error in (RequestError("no"), InternalError("no"), NotFound("no")):
        assert "retry-after" not in (await ask(app_raising(error))).headers


async def test_a_wrong_token_says_which_scheme_is_asked_for() -> None:
    assert (await ask(app_raising(Unauthenticated("no")))).headers["www-authenticate"] == 'Bearer realm="rollcall"'


async def test_an_unknown_path_and_a_wrong_method_are_problems() -> None:
    unknown = await ask(app_raising(), path="/nowhere")
    assert (unknown.status_code, problem_of(unknown)["code"]) == (404, "not_found")
    wrong = await ask(app_raising(), method="DELETE")
    assert (wrong.status_code, problem_of(wrong)["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"


async def test_an_exception_of_the_framework_keeps_its_headers() -> None:
    response = await ask(app_raising(HTTPException(418, "short and stout", headers={"X-Pot": "tea"})))
    assert problem_of(response)["detail"] == "short and stout"
    assert response.headers["x-pot"] == "tea"


async def test_a_status_that_nobody_knows_is_still_a_problem() -> None:
    assert problem_of(await ask(app_raising(HTTPException(499, "gone"))))["code"] == "error"


async def body_in_pieces(size: int) -> Any:
    for _ in range(size // 50):
        yield b" " * 50


@pytest.mark.parametrize("pieces", [False, True])
async def test_a_body_that_is_too_large_is_a_problem_however_it_is_sent(pieces: bool) -> None:
    body = body_in_pieces(1000) if pieces else b" " * 1000
    response = await ask(app_raising(), "POST", "/somebody", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, problem_of(response)["code"]) == (413, "content_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[1, 2]",
        b'"Ada Lovelace"',
        b'{"name": "Ada Lovelace", "age": 36}',
        b'{"name": "Ada", "age": "Lovelace"}',
        b'{"name": "\\ud800", "age": 36}',
        b"[" * 150,
    ],
)
async def test_input_of_a_wrong_shape_is_a_problem_that_does_not_repeat_it(body: bytes) -> None:
    response = await ask(app_raising(), "POST", "/somebody", content=body, headers={"Content-Type": "application/json"})
    problem = problem_of(response)
    assert response.status_code in (400, 422)
    assert problem["code"] in ("invalid_input", "bad_request")
    assert "Lovelace" not in response.text
    assert len(response.content) < 2000


async def test_a_defect_is_a_problem_that_tells_nothing_of_its_cause() -> None:
    response = await ask(app_raising(ZeroDivisionError("postgresql://user:secret@host/db")))
    assert (response.status_code, problem_of(response)["code"]) == (500, "internal")
    assert "secret" not in response.text


async def test_an_internal_error_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    await ask(app_raising(InternalError("the gallery is of another model")))
    assert "the gallery is of another model" in caplog.text
