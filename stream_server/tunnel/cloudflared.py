"""cloudflared: a quick tunnel, without an account, by Cloudflare's own program."""

import asyncio
import contextlib
import os
import re
import shutil
import sys
from collections import deque
from pathlib import Path

from stream_server.tunnel.line import TunnelAway, TunnelUnusable

STOP_TIMEOUT_S = 3.0
LINE_MAX_BYTES = 16 * 1024
# Never api.trycloudflare.com, which it names when it cannot reach it.
_ADDRESS = re.compile(r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com(?![\w.-])")
_REGISTERED = re.compile(r"Registered tunnel connection|Connection [0-9a-f-]+ registered")
# The child ends with us even when we are killed. It is asked for here, between fork and exec in a process of its own
# making, because code of ours must not run after a fork of a process with threads. 1 is PR_SET_PDEATHSIG.
_LAUNCH = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == parent:
    os.execv(sys.argv[2], sys.argv[2:])
"""


def address_in(line: str) -> str | None:
    """The public address that a line of its log gives, if it does."""
    found = _ADDRESS.search(line)
    return None if found is None else found[0]


class CloudflaredLine:
    """A quick tunnel. Its address is another one each time."""

    provider = "cloudflared"

    def __init__(self, home: Path, program: Path | None = None) -> None:
        """`home` is an empty folder of ours: with a configuration of the user's, quick tunnels do not open."""
        self._home = home
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=5)

    def check(self) -> None:
        """The program must be there."""
        self._path()

    async def open(self, port: int) -> str:
        """Start the program and read from its log where it can be reached."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._said.clear()
        command = (self._path(), "tunnel", "--no-autoupdate", "--url", f"http://127.0.0.1:{port}")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_MAX_BYTES,
            # Of our environment, which may hold tokens, it gets nothing.
            env={"HOME": str(self._home), "PATH": os.defpath},
        )
        # The program never waits for somebody to read its log: it is read until it ends.
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process, found), name="cloudflared-log")
        return await asyncio.shield(found)

    async def lost(self) -> str:
        """The program reconnects by itself as long as it lives."""
        assert self._process is not None
        code = await self._process.wait()
        return f"cloudflared ended with {code}{self._last_words()}"

    async def close(self) -> None:
        """End the program."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _path(self) -> str:
        path = shutil.which("cloudflared" if self._program is None else self._program)
        if path is None:
            raise TunnelUnusable(
                f"there is no program {self._program or 'cloudflared'}",
                hint="install cloudflared (https://github.com/cloudflare/cloudflared), or name it by "
                "ROLLCALL_TUNNEL__CLOUDFLARED_PATH",
            )
        return path

    async def _read(self, process: asyncio.subprocess.Process, found: "asyncio.Future[str]") -> None:
        """Read the log; `found` gets the address once the tunnel is connected as well."""
        assert process.stderr is not None
        address: str | None = None
        connected = False
        while True:
            try:
                line = (await process.stderr.readuntil()).decode(errors="replace")
            except asyncio.IncompleteReadError:
                break
            except asyncio.LimitOverrunError as error:  # no line of a log
                await process.stderr.readexactly(error.consumed)
                continue
            self._said.append(line.strip())
            address = address or address_in(line)
            connected = connected or _REGISTERED.search(line) is not None
            if address is not None and connected and not found.done():
                found.set_result(address)
        if not found.done():
            await process.wait()
            found.set_exception(
                TunnelAway(f"cloudflared gave no address{self._last_words()}", hint="it is tried again")
            )
            found.exception()  # nobody may be waiting for it any more

    def _last_words(self) -> str:
        errors = [line for line in self._said if " ERR " in line] or list(self._said)
        return f": {errors[-1][:300]}" if errors else ""
