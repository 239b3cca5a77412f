"""A server as a child process, with a data folder of its own: for the demo, the benchmarks and the tests."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from recognition.errors import UnavailableError
from stream_server.client import ServerClient

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


class ChildFailed(UnavailableError):
    """The server did not start."""

    code = "server_did_not_start"


class ChildServer:
    """Starts `rollcall serve` on a free port of this machine and stops it again. An async context manager.

    `settings` are environment variables for it. The embedded PostgreSQL is used unless they hold DATABASE_URL.
    `wrapper` goes before the command that serves, and must become it.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        models_dir: Path,
        settings: dict[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir
        self.log_path = data_dir / "server.log"
        self.port = _free_port()
        https = (settings or {}).get("ROLLCALL_HTTPS__CERT", "") == "auto"
        self.url = f"{'https' if https else 'http'}://127.0.0.1:{self.port}"
        self.ca_file = data_dir / "tls" / "ca.crt" if https else None
        self.token = secrets.token_urlsafe(16)
        self.started_s = 0.0
        self._environment = {
            **os.environ,
            "DATABASE_URL": "",  # nothing of this may reach a database that somebody uses
            "ROLLCALL_DATA_DIR": str(data_dir),
            "ROLLCALL_MODELS__DIR": str(models_dir.resolve()),
            "ROLLCALL_AUTH__TOKEN": self.token,
            "ROLLCALL_HTTP__HOST": "127.0.0.1",
            "ROLLCALL_HTTP__PORT": str(self.port),
            **(settings or {}),
        }
        self._wrapper = tuple(wrapper)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> ServerClient:
        """A client of it."""
        return ServerClient(self.url, self.token, ca_file=self.ca_file)

    def run_command(self, *arguments: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        """Run another command with the same settings, with `typed` as its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "stream_server", *arguments],
            env=self._environment,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    def rollcall(self, *arguments: str) -> None:
        """The same; ChildFailed with what it said when it fails."""
        done = self.run_command(*arguments)
        if done.returncode != 0:
            raise ChildFailed(f"`rollcall {' '.join(arguments)}` failed: {done.stderr.strip()[-1000:]}")

    def upgrade(self) -> None:
        """Make the tables."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.rollcall("db", "upgrade")

    def launch(self) -> None:
        """Start it and return at once."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._wrapper, sys.executable, "-m", "stream_server", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def start(self) -> None:
        """Start it and wait until it takes frames; notes how long that took in `started_s`."""
        began = time.perf_counter()
        self.launch()
        assert self._process is not None
        if self.ca_file is not None:
            await asyncio.to_thread(self._wait_for, self.ca_file)
        async with self.client() as client:
            while time.perf_counter() - began < START_TIMEOUT_S:
                if self._process.poll() is not None:
                    break
                with contextlib.suppress(UnavailableError):
                    if (await client.readiness())["status"] != "starting":
                        self.started_s = time.perf_counter() - began
                        return
                await asyncio.sleep(0.02)
        await self.stop()
        words = self.log_path.read_text(errors="replace").strip()[-1500:]
        raise ChildFailed(f"the server did not start:\n{words}")

    def _wait_for(self, path: Path) -> None:
        assert self._process is not None
        for _ in range(int(START_TIMEOUT_S / 0.02)):
            if path.is_file() or self._process.poll() is not None:
                return
            time.sleep(0.02)

    async def stop(self) -> int | None:
        """Ask it to stop, wait, and return its exit code; it is killed when it takes too long."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)
        return process.returncode

    def kill(self) -> None:
        """SIGKILL, as when memory runs out."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def wait(self) -> None:
        """Wait until it ends by itself."""
        assert self._process is not None
        await asyncio.to_thread(self._process.wait)

    async def __aenter__(self) -> Self:
        """Make the tables and start."""
        await asyncio.to_thread(self.upgrade)
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()


def temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """A data folder that goes away. A database server that runs as another user must be able to pass through it."""
    folder = tempfile.TemporaryDirectory(prefix="rollcall-", ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o755)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
