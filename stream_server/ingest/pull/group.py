"""A reader as the server sees it: a child process with some of the cameras."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Protocol

from stream_server.ingest.pull.wire import Assembler, BadMessage, Header, pack

log = logging.getLogger("rollcall.pull")

CLOSE_TIMEOUT_S = 3.0


class OnMessage(Protocol):
    """Takes a message of a reader."""

    def __call__(self, group: "ReaderGroup", header: Header, payload: bytearray) -> None:
        """Must not block."""


class ReaderGroup:
    """One child process. `on_gone` is called once when it has ended, for whatever reason."""

    def __init__(self, on_message: OnMessage, on_gone: Callable[["ReaderGroup"], None]) -> None:
        self.cameras: set[str] = set()
        self.alone = False
        self.heard_mono = 0.0
        self._on_message = on_message
        self._on_gone = on_gone
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id of the child."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # It handles what strangers send: of our environment, which may hold tokens, it gets nothing.
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "stream_server.ingest.pull.reader",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LANG": "C.UTF-8"},
                )
                ours.setblocking(False)
                self._transport, _ = await loop.create_connection(lambda: _Line(self), sock=ours)
            except BaseException:
                ours.close()
                if self._process is not None:
                    with contextlib.suppress(ProcessLookupError):
                        self._process.kill()
                raise
        self.heard_mono = loop.time()

    def send(self, header: Header) -> None:
        """Send a message, if the child is still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(header))

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End the process and wait until nothing of it is left. It may have ended already."""
        if self._transport is not None:
            self._transport.abort()
        if self._process is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._process.wait()
            except TimeoutError:
                self.kill()
                await self._process.wait()

    def take(self, header: Header, payload: bytearray) -> None:
        """Pass a message on."""
        self.heard_mono = asyncio.get_running_loop().time()
        self._on_message(self, header, payload)

    def lost(self) -> None:
        """The line to the child has ended."""
        if not self._gone.is_set():
            self._gone.set()
            self.kill()
            self._on_gone(self)


class _Line(asyncio.BufferedProtocol):
    """Reads straight into the buffers of the messages."""

    def __init__(self, group: ReaderGroup) -> None:
        self._group = group
        self._assembler = Assembler(group.take)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._assembler.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._assembler.filled(nbytes)
        except (BadMessage, KeyError, TypeError, ValueError) as error:
            log.error("a reader said what cannot be understood and is ended: %s", error)
            self._group.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        self._group.lost()
