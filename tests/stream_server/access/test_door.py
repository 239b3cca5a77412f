import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from stream_server.access.door import STATE_KEY, Claim, Door, Doorkeeper, Traffic, door_of, read_claim
from stream_server.settings.group import networks

FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Whatever": "1",
    "Forwarded": "for=203.0.113.9;proto=https;host=evil.example",
    "X-Real-IP": "203.0.113.9",
    "CF-Connecting-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.9",
}


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


class Inside:
    """The application: remembers what it was given."""

    def __init__(self) -> None:
        self.scope: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.scope["headers"])


async def through(
    headers: dict[str, str],
    *,
    door: Door | None = None,
    public_host: str | None = None,
    proxies: tuple[str, ...] = (),
    **changes: Any,
) -> tuple[Inside, list[Any], Traffic]:
    inside, traffic, sent = Inside(), Traffic(), []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/camera",
        "raw_path": b"/camera",
        "query_string": b"",
        "scheme": "http",
        "client": ("127.0.0.1", 40000),
        "headers": raw({"Host": "phones.example", **headers}),
        "state": {} if door is None else {STATE_KEY: door},
        **changes,
    }
    doorkeeper = Doorkeeper(inside, public_host=lambda: public_host, traffic=traffic, trusted_proxies=networks(proxies))
    await doorkeeper(scope, receive, send)
    return inside, sent, traffic


@pytest.mark.parametrize("door", [None, Door.LAN])
async def test_what_anybody_may_have_written_is_taken_away_on_the_lan(door: Door | None) -> None:
    inside, _, traffic = await through(FORGED, door=door)
    assert set(inside.headers) == {b"host"}
    assert (inside.scope["client"], inside.scope["scheme"]) == (("127.0.0.1", 40000), "http")
    assert inside.headers[b"host"] == b"phones.example"
    assert traffic.requests == 0


PROXIES = ("10.0.0.5", "172.18.0.0/16", "fd00::/8")


