import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tenacity import wait_none

from recognition.errors import UnavailableError
from stream_server import due as due_module
from stream_server.due import whenever


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_module, "wait_exponential_jitter", lambda **_: wait_none())


class Work:
    """Fails as it is told to, one failure each time, and counts how often it was done."""

    def __init__(self, *failures: Exception) -> None:
        self.due = asyncio.Event()
        self.failures = list(failures)
        self.done = 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def do(self) -> None:
        self.meanwhile()
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.done += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(whenever(self.due, self.do))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def was_done(self, times: int) -> None:
        async with asyncio.timeout(10):
            while self.done < times:
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert self.done == times


async def test_work_is_done_when_it_is_due_and_not_otherwise() -> None:
    work = Work()
    async with work.running():
        await work.was_done(0)
        work.due.set()
        work.due.set()
        await work.was_done(1)
        work.due.set()
        await work.was_done(2)


async def test_what_comes_due_while_it_is_done_is_done_after_it() -> None:
    work = Work()
    work.due.set()

    def once_more() -> None:
        work.meanwhile = lambda: None
        work.due.set()

    work.meanwhile = once_more
    async with work.running():
        await work.was_done(2)


async def test_it_is_tried_again_while_something_is_away_and_then_done_once() -> None:
    work = Work(UnavailableError("away"), UnavailableError("away"))
    work.due.set()
    async with work.running():
        await work.was_done(1)
    assert not work.due.is_set()


async def test_after_a_defect_it_is_still_due() -> None:
    work = Work(ZeroDivisionError())
    work.due.set()
    with pytest.raises(ZeroDivisionError):
        await whenever(work.due, work.do)
    async with work.running():
        await work.was_done(1)


async def test_what_counts_as_away_can_be_more() -> None:
    work = Work(OSError(), UnavailableError("away"))
    work.due.set()
    task = asyncio.create_task(whenever(work.due, work.do, away=(UnavailableError, OSError)))
    await work.was_done(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
