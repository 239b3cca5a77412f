import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from stream_server.tunnel import cloudflared
from stream_server.tunnel.cloudflared import CloudflaredLine, address_in
from stream_server.tunnel.line import TunnelAway, TunnelLine, TunnelUnusable
from tests.partners.cloudflared import ADDRESS, install

ROOT = Path(__file__).resolve().parents[3]


def line_of(folder: Path, mode: str = "works") -> CloudflaredLine:
    return CloudflaredLine(folder / "home", install(folder / "bin", mode))


def pid_of(folder: Path) -> int:
    return int((folder / "home" / "pid").read_text())


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (f"2026-11-23T09:00:00Z INF |  {ADDRESS}      |", ADDRESS),
        (f"INF Your quick Tunnel has been created! Visit it at: {ADDRESS}", ADDRESS),
        ('ERR failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": EOF', None),
        ("INF Requesting new quick Tunnel on trycloudflare.com...", None),
        ("see https://a.trycloudflare.com.evil.example/", None),
        ("http://plain.trycloudflare.com", None),
        ("https://evil.example/?https://x.y.trycloudflare.com", None),
    ],
)
def test_its_address_is_read_from_its_log(line: str, address: str | None) -> None:
    assert address_in(line) == address


async def test_it_opens_forwards_and_ends_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", "secret-secret-secret")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    heads: list[bytes] = []
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    line: TunnelLine = line_of(tmp_path)
    line.check()
    async with asyncio.timeout(60):
        assert await line.open(server.sockets[0].getsockname()[1]) == ADDRESS
        port = int((tmp_path / "home" / "edge").read_text())
        context = ssl.create_default_context(cafile=str(tmp_path / "home" / "edge-tls" / "ca.crt"))
        async with httpx.AsyncClient(verify=context) as http:
            assert (await http.get(f"https://localhost:{port}/")).text == "hello"
    assert b"X-Forwarded-For: 198.51.100.7" in heads[0]
    pid = pid_of(tmp_path)
    assert psutil.pid_exists(pid)
    await line.close()
    assert not psutil.pid_exists(pid)
    # What our environment holds is not the program's business.
    assert not [name for name in json.loads((tmp_path / "home" / "environment.json").read_text()) if "ROLLCALL" in name]
    server.close()
    await server.wait_closed()


async def test_when_cloudflare_cannot_be_reached_its_own_words_are_told(tmp_path: Path) -> None:
    line = line_of(tmp_path, "offline")
    async with asyncio.timeout(60):
        with pytest.raises(TunnelAway, match="no such host"):
            await line.open(1)
    await line.close()


async def test_when_the_program_ends_the_tunnel_is_lost(tmp_path: Path) -> None:
    line = line_of(tmp_path, "dies")
    async with asyncio.timeout(60):
        assert await line.open(1) == ADDRESS
        assert (await line.lost()).startswith("cloudflared ended with 7: ")
    await line.close()


async def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudflared, "STOP_TIMEOUT_S", 0.2)
    line = line_of(tmp_path, "deaf")
    async with asyncio.timeout(60):
        await line.open(1)
        await line.close()
    assert not psutil.pid_exists(pid_of(tmp_path))


async def test_one_that_says_much_is_read_and_not_remembered(tmp_path: Path) -> None:
    line = line_of(tmp_path, "chatty")
    async with asyncio.timeout(60):
        assert await line.open(1) == ADDRESS
        # More than a pipe and our buffer hold: a program that nobody read would never have written it.
        while not (tmp_path / "home" / "said-much").exists():
            await asyncio.sleep(0.02)
        assert line._reading is not None
        assert not line._reading.done()
        kept = sum(map(len, line._said))
        await line.close()
    assert 0 < kept < 5 * cloudflared.LINE_MAX_BYTES


async def test_an_opening_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    line = line_of(tmp_path)
    opening = asyncio.create_task(line.open(1))
    async with asyncio.timeout(60):
        while not (tmp_path / "home" / "pid").exists():
            await asyncio.sleep(0.02)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await line.close()
    while psutil.pid_exists(pid_of(tmp_path)):
        await asyncio.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    install(tmp_path / "bin")
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from stream_server.tunnel.cloudflared import CloudflaredLine\n"
        "async def main(home, program):\n"
        "    line = CloudflaredLine(Path(home), Path(program))\n"
        "    await line.open(1)\n"
        "    print('open', flush=True)\n"
        "    await line.lost()\n"
        "asyncio.run(main(*sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "home"), str(tmp_path / "bin" / "cloudflared")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"open\n"
        child = psutil.Process(pid_of(tmp_path))
        os.kill(parent.pid, signal.SIGKILL)
    child.wait(timeout=20)


def test_a_program_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TunnelUnusable, match="install cloudflared"):
        CloudflaredLine(tmp_path).check()
    install(tmp_path)
    CloudflaredLine(tmp_path).check()
