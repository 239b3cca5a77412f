"""The web pages: files that `make web` built, sent as they are.

They are compressed when they are built; here only the copy is chosen that the browser takes. Files under /assets/ have
their hash in their names and are kept for ever; a page is asked for anew each time, which costs a 304.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response

from recognition.errors import RequestError

# The pages of the office: one file, whose script looks at the address. Each is a line in `rights`, too.
OFFICE = (
    "/",
    "/welcome",
    "/sign-in",
    "/people",
    "/people/{person_id}",
    "/sessions",
    "/sessions/{session_id}",
    "/reports",
    "/unknown",
    "/cameras",
    "/devices",
    "/access",
    "/webhooks",
    "/webhooks/{webhook_id}",
    "/settings",
    "/health",
)
BUILT = Path(__file__).resolve().parents[2] / "web_client" / "dist"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
_SUFFIX_OF_CODING = {"br": ".br", "gzip": ".gz"}
# One folder deep, and no name that begins with a dot: no path out of the folder can be written in it.
_ASSET = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
# What may stand in a policy as it came from the client: no blank, no semicolon, no comma.
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src 'self' blob:",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), screen-wake-lock=(self), fullscreen=(self), microphone=(), geolocation=()",
    "X-Frame-Options": "DENY",
}
_FOREVER = "public, max-age=31536000, immutable"


class PagesNotBuilt(RequestError):
    """The web pages are not there."""

    code = "pages_not_built"


class NoSuchFile(RequestError):
    """The pages have no such file."""

    code = "not_found"


def make_router(folder: Path) -> APIRouter:
    """The routes of the pages that are built in `folder`; it need not be there yet."""
    router = APIRouter()

    def camera_page(request: Request) -> Response:
        return _page(folder, "camera.html", request.headers)

    def asset(request: Request) -> Response:
        name = request.path_params["name"]
        path = folder / "assets" / name
        if not _ASSET.fullmatch(name) or path.suffix not in _TYPES or not path.is_file():
            raise NoSuchFile("the web pages have no such file", hint="load the page again: a newer one may be built")
        return _answer(path, request.headers, {"Cache-Control": _FOREVER})

    def office(request: Request) -> Response:
        return _page(folder, "office.html", request.headers)

    # Plain routes: files are no part of the API that is described.
    for path in OFFICE:
        router.add_route(path, office, methods=["GET"])
    router.add_route("/camera", camera_page, methods=["GET"])
    router.add_route("/assets/{name}", asset, methods=["GET"])
    return router


def _page(folder: Path, name: str, asked: Headers) -> Response:
    path = folder / name
    if not path.is_file():
        raise PagesNotBuilt(
            "the web pages are not built", hint="run `make web`, or set ROLLCALL_HTTP__PAGES_DIR to where they are"
        )
    policy = "; ".join((*_POLICY, _connect_policy(asked.get("host", ""))))
    return _answer(path, asked, {**_PAGE_HEADERS, "Content-Security-Policy": policy})


def _connect_policy(host: str) -> str:
    # For Safari before 15.4, where 'self' does not include WebSockets.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return f"connect-src 'self'{sockets}"


def _answer(path: Path, asked: Headers, headers: dict[str, str]) -> Response:
    """The file, in the best coding that is there and asked for; 304 when the browser has it."""
    headers = {**_HEADERS, **headers, "Vary": "Accept-Encoding"}
    sent = path
    for coding in _codings(asked.get("accept-encoding", "")):
        compressed = path.with_name(path.name + _SUFFIX_OF_CODING[coding])
        if compressed.is_file():
            sent, headers["Content-Encoding"] = compressed, coding
            break
    response = FileResponse(sent, headers=headers, media_type=_TYPES[path.suffix], stat_result=sent.stat())
    known = {tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")}
    if response.headers["etag"] in known:
        kept = ("cache-control", "content-security-policy", "etag", "vary")
        repeated = {name: response.headers[name] for name in kept if name in response.headers}
        return Response(status_code=304, headers=repeated)
    return response


def _codings(accept: str) -> Iterator[str]:
    """The codings that a browser takes, of those that files are kept in, the smaller first."""
    taken = set()
    for part in accept.lower().split(","):
        coding, _, weight = part.partition(";")
        if not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight):
            taken.add(coding.strip())
    yield from (coding for coding in _SUFFIX_OF_CODING if coding in taken)
