"""Work that is done whenever something says that it is due, such as reading a table again after an event."""

import asyncio
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from recognition.errors import UnavailableError


async def whenever(
    due: asyncio.Event,
    work: Callable[[], Awaitable[object]],
    *,
    away: tuple[type[Exception], ...] = (UnavailableError,),
) -> None:
    """Wait until it is `due`, do the work, for ever; what comes meanwhile is for the next time.

    While something needed is `away` it is tried again, with growing pauses. Whatever else the work raises ends this,
    and then it is still due: a task that is started again makes up for it.
    """
    while True:
        await due.wait()
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(away), wait=wait_exponential_jitter(multiplier=0.2, max=5.0)
        ):
            with attempt:
                due.clear()
                try:
                    await work()
                except BaseException:
                    due.set()
                    raise
