"""Keeps the long-running tasks of the server going, and remembers which of them failed."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("rollcall.supervision")

PAUSE_S = 1.0
# How long a failure is told of in /readyz.
TELL_FOR_S = 300.0


class Supervisor:
    """Starts tasks that are never expected to end, and starts them again when they do."""

    def __init__(self, *, pause_s: float = PAUSE_S, mono: Callable[[], float] = time.monotonic) -> None:
        self._pause_s = pause_s
        self._mono = mono
        self._failed: dict[str, tuple[int, float]] = {}

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> "asyncio.Task[None]":
        """Run `work()` for ever, in a new task; cancelling the task ends it."""
        return asyncio.create_task(self._keep_running(name, work), name=name)

    def recently_failed(self) -> dict[str, int]:
        """The tasks that failed in the last minutes, and how often since the start."""
        now = self._mono()
        return {name: count for name, (count, at) in self._failed.items() if now - at <= TELL_FOR_S}

    async def _keep_running(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
                log.critical("the %s task has ended; it is started again", name)
            except Exception:
                # Whatever went wrong: without this task the server would look well and do only half of its work.
                log.critical("the %s task has failed; it is started again", name, exc_info=True)
            self._failed[name] = (self._failed.get(name, (0, 0.0))[0] + 1, self._mono())
            await asyncio.sleep(self._pause_s)


async def cancelled(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
