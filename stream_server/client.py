"""A client of the server: what `rollcall watch`, the demo, the benchmarks and the tests talk to it with."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus

from recognition.errors import RequestError, RollcallError, UnavailableError
from stream_server.messages.wire import Event
from stream_server.serving.local_address import address_of
from stream_server.settings import Settings

MESSAGE_MAX_BYTES = 1024 * 1024
# ngrok's free plan answers a browser's first request with a page of its own, and takes us for a browser without it.
SKIP_INTERSTITIAL = {"ngrok-skip-browser-warning": "1"}


# What a server that expects TLS does with plain http.
_BROKEN_OFF = (httpx.RemoteProtocolError, httpx.ReadError, InvalidMessage)


class ServerSaidNo(RequestError):
    """The server refused a request."""

    code = "server_said_no"


class ServerAway(UnavailableError):
    """The server cannot be reached, or is not able to answer now."""

    code = "server_away"


class ServerClient:
    """Talks to one server over HTTP and WebSockets. An async context manager.

    Methods raise ServerSaidNo with the code of the server's problem, and ServerAway.
    """

    def __init__(self, base_url: str, token: str, *, timeout_s: float = 10.0, ca_file: Path | None = None) -> None:
        """`ca_file` (PEM) is trusted besides the usual authorities, if it is there.

        Raises RequestError when no server can be at such an address.
        """
        _check_address(base_url)
        self.base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", **SKIP_INTERSTITIAL}
        self._tls = _trust(ca_file) if self.base_url.startswith("https:") else None
        self._http = httpx.AsyncClient(
            base_url=self.base_url, headers=self._headers, timeout=timeout_s, verify=self._tls or True
        )

    async def __aenter__(self) -> Self:
        """Open the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        photo: bytes | AsyncIterator[bytes] | None = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One REST request; returns the decoded JSON, or None when there is none. `photo` is a body as it is."""
        sent: dict[str, Any] = {"headers": headers or {}}
        if body is not None:
            sent["json"] = body
        if photo is not None:
            sent["content"] = photo
            sent["headers"] = {"Content-Type": "application/octet-stream", **(headers or {})}
        try:
            response = await self._http.request(method, path, params=params, **sent)
        except httpx.HTTPError as error:
            raise _away(self.base_url, error) from error
        if response.is_success:
            return response.json() if response.content else None
        raise _problem(response.status_code, response.content)

    async def download(self, path: str, params: dict[str, str] | None = None) -> AsyncIterator[bytes]:
        """A body of any length, piece by piece; ServerAway when it ends too early."""
        try:
            async with self._http.stream("GET", path, params=params) as response:
                if not response.is_success:
                    raise _problem(response.status_code, await response.aread())
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            raise _away(self.base_url, error) from error

    async def readiness(self) -> dict[str, Any]:
        """What /readyz says, also while it says 503."""
        try:
            response = await self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise _away(self.base_url, error) from error
        if response.status_code in (200, 503) and b'"reasons"' in response.content:
            return dict(response.json())
        raise _problem(response.status_code, response.content)

    async def add_person(self, name: str, *, consent: bool) -> UUID:
        """Add a person; returns the id."""
        person = await self.call("POST", "/api/v1/people", body={"name": name, "consent": consent})
        return UUID(person["id"])

    async def enrol(self, person_id: UUID, photo: bytes) -> None:
        """Enrol a person with an encoded photograph."""
        await self.call("POST", f"/api/v1/people/{person_id}/templates", photo=photo)

    async def add_camera(self, camera_id: str, name: str = "") -> None:
        """Make a camera known."""
        await self.call("PUT", f"/api/v1/cameras/{camera_id}", body={"name": name})

    async def whip(self, camera_id: str, offer_sdp: str) -> str:
        """Stream as a camera by WebRTC; returns the answer to the offer. The session ends with its connection."""
        headers = {"Content-Type": "application/sdp"}
        try:
            response = await self._http.post(f"/whip/{camera_id}", content=offer_sdp, headers=headers)
        except httpx.HTTPError as error:
            raise _away(self.base_url, error) from error
        if response.is_success:
            return response.text
        raise _problem(response.status_code, response.content)

    async def pages(self, path: str, key: str, params: dict[str, str] | None = None) -> AsyncIterator[dict[str, Any]]:
        """All items of a list, page by page."""
        asked = {"limit": "200", **(params or {})}
        while True:
            page = await self.call("GET", path, params=asked)
            for item in page[key]:
                yield item
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]

    async def attendance(self) -> list[dict[str, Any]]:
        """All attendance records."""
        return [record async for record in self.pages("/api/v1/attendance", "attendance")]

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[ClientConnection]:
        """A WebSocket, such as /ws/v1/camera/door."""
        url = "ws" + self.base_url.removeprefix("http") + path
        try:
            async with connect(
                url,
                additional_headers=self._headers,
                compression=None,
                max_size=MESSAGE_MAX_BYTES,
                max_queue=16,
                ssl=self._tls,
            ) as connection:
                yield connection
        except InvalidStatus as error:
            raise _problem(error.response.status_code, bytes(error.response.body or b"")) from error
        except (OSError, InvalidHandshake) as error:
            raise _away(self.base_url, error) from error

    async def events(self, after: int | None = None, opened: asyncio.Event | None = None) -> AsyncIterator[Event]:
        """Stored events behind `after` (None: from now on), live, until the server closes the stream.

        `opened` is set once the stream is there, and "now" has begun.
        """
        path = "/ws/v1/events" + ("" if after is None else f"?after={after}")
        async with self.socket(path) as connection:
            if opened is not None:
                opened.set()
            async for text in connection:
                content = json.loads(text)
                if "id" in content:
                    yield Event.model_validate(content)


def local_token(settings: Settings) -> str:
    """The token of the settings, or the one that a server on this machine has made in the data folder."""
    if settings.auth.token is not None:
        return settings.auth.token.get_secret_value()
    try:
        token = (settings.data_dir / "token").read_text().strip()
    except OSError:
        token = ""
    if not token:
        raise RequestError(
            f"no token is known: {settings.data_dir / 'token'} is not there",
            hint="set ROLLCALL_AUTH__TOKEN to the token in the file `token` of the server's data folder",
            code="no_token",
        )
    return token


def local_client(base_url: str | None, settings: Settings, *, timeout_s: float = 10.0) -> ServerClient:
    """A client with `local_token`, that trusts the authority which a server on this machine made for `--https auto`.

    Without `base_url` it talks to the running server of the data folder.
    """
    token = local_token(settings)
    if base_url is None:
        base_url = address_of(settings).local
    return ServerClient(base_url, token, timeout_s=timeout_s, ca_file=settings.data_dir / "tls" / "ca.crt")


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None and ca_file.is_file():
        context.load_verify_locations(ca_file)
    return context


def _check_address(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is none
        usable = False
    if not usable:
        raise RequestError(f"{base_url} is no address of a server", hint="an address is like http://127.0.0.1:8000")


def _away(base_url: str, error: Exception) -> ServerAway:
    said = str(error) or type(error).__name__
    hint = "start one with `rollcall serve`"
    if base_url.startswith("http:") and isinstance(error, _BROKEN_OFF):
        hint = f"does it speak https? Try --server https{base_url.removeprefix('http')}"
    elif "CERTIFICATE_VERIFY_FAILED" in said:
        hint = "its certificate is not for this name, or not trusted here: try --server with a name that it holds"
    elif base_url.startswith("https:") and "[SSL" in said:
        hint = f"does it speak plain http? Try --server http{base_url.removeprefix('https')}"
    return ServerAway(f"no server answers at {base_url}: {said}", hint=hint)


def _problem(status: int, body: bytes) -> RollcallError:
    try:
        problem = json.loads(body)
        detail, hint, code = problem["detail"], problem.get("hint", ""), problem["code"]
    except (ValueError, KeyError, TypeError):
        detail, hint, code = f"the server answered {status}", "is it a Rollcall server?", "server_said_no"
    kind = ServerAway if status >= 500 else ServerSaidNo
    return kind(detail, hint=hint, code=code)
