"""One bearer token guards everything but `/healthz` and the files of the web pages, which say nothing of anybody.

The guard stands in front of the whole application, so that a new route is closed until it is named here. A browser
cannot set a header on a WebSocket: it sends the token as a subprotocol, `["rollcall.v1", "rollcall.bearer.TOKEN"]`.
The token is never taken from a URL, because URLs are logged.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from recognition.errors import RequestError, UnavailableError
from stream_server.errors import response_to

# Says in the OpenAPI description what the guard demands; it checks nothing itself.
TOKEN_SCHEME = Security(
    HTTPBearer(auto_error=False, scheme_name="token", description="The token printed at the first start.")
)
OPEN_PATHS = frozenset({"/healthz", "/camera"})
# What the pages are built of. Whoever opens one has no token yet.
OPEN_PREFIX = "/assets/"
SUBPROTOCOL = "rollcall.v1"
TOKEN_SUBPROTOCOL = "rollcall.bearer."


class Unauthenticated(RequestError):
    """No token, or a wrong one."""

    code = "unauthenticated"


class OriginNotAllowed(RequestError):
    """A page of another site tried to open a socket."""

    code = "origin_not_allowed"


class TokenUnusable(UnavailableError):
    """The token's file cannot be read or written."""

    code = "token_unusable"


def load_or_make_token(folder: Path) -> tuple[str, bool]:
    """The token kept in the data folder (file `token`, readable by its owner only); made when there is none.

    Returns the token and whether it is new. Raises TokenUnusable.
    """
    path = folder / "token"
    try:
        return _kept_token(path) or _new_token(path)
    except (OSError, UnicodeDecodeError) as error:
        raise TokenUnusable(
            f"the token in {path} cannot be used: {getattr(error, 'strerror', None) or 'it is no text'}",
            hint="check the data folder (ROLLCALL_DATA_DIR) and its owner, or set ROLLCALL_AUTH__TOKEN",
        ) from error


def _kept_token(path: Path) -> tuple[str, bool] | None:
    try:
        kept = path.read_text().strip()
    except FileNotFoundError:
        return None
    return (kept, False) if kept else None


def _new_token(path: Path) -> tuple[str, bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        path.chmod(0o600)  # an empty file may have been there, open to others
        file.write(token + "\n")
    return token, True


class Guard:
    """ASGI middleware: refuses what has no token, and sockets opened by pages of other sites."""

    def __init__(self, app: ASGIApp, *, token: str, allowed_origins: tuple[str, ...] = ()) -> None:
        self._app = app
        self._digest = _digest(token)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await response_to(refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> RequestError | None:
        if scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_PREFIX):
            return None
        headers = Headers(scope=scope)
        if scope["type"] == "websocket" and not self._may_open(headers):
            return OriginNotAllowed(
                "pages of this origin may not open sockets here",
                hint="add it to ROLLCALL_HTTP__ALLOWED_ORIGINS",
            )
        given = _token_of(headers, scope)
        if given is None or not hmac.compare_digest(_digest(given), self._digest):
            what = "no token was given" if given is None else "the token is wrong"
            return Unauthenticated(
                what,
                hint="send `Authorization: Bearer TOKEN`; the server printed the token at its first start",
            )
        return None

    def _may_open(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:  # no browser
            return True
        if origin.lower() in self._origins:
            return True
        try:
            site = urlsplit(origin).netloc.lower()
        except ValueError:  # such as half an IPv6 address
            return False
        # Pages of no site (sandboxed ones, files) say "null"; that is not the site of a request without a host.
        return site != "" and site == headers.get("host", "").lower()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _token_of(headers: Headers, scope: Scope) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(TOKEN_SUBPROTOCOL):
            return str(offered.removeprefix(TOKEN_SUBPROTOCOL))
    return None
