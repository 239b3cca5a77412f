"""Errors on the wire: `application/problem+json` (RFC 9457) for HTTP, one shape for every cause.

The three families of `recognition.errors` become 4xx, 503 and 500. Which 4xx a RequestError is, its code decides.
"""

import logging
import re
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recognition.errors import ImageError, RequestError, RollcallError, UnavailableError
from stream_server.access.attempts import TooManyAttempts
from stream_server.messages.wire import Problem

log = logging.getLogger("rollcall.http")

RETRY_AFTER_S = 2
CONTENT_TOO_LARGE = 413
PROBLEM_JSON = "application/problem+json"

_STATUS_OF_CODE = {
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "origin_not_allowed": HTTPStatus.FORBIDDEN,
    "https_required": HTTPStatus.FORBIDDEN,
    "forbidden": HTTPStatus.FORBIDDEN,
    "glances_off": HTTPStatus.FORBIDDEN,
    "csrf_refused": HTTPStatus.FORBIDDEN,
    "sign_in_refused": HTTPStatus.UNAUTHORIZED,
    "password_too_weak": 422,
    "password_wrong": HTTPStatus.FORBIDDEN,
    "login_invalid": 422,
    "expiry_past": 422,
    "pairing_refused": HTTPStatus.FORBIDDEN,
    "too_many_attempts": HTTPStatus.TOO_MANY_REQUESTS,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "not_found": HTTPStatus.NOT_FOUND,
    "no_tunnel": HTTPStatus.NOT_FOUND,
    "pages_not_built": HTTPStatus.NOT_FOUND,
    "body_too_slow": HTTPStatus.REQUEST_TIMEOUT,
    "conflict": HTTPStatus.CONFLICT,
    "report_too_large": 422,
    "event_forgotten": HTTPStatus.CONFLICT,
    "whip_session_not_found": HTTPStatus.NOT_FOUND,
    "etag_mismatch": HTTPStatus.PRECONDITION_FAILED,
    "etag_missing": HTTPStatus.PRECONDITION_REQUIRED,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "ice_restart_unsupported": 422,
    "sdp_no_video": 422,
    "sdp_not_bundled": 422,
    "too_many_candidates": 422,
    "idempotency_key_reused": 422,
    "image_too_many_bytes": CONTENT_TOO_LARGE,
    "image_unknown_format": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
_UNPROCESSABLE = 422
_TOO_LARGE = "content_too_large"


class EnrolmentRefused(RequestError):
    """A photograph holds no face that could be enrolled; the code says why."""

    code = "no_face"


class MethodNotAllowed(RequestError):
    """There is something at the address, but not for this method."""

    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__("this method is not meant for this address", hint=f"use {' or '.join(allowed)}")
        self.allowed = allowed


def status_of(error: RollcallError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, RequestError):
        # An error may carry a finer code than its class; the class then still says the status.
        for code in (error.code, *(kind.__dict__.get("code") for kind in type(error).__mro__)):
            if code in _STATUS_OF_CODE:
                return int(_STATUS_OF_CODE[code])
        return _UNPROCESSABLE if isinstance(error, ImageError | EnrolmentRefused) else 400
    return 503 if isinstance(error, UnavailableError) else 500


def problem_response(
    status: int, code: str, detail: str, hint: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem as a response; it may also answer a WebSocket handshake."""
    body = Problem(title=_title(status), status=status, code=code, detail=detail, hint=hint)
    return JSONResponse(body.model_dump(), status_code=status, headers=headers, media_type=PROBLEM_JSON)


def response_to(error: RollcallError) -> JSONResponse:
    """The response that says this error."""
    status = status_of(error)
    headers = {}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = 'Bearer realm="rollcall"'
    return problem_response(status, error.code, error.detail, error.hint, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem."""

    async def on_rollcall_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RollcallError)
        if status_of(error) == 500:
            log.error("internal error: %s", error, exc_info=error)
        return response_to(error)

    async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        # Python's own name of 413 has changed between versions; codes do not.
        code = _TOO_LARGE if error.status_code == CONTENT_TOO_LARGE else _code_of(_title(error.status_code))
        hint = "the paths are in docs/reference/api.md" if error.status_code == 404 else ""
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework names only the methods of the first route at this path.
            headers["Allow"] = ", ".join(_methods_at(request))
        return problem_response(error.status_code, code, str(error.detail), hint, headers=headers or None)

    async def on_validation_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        # The offending input itself is not repeated: it may be somebody's name, or a megabyte.
        details = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
        return problem_response(_UNPROCESSABLE, "invalid_input", details[:1000])

    async def on_anything_else(_: Request, error: Exception) -> JSONResponse:
        return problem_response(500, "internal", "the server made a mistake; its log says more")

    app.add_exception_handler(RollcallError, on_rollcall_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(Exception, on_anything_else)


class BodyLimitProblem:
    """ASGI middleware: the framework refuses a body that is too large in plain text; this says it in our shape."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but such a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = False

        async def send_or_replace(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == CONTENT_TOO_LARGE:
                kind = Headers(raw=message["headers"]).get("content-type", "")
                refused = not kind.startswith(PROBLEM_JSON)
            if not refused:
                await send(message)

        await self._app(scope, receive, send_or_replace)
        if refused:
            answer = problem_response(
                CONTENT_TOO_LARGE, _TOO_LARGE, "the body is larger than this route takes", "send less at once"
            )
            await answer(scope, receive, send)


def _methods_at(request: Request) -> list[str]:
    def taken(method: str) -> bool:
        return any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT") if taken(method)]


def _code_of(title: str) -> str:
    return "_".join(re.findall(r"[a-z]+", title.lower().replace("'", "")))


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
