"""uvicorn with several doors, on real sockets and without the application's running parts."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request, WebSocket
from websockets.asyncio.client import connect

from stream_server.access.door import Door, Traffic, door_of
from stream_server.commands.serve import listen
from stream_server.serving import server as server_module
from stream_server.serving.server import DoorServer, Doorway
from stream_server.settings import Settings
from tests.partners.tunnel_edge import certified


def application() -> FastAPI:
    app = FastAPI()
    app.state.services = None

    @app.get("/door")
    async def door(request: Request) -> dict[str, Any]:
        return {"door": door_of(request.scope), "scheme": request.url.scheme}

    @app.websocket("/echo")
    async def echo(peer: WebSocket) -> None:
        await peer.accept()
        await peer.send_text(f"{door_of(peer.scope)} {peer.url.scheme}")
        with contextlib.suppress(RuntimeError):
            async for data in peer.iter_bytes():
                await peer.send_bytes(data)

    return app


class Bench:
    def __init__(self, folder: Path) -> None:
        self.traffic = Traffic()
        self.context, self.ca = certified(folder / "tls")
        self.sockets = {name: listen("127.0.0.1", 0) for name in ("lan", "tls", "tunnel", "other")}

    def port(self, name: str) -> int:
        return int(self.sockets[name].getsockname()[1])

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"elsewhere"})


@pytest_asyncio.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(server_module, "TLS_HANDSHAKE_S", 0.5)
    bench, listening = Bench(tmp_path), asyncio.Event()

    async def on_listening() -> None:
        listening.set()

    doorways = (
        Doorway(bench.sockets["lan"]),
        Doorway(bench.sockets["tls"], tls=bench.context),
        Doorway(bench.sockets["tunnel"], door=Door.TUNNEL, traffic=bench.traffic),
        Doorway(bench.sockets["other"], app=elsewhere),
    )
    server = DoorServer(application(), Settings(_env_file=None, data_dir=tmp_path), doorways, on_listening)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        await listening.wait()
        yield bench
        server.should_exit = True
        await serving


async def test_every_door_has_its_own_rules_and_all_lead_to_one_application(bench: Bench) -> None:
    async with httpx.AsyncClient(verify=bench.trust) as http:
        for name, scheme, door in (("lan", "http", "lan"), ("tls", "https", "lan"), ("tunnel", "http", "tunnel")):
            answer = await http.get(f"{scheme}://127.0.0.1:{bench.port(name)}/door")
            assert answer.json() == {"door": door, "scheme": scheme}
        assert (await http.get(f"http://127.0.0.1:{bench.port('other')}/door")).text == "elsewhere"


async def test_sockets_go_over_tls(bench: Bench) -> None:
    async with connect(f"wss://localhost:{bench.port('tls')}/echo", ssl=bench.trust) as peer:
        assert await peer.recv() == "lan wss"
        await peer.send(bytes(500_000))
        assert await peer.recv() == bytes(500_000)


async def test_the_tunnels_bytes_are_counted_on_the_socket_requests_and_websockets_alike(bench: Bench) -> None:
    url = f"127.0.0.1:{bench.port('tunnel')}"
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://{url}/door")
    assert len(answer.content) < bench.traffic.bytes_out < 1000
    assert 50 < bench.traffic.bytes_in < 1000
    async with connect(f"ws://{url}/echo", compression=None) as peer:
        assert await peer.recv() == "tunnel ws"
        await peer.send(bytes(300_000))
        assert await peer.recv() == bytes(300_000)
    assert 300_000 < bench.traffic.bytes_in < 302_000
    assert 300_000 < bench.traffic.bytes_out < 302_000


async def test_other_doors_are_not_counted(bench: Bench) -> None:
    async with httpx.AsyncClient() as http:
        await http.get(f"http://127.0.0.1:{bench.port('lan')}/door")
    assert bench.traffic == Traffic()


async def test_a_slow_reader_holds_up_the_sender_through_the_meter_too(bench: Bench) -> None:
    # Far more than the buffers of two sockets and two libraries hold.
    count, size = 200, 200_000
    async with connect(f"ws://127.0.0.1:{bench.port('tunnel')}/echo", compression=None, max_size=2**24) as peer:
        await peer.recv()
        sending = asyncio.create_task(_send(peer, count, size))
        taken, looks_without_change = -1, 0
        while not sending.done() and looks_without_change < 10:
            looks_without_change = looks_without_change + 1 if bench.traffic.bytes_in == taken else 0
            taken = bench.traffic.bytes_in
            await asyncio.sleep(0.02)
        assert not sending.done()
        assert size < taken < count * size / 2
        received = 0
        for _ in range(count):
            received += len(await peer.recv())
        await sending
    assert received == count * size


async def _send(peer: Any, count: int, size: int) -> None:
    for _ in range(count):
        await peer.send(bytes(size))


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_peer_that_does_not_shake_hands_is_disconnected(bench: Bench, hello: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port("tls"))
    writer.write(hello)
    with contextlib.suppress(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_tls_1_1_is_not_spoken(bench: Bench, recwarn: pytest.WarningsRecorder) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection("127.0.0.1", bench.port("tls"), ssl=old)


def test_a_listening_socket_is_bound_before_the_server_runs() -> None:
    make: Callable[[], socket.socket] = lambda: listen("127.0.0.1", 0)  # noqa: E731
    with make() as one, make() as other:
        assert one.getsockname()[1] != other.getsockname()[1] != 0
