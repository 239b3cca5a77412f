"""Against the real SDK, which connects to a stand-in for ngrok's servers."""

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from stream_server.tunnel import ngrok_line
from stream_server.tunnel.line import TunnelAway, TunnelLine, TunnelRefused, TunnelUnusable
from stream_server.tunnel.ngrok_line import NgrokLine
from tests.partners.ngrok_edge import NgrokEdge
from tests.partners.tunnel_edge import INTERSTITIAL, certified

ngrok = pytest.importorskip("ngrok")

TOKEN = "2test_token"


class Bench:
    def __init__(self, edge: NgrokEdge, ca: Path, port: int) -> None:
        self.edge, self.ca, self.port = edge, ca, port
        self.heads: list[bytes] = []

    def line(self, token: str = TOKEN, domain: str | None = None) -> NgrokLine:
        return NgrokLine(token, domain=domain, server=self.edge.agents, ca=self.ca)

    async def get(self, url: str, **headers: str) -> httpx.Response:
        import ssl

        context = ssl.create_default_context(cafile=str(self.ca))
        async with httpx.AsyncClient(verify=context) as http:
            return await http.get(url, headers=headers)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    context, ca = certified(tmp_path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bench.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with NgrokEdge(context, TOKEN) as edge, asyncio.timeout(60):
        bench = Bench(edge, ca, server.sockets[0].getsockname()[1])
        yield bench
    server.close()
    await server.wait_closed()


def test_the_sdk_has_what_is_used_of_it() -> None:
    used = {
        ngrok.SessionBuilder: (
            "authtoken ca_cert client_info connect handle_disconnection handle_heartbeat handle_stop_command "
            "heartbeat_interval heartbeat_tolerance server_addr"
        ),
        ngrok.Session: "close http_endpoint",
        ngrok.HttpListenerBuilder: "domain listen_and_forward scheme",
        ngrok.Listener: "close join url",
    }
    for kind, names in used.items():
        assert inspect.isclass(kind)
        for name in names.split():
            assert callable(getattr(kind, name)), (kind, name)
    line: TunnelLine = NgrokLine(TOKEN)
    line.check()


async def test_a_request_comes_through_with_the_headers_of_the_tunnel(bench: Bench) -> None:
    line = bench.line(domain="roll.example.org")
    bench.edge.public.adds_address = "192.0.2.44"
    address = await line.open(bench.port)
    assert address == f"https://localhost:{bench.edge.public.port}"
    assert bench.edge.binds[0]["Opts"]["Hostname"] == "roll.example.org"
    assert bench.edge.binds[0]["Proto"] == "https"
    answer = await bench.get(f"{address}/x", **{"ngrok-skip-browser-warning": "1", "X-Forwarded-For": "10.0.0.1"})
    assert answer.text == "hello"
    assert b"\r\nX-Forwarded-For: 10.0.0.1, 192.0.2.44\r\n" in bench.heads[0]
    await line.close()


async def test_without_the_header_there_is_a_page_between(bench: Bench) -> None:
    line = bench.line()
    answer = await bench.get(await line.open(bench.port))
    assert answer.content == INTERSTITIAL
    assert bench.heads == []
    await line.close()


async def test_a_line_that_is_cut_is_told_of_and_not_reopened_behind_our_back(bench: Bench) -> None:
    line = bench.line()
    await line.open(bench.port)
    losing = asyncio.create_task(line.lost())
    bench.edge.drop()
    assert await losing
    await line.close()
    assert len(bench.edge.binds) == 1
    # The same object opens the next one.
    assert (await line.open(bench.port)).startswith("https://")
    assert len(bench.edge.binds) == 2
    await line.close()


async def test_after_a_close_the_address_leads_nowhere(bench: Bench) -> None:
    line = bench.line()
    address = await line.open(bench.port)
    assert bench.edge.bound
    await line.close()
    assert not bench.edge.bound
    with pytest.raises(httpx.HTTPError):
        await bench.get(address, **{"ngrok-skip-browser-warning": "1"})
    await line.close()


async def test_a_line_that_is_dead_without_a_word_is_found_by_its_heartbeats(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngrok_line, "HEARTBEAT_S", 1)
    line = bench.line()
    bench.edge.silent = True
    await line.open(bench.port)
    assert await line.lost()
    await line.close()


async def test_a_wrong_token_is_refused_with_its_code_and_without_the_token(bench: Bench) -> None:
    line = bench.line("2another_token")
    with pytest.raises(TunnelRefused) as raised:
        await line.open(bench.port)
    assert "ERR_NGROK_105" in raised.value.detail
    assert raised.value.hint == "https://ngrok.com/docs/errors/err_ngrok_105"
    assert "another_token" not in str(raised.value)
    assert raised.value.__cause__ is None
    await line.close()


async def test_a_provider_that_is_away_is_no_refusal(bench: Bench) -> None:
    bench.edge.turns_away = True
    line = bench.line()
    with pytest.raises(TunnelAway):
        await line.open(bench.port)
    await line.close()


def test_a_missing_token_and_a_missing_sdk_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TunnelUnusable, match="NGROK_AUTHTOKEN"):
        NgrokLine(None).check()
    monkeypatch.setitem(sys.modules, "ngrok", None)
    with pytest.raises(TunnelUnusable, match="make extras"):
        NgrokLine(TOKEN).check()
