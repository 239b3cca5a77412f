"""A measured process: started on one processor core, asked by JSON lines, its memory told by the kernel."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import processes
from recognition.errors import UnavailableError

ANSWER_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 10.0
_WORDS_MAX = 200
# One thread for whatever counts threads by these; the core below is for what does not ask.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "UV_THREADPOOL_SIZE"), "1")


class PeerFailed(UnavailableError):
    """A measured process ended, did not answer, or said that it could not."""

    code = "peer_failed"


class PeerProcess:
    """One process. A context manager; `command` is its whole command line."""

    def __init__(self, name: str, command: Sequence[str], *, variables: dict[str, str] | None = None) -> None:
        self.name = name
        self._command = list(command)
        self._variables = {**os.environ, **ONE_THREAD, **(variables or {})}
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `stop`
        self._process: subprocess.Popen[str] | None = None
        self.started_at = 0.0

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it on the last core; it need not be ready when this returns. PeerFailed when it cannot be started."""
        self.started_at = time.perf_counter()
        try:
            with on_last_core():
                self._process = subprocess.Popen(
                    self._command,
                    env=self._variables,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._words,
                    text=True,
                )
        except OSError as error:
            self._words.close()
            raise PeerFailed(f"{self.name} cannot be started: {error.strerror}") from error

    def ask(self, **order: Any) -> dict[str, Any]:
        """Its answer to an order. PeerFailed when it says that it failed, ends, or takes too long."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """The next thing it says."""
        assert self._process is not None
        assert self._process.stdout is not None
        # A process that hangs is killed, which ends its output.
        timer = threading.Timer(ANSWER_TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise PeerFailed(f"{self.name} ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{self.name}: {answer['error'].splitlines()[0][:_WORDS_MAX]}")
        return answer

    def peak_mb(self) -> float | None:
        """The most resident memory so far, in MB; None where the kernel does not say."""
        return processes.peak_rss_mb(self.pid)

    def stop(self) -> None:
        """End it: by the end of its input, or else by force."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._words.close()
        self._process = None

    def _last_words(self) -> str:
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:_WORDS_MAX] if lines else "it said nothing"

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()


@contextlib.contextmanager
def on_last_core() -> Iterator[None]:
    """What is started within runs on the last core that this process may use, and so does all that it starts."""
    with _on_cores(lambda cores: {max(cores)}):
        yield


@contextlib.contextmanager
def off_last_core() -> Iterator[None]:
    """This thread leaves the last core to what is measured, where there is another one."""
    with _on_cores(lambda cores: cores - {max(cores)} or cores):
        yield


@contextlib.contextmanager
def _on_cores(choose: Callable[[set[int]], set[int]]) -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, choose(before))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def runner(name: str) -> Path:
    """The script of that name."""
    return Path(__file__).resolve().parent / "runners" / name
