"""The bounded recognition executor: a fixed pool of long-lived threads, each with a recogniser of its own.

Threads and not processes: OpenCV and ONNX Runtime release the interpreter lock, and one copy of the face network serves
all threads. Fixed and long-lived: OpenCV leaves memory behind with every thread that ends.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from recognition.errors import UnavailableError
from recognition.pipeline import Recogniser

T = TypeVar("T")


class ExecutorBusy(UnavailableError):
    """More single requests are waiting for recognition than are allowed to."""

    code = "recognition_busy"


class RecognitionExecutor:
    """Runs functions of a `Recogniser` on its threads.

    Frames of cameras come through `run`, whose caller holds one of as many lanes as there are threads. Single requests
    (enrolment, one-shot recognition) come through `admit`; at most `max_waiting` may wait or run, one more is an
    ExecutorBusy. They leave a thread to the cameras; where there is only one, a frame waits for one picture at most.
    """

    def __init__(self, make_recogniser: Callable[[], Recogniser], *, threads: int, max_waiting: int = 4) -> None:
        self.threads = threads
        self._make = make_recogniser
        self._recognisers: dict[int, Recogniser] = {}  # by thread
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="recognition")
        self._max_single = max_waiting
        self._single = 0
        self._turns = asyncio.Semaphore(max(1, threads - 1))
        self.refused_single = 0
        self._running = 0
        self._used_mono = time.monotonic()

    @property
    def loaded(self) -> bool:
        """Whether any thread has loaded the models."""
        return bool(self._recognisers)

    def idle_s(self, now_mono: float) -> float:
        """Seconds since anything was recognised, or waited to be."""
        return 0.0 if self._running else now_mono - self._used_mono

    def release(self) -> None:
        """Let the models go; the next frame loads them anew. What runs keeps them until it has ended."""
        self._recognisers.clear()

    async def warm_up(self) -> None:
        """Load the models on every thread; raises what loading them raised (ModelError)."""
        everybody = threading.Barrier(self.threads)

        def load() -> None:
            try:
                self._recogniser()
            finally:
                everybody.wait(timeout=60)  # holds this thread until the others have a task too

        await asyncio.gather(*(self._submit(load) for _ in range(self.threads)))

    async def run(self, function: Callable[[Recogniser], T]) -> T:
        """Run a function with the recogniser of whichever thread is free."""
        return await self._submit(lambda: function(self._recogniser()))

    @asynccontextmanager
    async def admit(self) -> AsyncIterator["SingleRequest"]:
        """Room for one single request, for as long as the block runs; ExecutorBusy when there is none.

        Enter before anything large is read: what waits inside is what single requests can cost in memory.
        """
        if self._single >= self._max_single:
            self.refused_single += 1
            raise ExecutorBusy(
                f"{self._single} pictures are already waiting to be recognised", hint="try again in a second"
            )
        self._single += 1
        try:
            yield SingleRequest(self, self._turns)
        finally:
            self._single -= 1

    async def run_single(self, function: Callable[[Recogniser], T]) -> T:
        """`admit` and run in one."""
        async with self.admit() as request:
            return await request.run(function)

    def close(self) -> None:
        """Let running functions end, and the threads with them."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        running = asyncio.get_running_loop().run_in_executor(self._pool, function)
        self._running += 1
        running.add_done_callback(self._ended)
        return running

    def _ended(self, _: "asyncio.Future[T]") -> None:
        self._running -= 1
        self._used_mono = time.monotonic()

    def _recogniser(self) -> Recogniser:
        thread = threading.get_ident()
        mine = self._recognisers.get(thread)
        if mine is None:
            mine = self._recognisers[thread] = self._make()
        return mine


class SingleRequest:
    """A single request that was let in. Made by `RecognitionExecutor.admit`."""

    def __init__(self, executor: RecognitionExecutor, turns: asyncio.Semaphore) -> None:
        self._executor = executor
        self._turns = turns

    async def run(self, function: Callable[[Recogniser], T]) -> T:
        """Run a function with a recogniser, when it is this request's turn."""
        async with self._turns:
            return await self._executor.run(function)
