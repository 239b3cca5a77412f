"""A stand-in for ngrok's servers, to which the real SDK connects: its session protocol over TLS on loopback.

Written after the protocol as published with the SDK (github.com/ngrok/ngrok-rust: muxado and ngrok/src/internals). Only
what the SDK uses here: authentication, binding an endpoint, heartbeats, connections, and going away.
"""

import asyncio
import contextlib
import itertools
import json
import ssl
import struct
from typing import Any

from tests.partners.tunnel_edge import PublicEdge, hang_up

RST, DATA, WNDINC, GOAWAY = range(4)
FIN, SYN = 1, 2
AUTH, BIND, UNBIND, PROXY, HEARTBEAT = 0, 1, 2, 3, 0xFFFFFFFF
WINDOW = 0x40000


class MuxStream:
    """One stream of a session."""

    def __init__(self, session: "Session", number: int) -> None:
        self._session, self._number = session, number
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self._window = WINDOW
        self._room = asyncio.Event()

    def widen(self, by: int) -> None:
        self._window += by
        self._room.set()

    async def read(self) -> bytes:
        data = await self.received.get()
        if data:
            self._session.send(WNDINC, self._number, struct.pack(">I", len(data)))
        return data

    async def read_exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = await self.read()
            if not more:
                raise ConnectionResetError
            data += more
        assert len(data) == count
        return data

    async def write(self, data: bytes, flags: int = 0) -> None:
        for at in range(0, max(1, len(data)), 16384):
            part = data[at : at + 16384]
            while self._window < len(part):
                self._room.clear()
                await self._room.wait()
            self._window -= len(part)
            self._session.send(DATA, self._number, part, flags)
            flags &= ~SYN
        await self._session.drain()

    async def close(self) -> None:
        self._session.send(DATA, self._number, b"", FIN)


class Session:
    """One connected SDK."""

    def __init__(self, edge: "NgrokEdge", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._edge, self._reader, self._writer = edge, reader, writer
        self._streams: dict[int, MuxStream] = {}
        self._numbers = itertools.count(2, 2)
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, kind: int, number: int, data: bytes, flags: int = 0) -> None:
        if not self._writer.is_closing():
            self._writer.write(struct.pack(">II", len(data) << 8 | kind << 4 | flags, number) + data)

    async def drain(self) -> None:
        await self._writer.drain()

    async def run(self) -> None:
        try:
            while True:
                word, number = struct.unpack(">II", await self._reader.readexactly(8))
                data = await self._reader.readexactly(word >> 8)
                self._take(word >> 4 & 15, word & 15, number, data)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for stream in self._streams.values():
                stream.received.put_nowait(b"")
            await hang_up(self._writer)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def open(self) -> MuxStream:
        """A connection from outside: a new stream with the header that says so."""
        number = next(self._numbers)
        stream = self._streams[number] = MuxStream(self, number)
        header = {
            "Id": self._edge.endpoint_id,
            "ClientAddr": "198.51.100.7:4711",
            "Proto": "https",
            "EdgeType": "3",
            "PassthroughTLS": False,
        }
        text = json.dumps(header).encode()
        await stream.write(struct.pack(">I", PROXY) + struct.pack("<q", len(text)) + text, SYN)
        return stream

    def _take(self, kind: int, flags: int, number: int, data: bytes) -> None:
        stream = self._streams.get(number)
        if kind == DATA:
            if flags & SYN:
                stream = self._streams[number] = MuxStream(self, number)
                task = asyncio.create_task(self._request(stream))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if stream is not None:
                if data:
                    stream.received.put_nowait(data)
                if flags & FIN:
                    stream.received.put_nowait(b"")
        elif kind == WNDINC and stream is not None:
            stream.widen(struct.unpack(">I", data)[0])
        elif kind == RST and stream is not None:
            stream.received.put_nowait(b"")
        elif kind == GOAWAY:
            self._writer.close()

    async def _request(self, stream: MuxStream) -> None:
        first = await stream.read()
        while len(first) < 4:
            first += await stream.read()
        kind, rest = struct.unpack(">I", first[:4])[0], first[4:]
        if kind == HEARTBEAT:
            while not self._edge.silent:
                await stream.write(rest or await stream.read())
                rest = b""
            return
        while True:
            try:
                body = json.loads(rest)
                break
            except ValueError:
                rest += await stream.read()
        await stream.write(json.dumps(self._edge.answer(kind, body)).encode(), FIN)


class NgrokEdge:
    """The servers. `agents` (host:port) is where the SDK connects."""

    endpoint_id = "ep_1"

    def __init__(self, tls: ssl.SSLContext, token: str) -> None:
        self.token = token
        self.public = PublicEdge(self._dial, tls)
        self.binds: list[dict[str, Any]] = []
        self.sessions: list[Session] = []
        self.bound = False
        self.turns_away = False
        self.silent = False
        self.url: str | None = None
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def agents(self) -> str:
        assert self._server is not None
        return f"localhost:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> "NgrokEdge":
        await self.public.start()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.public.stop()

    def drop(self) -> None:
        """Cut the line to the SDK, and every connection through it."""
        for session in self.sessions:
            session.abort()
        self.sessions.clear()
        self.public.cut()

    def answer(self, kind: int, body: dict[str, Any]) -> dict[str, Any]:
        if kind == AUTH:
            if body["Extra"]["AuthToken"] != self.token:
                said = f"authentication failed: the authtoken {body['Extra']['AuthToken']} is no token\n\nERR_NGROK_105"
                return {"Error": said}
            return {"Version": "2", "ClientId": "client-1", "Extra": {}}
        if kind == BIND:
            self.binds.append(body)
            url = self.url or f"https://localhost:{self.public.port}"
            opts = body["Opts"]
            self.bound = True
            return {"Id": self.endpoint_id, "URL": url, "Proto": "https", "Opts": opts, "Extra": {"Token": ""}}
        if kind == UNBIND:
            self.bound = False
        return {}

    async def _dial(self) -> MuxStream:
        if not self.sessions or not self.bound:
            raise ConnectionRefusedError
        return await self.sessions[-1].open()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.turns_away:
            writer.transport.abort()
            return
        session = Session(self, reader, writer)
        self.sessions.append(session)
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        with contextlib.suppress(ConnectionError):
            await session.run()
        self._running.discard(task)
        if session in self.sessions:
            self.sessions.remove(session)
