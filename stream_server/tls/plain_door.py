"""What is served over plain http beside https: the authority's certificate, how to install it, and the way to https."""

from collections.abc import Callable
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_server.access.door import HttpsRequired
from stream_server.errors import problem_response, response_to
from stream_server.tls.identity import TlsIdentity

CERTIFICATE_PATH = "/ca.crt"
HELP_PATH = "/phone"
# https://www.iana.org/assignments/media-types/application/x-x509-ca-cert; phones offer to install it.
CERTIFICATE_TYPE = "application/x-x509-ca-cert"
_METHODS = ("GET", "HEAD")

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Let this phone trust Rollcall</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 0 auto; padding: 1rem; }}
a.big {{ display: block; padding: .8rem; border-radius: .5rem; background: #174ea6; color: #fff; text-align: center;
         margin: .8rem 0; }}
code {{ overflow-wrap: anywhere; }}
</style>
<h1>Let this phone trust Rollcall</h1>
<p>A browser gives a page the camera only over https. This server made its own certificate; install it once.</p>
<a class="big" href="{certificate}">1. Download the certificate</a>
<h2>iPhone, iPad</h2>
<ol><li>Download with Safari and allow the profile.
<li>Settings → General → VPN &amp; Device Management → Rollcall → Install.
<li>Settings → General → About → Certificate Trust Settings: switch Rollcall on.</ol>
<h2>Android</h2>
<ol><li>Download.
<li>Settings → Security → More security settings → Encryption &amp; credentials → Install a certificate → CA certificate
(the names differ a little), and choose the file.</ol>
<p>The phone may show this fingerprint (SHA-256). It must be the one that the server printed:<br>
<code>{fingerprint}</code></p>
<p>The certificate is good for local networks only. Remove it in the same place.</p>
<a class="big" href="{camera}">2. Open Rollcall</a>
"""


class PlainDoor:
    """ASGI application: answers without any token, and therefore only with what everybody may know."""

    def __init__(self, identity: TlsIdentity, *, https_port: int, https_host: str) -> None:
        """`https_host` is where people are led whose request names a host that the certificate is not for."""
        self._identity = identity
        self._port = https_port
        self._host = https_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse what is no page."""
        if scope["type"] in ("http", "websocket"):
            await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> ASGIApp:
        if scope["type"] == "websocket" or scope["method"] not in _METHODS:
            return response_to(
                HttpsRequired(
                    "this was sent over plain http", hint=f"use {self._base(scope)}; the token was in the open"
                )
            )
        known = self._identity.known
        pages: dict[str, Callable[[], Response]] = {}
        if known is not None:
            pages = {CERTIFICATE_PATH: self._certificate, HELP_PATH: lambda: self._help(scope)}
        elif scope["path"] in (CERTIFICATE_PATH, HELP_PATH):
            return problem_response(
                404, "not_found", "this server has a certificate of its own; there is none to install"
            )
        page = pages.get(scope["path"])
        return page() if page is not None else self._to_https(scope)

    def _certificate(self) -> Response:
        assert self._identity.known is not None
        headers = {"Content-Disposition": 'attachment; filename="rollcall-ca.crt"', **_HEADERS}
        return Response(self._identity.known.authority_der, media_type=CERTIFICATE_TYPE, headers=headers)

    def _help(self, scope: Scope) -> Response:
        assert self._identity.known is not None
        digits = self._identity.known.authority_sha256.upper()
        page = _PAGE.format(
            certificate=CERTIFICATE_PATH,
            camera=escape(self._base(scope) + "/camera"),
            fingerprint=fingerprint_in_words(digits),
        )
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
        return HTMLResponse(page, headers={"Content-Security-Policy": policy, **_HEADERS})

    def _to_https(self, scope: Scope) -> Response:
        path = scope.get("raw_path", b"/").decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{self._base(scope)}{path}{'?' if query else ''}{query}", status_code=308)

    def _base(self, scope: Scope) -> str:
        asked = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        try:
            host = urlsplit(f"//{asked}").hostname or ""
        except ValueError:  # half an IPv6 address
            host = ""
        # Never to a host of the sender's choice.
        host = host if host in self._identity.hosts else self._host
        return https_base(host, self._port)


_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def https_base(host: str, port: int) -> str:
    """`https://HOST:PORT`, the port only where it is not the usual one."""
    shown = f"[{host}]" if ":" in host else host
    return f"https://{shown}" + ("" if port == 443 else f":{port}")


def fingerprint_in_words(sha256: str) -> str:
    """`AB:CD:…`, as phones show it."""
    digits = sha256.upper()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
