"""A stand-in for what tunnel providers run: takes public https connections and hands them to the tunnel's far end.

As theirs it speaks TLS to the phone, adds `X-Forwarded-*`, shows an interstitial page to requests without the header
that skips it, and can be slow, or cut the line. Each connection carries one request or one WebSocket.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from stream_server.tls.machine import this_machine
from stream_server.tls.renewal import renew

# As theirs, it lets a browser through once somebody has pressed the button.
INTERSTITIAL = (
    b'<!doctype html><title>You are about to visit</title><link rel=icon href=data:,><button onclick="'
    b"document.cookie='abuse_interstitial=seen';location.reload()\">Visit Site</button>"
)
HEAD_MAX = 64 * 1024


class Stream(Protocol):
    """A connection to the far end of the tunnel."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


class TcpStream:
    """The far end is a port of this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "TcpStream":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def read(self) -> bytes:
        return await self._reader.read(65536)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@dataclass
class PublicEdge:
    """`dial` opens a connection through the tunnel. `bytes_per_s` limits each direction of each connection."""

    dial: Callable[[], Awaitable[Stream]]
    tls: ssl.SSLContext
    adds_address: str = "198.51.100.7"
    interstitial: bool = True
    bytes_per_s: float | None = None
    requests: int = 0
    # Methods and paths of what came without the header that skips the interstitial page.
    bare: list[str] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls, limit=HEAD_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Cut every connection that is open."""
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream: Stream | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            skips = b"\r\nngrok-skip-browser-warning:" in head.lower()
            if not skips:
                self.bare.append(head.partition(b" HTTP/")[0].decode("latin-1"))
            if self.interstitial and not skips and b"abuse_interstitial=seen" not in head:
                length = str(len(INTERSTITIAL)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n")
                writer.write(b"Content-Length: " + length + b"\r\n\r\n" + INTERSTITIAL)
                await writer.drain()
                return
            stream = await self.dial()
            await stream.write(self._forwarded(head))
            up = asyncio.create_task(self._pump(lambda: reader.read(16384), stream.write))
            down = asyncio.create_task(self._pump(stream.read, lambda data: _write(writer, data)))
            try:
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
                if up.done() and not down.done():
                    await asyncio.wait((down,), timeout=5)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if stream is not None:
                await stream.close()
            await hang_up(writer)

    def _forwarded(self, head: bytes) -> bytes:
        lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept, sent_for, host, upgrade = [lines[0]], b"", b"", False
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip()
            if name == b"x-forwarded-for":
                sent_for = value + b", "
            elif name not in (b"x-forwarded-proto", b"x-forwarded-host"):
                kept.append(line)
            host = value if name == b"host" else host
            upgrade = upgrade or name == b"upgrade"
        if not upgrade:
            kept = [line for line in kept if not line.lower().startswith(b"connection:")] + [b"Connection: close"]
        kept += [
            b"X-Forwarded-For: " + sent_for + self.adds_address.encode(),
            b"X-Forwarded-Host: " + host,
            b"X-Forwarded-Proto: https",
        ]
        return b"\r\n".join(kept) + b"\r\n\r\n"

    async def _pump(self, read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[None]]) -> None:
        with contextlib.suppress(OSError):
            while data := await read():
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                await write(data)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and do not wait long for a peer that does not answer."""
    writer.close()
    try:
        async with asyncio.timeout(2):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
        await asyncio.sleep(0)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A context for servers on localhost, and the authority that its certificate is by."""
    renew(folder, this_machine(), datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context, folder / "ca.crt"
