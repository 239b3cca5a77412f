import asyncio
from collections.abc import Callable

from stream_server.supervision import TELL_FOR_S, Supervisor, cancelled


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_a_task_that_fails_or_ends_is_started_again_and_told_of() -> None:
    now = 100.0
    supervisor = Supervisor(pause_s=0.0, mono=lambda: now)
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise OSError("no space left")
        if len(runs) == 2:
            return
        await asyncio.Event().wait()

    task = supervisor.start("watchdog", work)
    await until(lambda: len(runs) == 3)
    assert supervisor.recently_failed() == {"watchdog": 2}
    now += TELL_FOR_S + 1
    assert supervisor.recently_failed() == {}
    await cancelled(task)
    assert task.cancelled()


async def test_a_task_that_does_well_is_not_told_of() -> None:
    supervisor = Supervisor()
    task = supervisor.start("calm", asyncio.Event().wait)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert supervisor.recently_failed() == {}
    await cancelled(task)
