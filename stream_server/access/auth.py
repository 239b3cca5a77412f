"""The door: who asks, and may they?

The guard stands in front of the whole application, so that a new route is closed until `rights` names it. A browser
cannot set a header on a WebSocket: it sends the token as a subprotocol, `["rollcall.v1", "rollcall.bearer.TOKEN"]`.
A token is never taken from a URL, because URLs are logged. Somebody who has signed in comes with a cookie, which the
browser also sends for pages of other sites: what changes something then needs a proof that a page of ours asks.
"""

import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Security
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from recognition.errors import RequestError, RollcallError, UnavailableError
from storage.errors import NotFound
from stream_server.access.api_tokens import API_TOKEN
from stream_server.access.attempts import TooManyAttempts, source_of
from stream_server.access.cookies import (
    COOKIE,
    CSRF_HEADER,
    HOST_COOKIE,
    SESSION_TOKEN,
    csrf_token_fits,
    session_token_of,
)
from stream_server.access.holders import Access
from stream_server.access.pairing import DEVICE_TOKEN
from stream_server.access.principals import OWNER_TOKEN, Principal, digest
from stream_server.access.rights import Asked, Right, asked_for
from stream_server.access.wrong_tokens import WrongTokens
from stream_server.errors import MethodNotAllowed, response_to

# Says in the OpenAPI description what the guard demands; it checks nothing itself.
TOKEN_SCHEME = Security(
    HTTPBearer(
        auto_error=False,
        scheme_name="token",
        description="The owner's token, kept in the data folder; an API token (`POST /api/v1/tokens`); or that of a "
        "paired device.",
    )
)
COOKIE_SCHEME = Security(
    APIKeyCookie(
        name=COOKIE,
        auto_error=False,
        scheme_name="session",
        description=f"Set by signing in; over https its name is {HOST_COOKIE}. What changes something also needs "
        f"{CSRF_HEADER}.",
    )
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HOW = "send `Authorization: Bearer TOKEN`; the owner's is in the file `token` of the data folder"
TOKEN_BEGINNINGS = (DEVICE_TOKEN, API_TOKEN, SESSION_TOKEN)
SUBPROTOCOL = "rollcall.v1"
TOKEN_SUBPROTOCOL = "rollcall.bearer."


class Unauthenticated(RequestError):
    """No token, or a wrong one."""

    code = "unauthenticated"


class OriginNotAllowed(RequestError):
    """A page of another site tried to open a socket."""

    code = "origin_not_allowed"


class CsrfRefused(RequestError):
    """A request by cookie that a page of ours did not make."""

    code = "csrf_refused"


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
    """ASGI middleware: lets in who may do what is asked, and ends what they hold when they may no longer.

    `access` gives the running server's; while there is none, the owner's token alone is known.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        access: Callable[[], Access | None] = lambda: None,
        scrape_token: str | None = None,
        allowed_origins: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._digest = digest(token)
        self._scrape_digest = None if scrape_token is None else digest(scrape_token)
        self._access = access
        self._wrong = WrongTokens()
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._admit(scope)
        except RollcallError as refusal:
            await response_to(refusal)(scope, receive, send)
            return
        if principal is None or not principal.subjects or (access := self._access()) is None:
            await self._app(scope, receive, send)
        else:
            await access.serve(self._app, principal, scope, receive, send)

    async def _admit(self, scope: Scope) -> Principal | None:
        """Who asks; None where nobody needs to say it. Raises what refuses them."""
        asked = asked_for(scope)
        headers = Headers(scope=scope)
        is_open = asked.rule is not None and asked.rule.right is Right.OPEN
        # A page of another site could use a browser of this network to guess codes, or to open a socket.
        changes = scope["type"] == "websocket" or (is_open and scope["method"] not in SAFE_METHODS)
        if changes and not self._is_our_page(headers):
            raise OriginNotAllowed(
                "pages of this origin may not do this here", hint="add it to ROLLCALL_HTTP__ALLOWED_ORIGINS"
            )
        if is_open or self._is_scraper(asked, headers, scope):
            return None
        principal = await self._principal(headers, scope)
        if asked.rule is None:
            # Only for those who are in: what there is and what there is not is nobody else's business.
            if asked.allowed:
                raise MethodNotAllowed(asked.allowed)
            raise NotFound(
                "there is nothing at this address", hint="the paths are in docs/reference/api.md", code="not_found"
            )
        principal.check(asked)
        scope.setdefault("state", {})["principal"] = principal
        return principal

    async def _principal(self, headers: Headers, scope: Scope) -> Principal:
        given = _token_of(headers, scope)
        if given is None:
            given = session_token_of(scope)
            if given is None:
                raise Unauthenticated("no token was given", hint=HOW)
            self._check_page(headers, scope, given)
        elif self._is_owners(given, scope):
            return OWNER_TOKEN
        elif given.startswith(SESSION_TOKEN):
            self._wrong.note()
            raise Unauthenticated("a session is a cookie and no token", hint=HOW)  # else it would need no CSRF token
        principal = None
        if given.startswith(TOKEN_BEGINNINGS):
            access = self._access()
            if access is None:
                raise UnavailableError("the server is starting or stopping", hint="try again in a moment")
            principal = await access.identities.of(given)
        if principal is None:
            self._wrong.note()
            raise Unauthenticated("the token or session is wrong, has expired or was ended", hint=HOW)
        return principal

    def _is_scraper(self, asked: Asked, headers: Headers, scope: Scope) -> bool:
        """Whether it is the scraper that asks for its figures: its token opens nothing else. Raises TooManyAttempts."""
        if self._scrape_digest is None or asked.rule is None or asked.rule.right is not Right.METRICS:
            return False
        given = _token_of(headers, scope)
        if given is None or not hmac.compare_digest(digest(given), self._scrape_digest):
            return False
        self._wrong.check_guess(source_of(scope.get("client")), is_right=True)
        return True

    def _is_owners(self, given: str, scope: Scope) -> bool:
        """Whether it is the owner's token. Raises TooManyAttempts."""
        is_right = hmac.compare_digest(digest(given), self._digest)
        if is_right or not given.startswith(TOKEN_BEGINNINGS):
            try:
                self._wrong.check_guess(source_of(scope.get("client")), is_right=is_right)
            except TooManyAttempts:
                self._wrong.note()
                raise
        return is_right

    def _check_page(self, headers: Headers, scope: Scope, session_token: str) -> None:
        """CsrfRefused unless a request that comes with a cookie was made by a page of ours."""
        if scope["type"] == "websocket":
            # A browser always says where the page is from, and only browsers have cookies.
            if headers.get("origin") is None:
                raise CsrfRefused(
                    "a socket by cookie needs the page's Origin", hint="open it from a page, or use a token"
                )
            return
        if scope["method"] in SAFE_METHODS:
            return
        elsewhere = headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
        if not self._is_our_page(headers) or (elsewhere and headers.get("origin") is None):
            raise CsrfRefused(
                "the request comes from a page of another site", hint="make it from a page of this server"
            )
        if not csrf_token_fits(session_token, headers):
            raise CsrfRefused(
                f"the header {CSRF_HEADER} is missing or wrong", hint="send csrf_token of GET /api/v1/me in it"
            )

    def _is_our_page(self, headers: Headers) -> bool:
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


def _token_of(headers: Headers, scope: Scope) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(TOKEN_SUBPROTOCOL):
            return str(offered.removeprefix(TOKEN_SUBPROTOCOL))
    return None
