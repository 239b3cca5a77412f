"""The limits of one connection, on real sockets at every kind of door."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request

from stream_server.access.door import Door, Traffic
from stream_server.commands.serve import listen
from stream_server.serving.http_protocol import DeadlineProtocol
from stream_server.serving.server import DoorServer, Doorway
from stream_server.settings import HttpSettings, Settings
from tests.partners.tunnel_edge import certified

GET = b"GET /length HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
DOORS = ("lan", "tls", "tunnel", "other")

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[..., Awaitable[Peer]]


def application() -> FastAPI:
    app = FastAPI()
    app.state.services = None

    @app.api_route("/length", methods=["GET", "POST"])
    async def length(request: Request) -> dict[str, Any]:
        return {"length": len(await request.body()), "headers": len(request.headers)}

    @app.api_route("/refused", methods=["GET", "POST"], status_code=401)
    async def refused() -> str:
        return "no"

    return app


async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"elsewhere"})


@pytest_asyncio.fixture
async def dial(tmp_path: Path) -> AsyncIterator[Dial]:
    listening = asyncio.Event()
    context, ca = certified(tmp_path / "tls")
    sockets = {name: listen("127.0.0.1", 0) for name in DOORS}
    doorways = (
        Doorway(sockets["lan"]),
        Doorway(sockets["tls"], tls=context),
        Doorway(sockets["tunnel"], door=Door.TUNNEL, traffic=Traffic()),
        Doorway(sockets["other"], app=elsewhere),
    )

    async def on_listening() -> None:
        listening.set()

    http = HttpSettings(max_connections=40, max_connections_per_client=4)
    server = DoorServer(application(), Settings(_env_file=None, data_dir=tmp_path, http=http), doorways, on_listening)
    serving = asyncio.create_task(server.serve())
    writers = []

    async def dial(door: str = "lan", local: str = "127.0.0.1") -> Peer:
        trust = ssl.create_default_context(cafile=str(ca)) if door == "tls" else None
        port = sockets[door].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, local_addr=(local, 0))
        writers.append(writer)
        return reader, writer

    async with asyncio.timeout(60):
        await listening.wait()
        yield dial
        for writer in writers:
            writer.close()
        server.should_exit = True
        await serving


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One answer: status, headers, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"])) if "content-length" in headers else b""
    return int(head[0].split()[1]), headers, body


async def refusal(peer: Peer) -> tuple[int, str]:
    """Status and code of a problem that ends the connection."""
    status, headers, body = await answer(peer[0])
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    with contextlib.suppress(ConnectionResetError):
        assert await peer[0].read() == b""
    return status, json.loads(body)["code"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (GET + b"".join(b"x-%05d: %s\r\n" % (number, b"a" * 60) for number in range(300)), 431, None),
        (GET + b"x-a: " + b"a" * 66_000, 431, None),
        (GET + b"x-a: " + b"a" * 66_000 + b"\r\n\r\n", 431, None),
        (GET + b"x" * 66_000, 431, None),
        (b"GET /" + b"a" * 9_000, 414, "uri_too_long"),
        (b"GET /?" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
    ],
)
async def test_a_header_or_address_without_end_is_refused_at_once(
    dial: Dial, door: str, request_bytes: bytes, status: int, code: str | None
) -> None:
    peer = await dial(door)
    peer[1].write(request_bytes)
    assert await refusal(peer) == (status, code or "request_header_fields_too_large")


async def test_the_memory_does_not_grow_with_what_a_header_holds(dial: Dial) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    _, writer = await dial()
    writer.write(GET + b"x-a: ")
    with contextlib.suppress(ConnectionError):
        for _ in range(500):
            writer.write(b"a" * 65_536)
            await writer.drain()
        raise AssertionError("32 MB of one header were taken")
    assert process.memory_info().rss - before < 16 * 2**20


async def test_ordinary_headers_are_taken_one_request_after_the_other_and_ahead_of_answers(dial: Dial) -> None:
    reader, writer = await dial()
    large = GET + b"".join(b"x-%d: %s\r\n" % (number, b"a" * 3000) for number in range(19)) + b"\r\n"
    for _ in range(3):
        writer.write(large)
        assert (await answer(reader))[0] == 200
    writer.write(large * 6)
    for _ in range(6):
        assert (await answer(reader))[0] == 200


async def test_a_large_body_is_no_header(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))
    assert json.loads((await answer(reader))[2])["length"] == 3_000_000
    writer.write(CHUNKED + b"186a0\r\n" + bytes(100_000) + b"\r\n0\r\n\r\n")
    assert json.loads((await answer(reader))[2])["length"] == 100_005


async def test_requests_sent_ahead_are_bounded(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write((GET + b"\r\n") * 40)
    with contextlib.suppress(ConnectionResetError):
        assert (await reader.read()).count(b"HTTP/1.1 200") < 40


async def test_trailers_become_no_headers_and_have_the_same_bound(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(CHUNKED + b"0\r\nAuthorization: Bearer late\r\n\r\n")
    assert json.loads((await answer(reader))[2]) == {"length": 5, "headers": 2}
    writer.write(CHUNKED + b"0\r\n" + b"x-a: " + b"a" * 100_000)
    assert await refusal((reader, writer)) == (431, "request_header_fields_too_large")


async def test_what_is_no_http_is_told_so(dial: Dial) -> None:
    peer = await dial()
    peer[1].write(b"\x01\x02\x03\r\n\r\n")
    assert await refusal(peer) == (400, "bad_request")


@pytest.mark.parametrize("path", [b"/refused", b"/nowhere"])
async def test_who_is_answered_and_still_owes_a_body_does_not_keep_the_connection(
    dial: Dial, path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadlineProtocol, "linger_s", 0.3)
    reader, writer = await dial()
    writer.write(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" % path)
    status, headers, _ = await answer(reader)
    assert status in (401, 404)
    assert headers["connection"] == "close"
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""


async def test_who_then_sends_the_body_reads_the_whole_answer(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
    for _ in range(20):
        writer.write(bytes(100_000))
        await writer.drain()
    assert (await answer(reader))[0] == 401
    assert await reader.read() == b""


async def test_who_sends_everything_keeps_the_connection_even_when_refused(dial: Dial) -> None:
    reader, writer = await dial()
    for _ in range(2):
        writer.write(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        status, headers, _ = await answer(reader)
        assert (status, headers.get("connection")) == (401, None)


async def test_an_address_with_all_its_connections_is_told_so_and_others_are_served(
    dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadlineProtocol, "turned_away_s", 0.5)
    held = []
    for _ in range(4):
        peer = await dial()
        peer[1].write(GET + b"\r\n")
        assert (await answer(peer[0]))[0] == 200
        held.append(peer)
    for hello in (GET + b"\r\n", GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"):
        peer = await dial()
        peer[1].write(hello)
        assert await refusal(peer) == (503, "too_many_connections")
    silent, _ = await dial()
    with contextlib.suppress(ConnectionResetError):
        assert await silent.read() == b""
    other = await dial(local="127.0.0.2")
    other[1].write(GET + b"\r\n")
    assert (await answer(other[0]))[0] == 200
    held[0][1].close()
    async with asyncio.timeout(20):
        status = 503
        while status != 200:  # the server notices the end a moment later
            peer = await dial()
            peer[1].write(GET + b"\r\n")
            status = (await answer(peer[0]))[0]
            peer[1].close()


async def test_connections_of_the_tunnel_are_not_counted_by_address(dial: Dial) -> None:
    for _ in range(8):
        reader, writer = await dial("tunnel")
        writer.write(GET + b"\r\n")
        assert (await answer(reader))[0] == 200


async def test_beyond_all_places_and_those_that_are_told_so_connections_are_cut(dial: Dial) -> None:
    for number in range(40):
        await dial(local=f"127.0.0.{2 + number // 4}")
    peers = [await dial(local="127.0.1.1") for _ in range(80)]
    peers[0][1].write(GET + b"\r\n")
    assert await refusal(peers[0]) == (503, "too_many_connections")
    with contextlib.suppress(ConnectionResetError):
        assert await peers[-1][0].read() == b""
