"""Which door a request came in by, and what proxies say of it.

The server knows a door by its listening socket, never by what a request says: the tunnel has a socket of its own, on
loopback. Whatever comes in there is the tunnel's word, so that headers of proxies (`X-Forwarded-For` and its like) are
believed, and so they are from the addresses of proxies that the operator has named; everywhere else anybody could have
written them. They are taken away before the application sees them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from recognition.errors import RequestError
from stream_server.access.attempts import source_of
from stream_server.errors import response_to
from stream_server.serving.connections import Places, from_one_client, is_within

STATE_KEY = "rollcall.door"
# Besides everything that begins with x-forwarded-.
_CLAIMS = frozenset(
    {b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip", b"cf-visitor", b"via"}
)

Headers = list[tuple[bytes, bytes]]


class Door(StrEnum):
    """Where a request came in."""

    LAN = "lan"
    TUNNEL = "tunnel"


class HttpsRequired(RequestError):
    """Something was sent over plain http that belongs under https."""

    code = "https_required"


@dataclass(slots=True)
class Traffic:
    """What has gone through the tunnel since the start. Bytes are those on the socket, headers and pings included."""

    bytes_in: int = 0
    bytes_out: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What the last proxy said of a request; None where it said nothing that can be used."""

    client: str | None = None
    scheme: str | None = None


def door_of(scope: Scope) -> Door:
    """The door of a request."""
    door = scope.get("state", {}).get(STATE_KEY, Door.LAN)
    assert isinstance(door, Door)
    return door


def read_claim(headers: Iterable[tuple[bytes, bytes]]) -> Claim:
    """What the nearest proxy says: its word is the last of each list, those before may be the client's own.

    `Forwarded` (RFC 7239) counts only without `X-Forwarded-For`: tunnels that write the latter pass the former on as it
    came from the client.
    """
    forwarded_for: list[str] = []
    proto: list[str] = []
    forwarded: list[str] = []
    lists = {b"x-forwarded-for": forwarded_for, b"x-forwarded-proto": proto, b"forwarded": forwarded}
    for name, value in headers:
        if name in lists:
            lists[name] += value.decode("latin-1").split(",")
    if not forwarded_for and forwarded:
        pairs = (pair.strip().partition("=") for pair in forwarded[-1].split(";"))
        last = {name.lower(): value.strip('"') for name, _, value in pairs}
        return Claim(client=_address(last.get("for", "")), scheme=_scheme(last.get("proto", "")))
    return Claim(
        client=_address(forwarded_for[-1]) if forwarded_for else None, scheme=_scheme(proto[-1]) if proto else None
    )


class Doorkeeper:
    """ASGI middleware, the outermost: believes tunnel and trusted proxies only, and counts the former's requests."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        public_host: Callable[[], str | None],
        traffic: Traffic,
        trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        from_one: int = 64,
    ) -> None:
        """`public_host` is the host (and port, if any) of the tunnel's public address, when it has one.

        `from_one` is how many requests and sockets one visitor of the tunnel or of a proxy may have at one time.
        """
        self._trusted = trusted_proxies
        self._app = app
        self._public_host = public_host
        self._traffic = traffic
        self._from_one = from_one
        self._visitors = Places(from_one)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with what is true of it. The scope is changed in place: uvicorn logs from it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers: Headers = scope["headers"]
        scope["headers"] = [(name, value) for name, value in headers if not _is_claim(name)]
        if door_of(scope) is Door.TUNNEL:
            self._traffic.requests += 1
            plain = self._believe(scope, read_claim(headers))
            if plain:
                await _to_https(scope)(scope, receive, send)
                return
            await self._serve_visitor(scope, receive, send)
            return
        if is_within(scope.get("client"), self._trusted):
            # Where its clients must use https, the proxy says so to them itself.
            _put_in(scope, read_claim(headers))
            await self._serve_visitor(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _serve_visitor(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The connections are all the tunnel's or the proxy's; who has how many is known only from its word.
        visitor = source_of(scope.get("client"))
        if not self._visitors.take(visitor):
            await response_to(from_one_client(self._from_one))(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._visitors.give_back(visitor)

    def _believe(self, scope: Scope, claim: Claim) -> bool:
        """Put in what the tunnel said; returns whether the request came over plain http."""
        # An address of a tunnel is an https one; one that speaks plain http besides says so.
        secure = claim.scheme != "http"
        _put_in(scope, Claim(claim.client, "https" if secure else "http"))
        host = self._public_host()
        if host is not None:
            # The address that we opened, whatever host the request names: origins are compared with it.
            rest = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *rest]
        return not secure


def _put_in(scope: Scope, claim: Claim) -> None:
    if claim.client is not None:
        scope["client"] = (claim.client, 0)
    if claim.scheme is not None:
        secure = claim.scheme == "https"
        if scope["type"] == "websocket":
            scope["scheme"] = "wss" if secure else "ws"
        else:
            scope["scheme"] = "https" if secure else "http"


def _to_https(scope: Scope) -> ASGIApp:
    """The answer to plain http: a page is led to https; a token that came this way may have been read by others."""
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and host:
        path = scope.get("raw_path", b"/").decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"https://{host}{path}{'?' if query else ''}{query}", status_code=308)
    return response_to(HttpsRequired("this was sent over plain http", hint="use the https address"))


def _is_claim(name: bytes) -> bool:
    return name in _CLAIMS or name.startswith(b"x-forwarded-")


def _address(text: str) -> str | None:
    """An IP address out of `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _scheme(text: str) -> str | None:
    known = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
    return known.get(text.strip().lower())
