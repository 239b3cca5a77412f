"""The session cookie, and the token that a page must send with it to change anything.

The cookie is HttpOnly, SameSite=Strict and for this host alone; over https it is Secure and named `__Host-…`, which
browsers then enforce. The CSRF token is derived from the cookie's secret: a page of ours is told it at sign-in and by
`GET /api/v1/me`, and a page of another site can read neither.
"""

import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

COOKIE = "rollcall"
HOST_COOKIE = "__Host-rollcall"
CSRF_HEADER = "X-CSRF-Token"
SESSION_TOKEN = "rcs_"


def session_token_of(scope: Scope) -> str | None:
    """The session that a request names, if it names one.

    Over https only by the cookie that is bound to this host: a neighbour in the domain, or whoever answers plain http
    in its name, can plant the other one.
    """
    cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
    token = cookies.get(HOST_COOKIE)
    if not token and not _is_https(scope):
        token = cookies.get(COOKIE)
    return token if token and token.startswith(SESSION_TOKEN) else None


def csrf_token(session_token: str) -> str:
    """What proves that a request by cookie comes from a page that was told."""
    return hmac.new(session_token.encode(), b"rollcall csrf", hashlib.sha256).hexdigest()


def csrf_token_fits(session_token: str, headers: Headers) -> bool:
    """Whether the request proves it."""
    given = headers.get(CSRF_HEADER, "")
    return hmac.compare_digest(given.encode("latin-1", "replace"), csrf_token(session_token).encode())


def set_session(response: Response, scope: Scope, token: str, max_age_s: int) -> None:
    """Give the browser a session; another one that it may have had is replaced."""
    secure = _is_https(scope)
    response.set_cookie(
        HOST_COOKIE if secure else COOKIE,
        token,
        max_age=max_age_s,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"


def clear_session(response: Response) -> None:
    """Take the session from the browser."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    response.delete_cookie(HOST_COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def _is_https(scope: Scope) -> bool:
    if scope.get("scheme") in ("https", "wss"):
        return True
    # Behind a tunnel or proxy we see http; the browser's own word tells what it sees, and only it keeps the cookie.
    headers = Headers(scope=scope)
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    return origin.scheme == "https" and origin.netloc.lower() == headers.get("host", "").lower()