@pytest.mark.parametrize("address", ["10.0.0.5", "172.18.3.4", "::ffff:10.0.0.5", "fd00::7"])
@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("websocket", "wss")])
async def test_a_trusted_proxy_is_believed_as_to_where_a_request_comes_from(
    address: str, kind: str, scheme: str
) -> None:
    headers = {"X-Forwarded-For": "127.0.0.1, 192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}
    inside, _, traffic = await through(headers, proxies=PROXIES, client=(address, 40000), type=kind)
    assert (inside.scope["client"], inside.scope["scheme"]) == (("192.0.2.1", 0), scheme)
    assert inside.headers == {b"host": b"phones.example"}
    assert traffic.requests == 0


@pytest.mark.parametrize("client", [("10.0.0.6", 1), ("127.0.0.1", 1), ("::ffff:10.0.0.6", 1), ("testclient", 1), None])
async def test_whoever_is_no_trusted_proxy_writes_its_headers_in_vain(client: tuple[str, int] | None) -> None:
    inside, _, _ = await through(FORGED, proxies=PROXIES, client=client)
    assert (inside.scope["client"], inside.scope["scheme"]) == (client, "http")
    assert set(inside.headers) == {b"host"}


async def test_what_a_trusted_proxy_does_not_say_stays_as_it_is_and_plain_http_is_its_own_affair() -> None:
    client = ("10.0.0.5", 40000)
    inside, _, _ = await through({}, proxies=PROXIES, client=client)
    assert (inside.scope["client"], inside.scope["scheme"]) == (client, "http")
    inside, sent, _ = await through({"X-Forwarded-Proto": "http"}, proxies=PROXIES, client=client)
    assert (inside.scope["scheme"], sent) == ("http", [])


async def test_a_door_cannot_be_claimed_by_a_header() -> None:
    inside, _, _ = await through({STATE_KEY: "tunnel", "Door": "tunnel", "X-Forwarded-For": "203.0.113.9"})
    assert door_of(inside.scope) is Door.LAN
    assert inside.scope["client"][0] == "127.0.0.1"


async def test_the_tunnel_is_believed_and_counted() -> None:
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    inside, _, traffic = await through(headers, door=Door.TUNNEL, public_host="roll.example")
    assert (inside.scope["client"], inside.scope["scheme"]) == (("192.0.2.1", 0), "https")
    assert inside.headers == {b"host": b"roll.example"}
    assert traffic.requests == 1


async def test_a_socket_through_the_tunnel_is_a_secure_one() -> None:
    inside, _, _ = await through({"X-Forwarded-Proto": "https"}, door=Door.TUNNEL, type="websocket", scheme="ws")
    assert inside.scope["scheme"] == "wss"


async def test_whatever_host_is_named_the_address_that_was_opened_is_the_host() -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    inside, _, _ = await through(headers, door=Door.TUNNEL, public_host="roll.example:4433")
    assert inside.scope["headers"] == [(b"host", b"roll.example:4433")]


async def test_a_page_over_plain_http_is_led_to_https() -> None:
    inside, sent, _ = await through(
        {"X-Forwarded-Proto": "http"}, door=Door.TUNNEL, public_host="roll.example", query_string=b"a=1"
    )
    assert inside.scope is None
    assert sent[0]["status"] == 308
    assert dict(sent[0]["headers"])[b"location"] == b"https://roll.example/camera?a=1"


@pytest.mark.parametrize("changes", [{"method": "POST"}, {"type": "websocket", "extensions": {}}])
async def test_anything_else_over_plain_http_is_refused(changes: dict[str, Any]) -> None:
    changes = {**changes, "extensions": {"websocket.http.response": {}}}
    inside, sent, _ = await through({"X-Forwarded-Proto": "http"}, door=Door.TUNNEL, public_host="x.example", **changes)
    assert inside.scope is None
    assert sent[0]["status"] == 403
    assert b'"https_required"' in sent[1]["body"]


async def test_one_visitor_of_the_tunnel_has_its_share_of_requests_and_others_theirs() -> None:
    inside, release, statuses = 0, asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside
        inside += 1
        await release.wait()

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    keeper = Doorkeeper(app, public_host=lambda: None, traffic=Traffic(), from_one=2)

    async def ask(client: str) -> None:
        scope = {
            "type": "http",
            "scheme": "http",
            "client": ("127.0.0.1", 4000),
            "headers": raw({"X-Forwarded-For": client, "X-Forwarded-Proto": "https"}),
            "state": {STATE_KEY: Door.TUNNEL},
        }
        await keeper(scope, None, send)  # type: ignore[arg-type]

    async with asyncio.timeout(10), asyncio.TaskGroup() as asking:
        for client in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
            asking.create_task(ask(client))
        while inside < 3:
            await asyncio.sleep(0)
        await ask("192.0.2.1")
        assert statuses[0] == 503
        release.set()
    await ask("192.0.2.1")
    assert inside == 4


@pytest.mark.parametrize(
    ("headers", "claim"),
    [
        ({}, Claim()),
        ({"X-Forwarded-For": "192.0.2.1"}, Claim("192.0.2.1")),
        # What the client wrote itself stands before what the tunnel added.
        ({"X-Forwarded-For": "127.0.0.1, 192.0.2.1", "X-Forwarded-Proto": "http, https"}, Claim("192.0.2.1", "https")),
        ({"X-Forwarded-For": "192.0.2.1:443"}, Claim("192.0.2.1")),
        ({"X-Forwarded-For": "[2001:db8::1]:443"}, Claim("2001:db8::1")),
        ({"X-Forwarded-For": "2001:db8::1"}, Claim("2001:db8::1")),
        ({"X-Forwarded-For": "unknown"}, Claim()),
        ({"X-Forwarded-For": "192.0.2.1\r\nX: y"}, Claim()),
        ({"X-Forwarded-For": ""}, Claim()),
        ({"X-Forwarded-Proto": "gopher"}, Claim()),
        ({"X-Forwarded-Proto": "wss"}, Claim(None, "https")),
        ({"Forwarded": "for=192.0.2.60;proto=http, for=198.51.100.17;proto=https"}, Claim("198.51.100.17", "https")),
        ({"Forwarded": 'For="[2001:db8::1]:4711"; Proto=https'}, Claim("2001:db8::1", "https")),
        ({"Forwarded": "for=_hidden;proto"}, Claim()),
        # Tunnels that write the one pass the other on as the client wrote it.
        ({"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=10.0.0.1;proto=https"}, Claim("192.0.2.1")),
    ],
)
def test_the_word_of_the_nearest_proxy_counts(headers: dict[str, str], claim: Claim) -> None:
    assert read_claim(raw(headers)) == claim


def test_several_lines_of_a_header_are_one_list() -> None:
    lines = [(b"x-forwarded-for", b"10.0.0.1"), (b"x-forwarded-for", b"192.0.2.1")]
    assert read_claim(lines).client == "192.0.2.1"
