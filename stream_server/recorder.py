"""From a decided sighting to a stored one, whatever the database does meanwhile.

Sightings are stored one after the other. When the database is away they go to the spool, which is on disk before the
recorder goes on; when it is back the spool is replayed in order. Storing a sighting twice changes nothing, so that a
crash between storing and forgetting is harmless.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from recognition.errors import UnavailableError
from recognition.types import Sighting

log = logging.getLogger("rollcall.recorder")

T = TypeVar("T")
BATCH = 50


class SightingSpool(Protocol):
    """What the recorder needs of `storage.spool.Spool`."""

    @property
    def pending(self) -> int:
        """Sightings that wait for the database."""

    @property
    def dropped(self) -> int:
        """Sightings refused because the spool was full."""

    def append(self, sighting: Sighting) -> bool:
        """Keep a sighting on disk; False when the spool is full."""

    def peek(self, limit: int) -> list[Sighting]:
        """The oldest sightings, which stay."""

    def acknowledge(self, count: int) -> None:
        """Forget as many of the oldest."""


class Recorder:
    """Stores sightings, and spools them while that is not possible."""

    def __init__(
        self,
        store: Callable[[Sighting], Awaitable[bool]],
        spool: SightingSpool,
        refused: SightingSpool,
        *,
        queue_max: int = 1000,
    ) -> None:
        self._store = store
        self._spool = spool
        self._refused = refused
        self._queue: asyncio.Queue[Sighting] = asyncio.Queue(queue_max)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._spooled = asyncio.Event()
        self._saving: set[asyncio.Future[None]] = set()
        self.spooling = False
        self.stored = 0
        self.withheld = 0
        if spool.pending:
            self.spooling = True
            self._spooled.set()
            log.info("%d sightings from before the start wait to be stored", spool.pending)

    @property
    def pending(self) -> int:
        """Sightings decided but not yet in the database."""
        return self._queue.qsize() + self._spool.pending

    @property
    def dropped(self) -> int:
        """Sightings lost because the spool was full."""
        return self._spool.dropped

    @property
    def refused(self) -> int:
        """Sightings that the database refused for good; they are kept beside the spool."""
        return self._refused.pending

    def record(self, sighting: Sighting) -> None:
        """Take a sighting to be stored. Never blocks: when a thousand are waiting already, the disk takes this one."""
        try:
            self._queue.put_nowait(sighting)
        except asyncio.QueueFull:
            saving = asyncio.ensure_future(self._to_spool(sighting))
            self._saving.add(saving)
            saving.add_done_callback(self._saving.discard)

    async def run(self) -> None:
        """Store what comes, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write(), name="recorder-write")
            tasks.create_task(self._replay(), name="recorder-replay")

    async def close(self) -> None:
        """Put what is still in memory where it is safe. Call when `run` has ended."""
        while not self._queue.empty():
            await self._take_in(self._queue.get_nowait())
        await asyncio.gather(*self._saving)
        self._disk.shutdown(wait=True)

    async def _write(self) -> None:
        while True:
            sighting = await self._queue.get()
            saving = asyncio.ensure_future(self._take_in(sighting))
            try:
                await asyncio.shield(saving)
            except asyncio.CancelledError:
                await saving  # a decided sighting is not dropped because the server is told to stop
                raise

    async def _take_in(self, sighting: Sighting) -> None:
        if not self.spooling:
            try:
                await self._store_one(sighting)
                return
            except UnavailableError as error:
                log.warning("the database is away, sightings are spooled: %s", error)
        await self._to_spool(sighting)

    async def _to_spool(self, sighting: Sighting) -> None:
        self._note_spooled(await self._on_disk(partial(self._spool.append, sighting)))

    async def _replay(self) -> None:
        while True:
            await self._spooled.wait()
            async for attempt in AsyncRetrying(
                # OSError: a full disk cannot hold the mark of what is stored; storing it twice is harmless.
                retry=retry_if_exception_type((UnavailableError, OSError)),
                wait=wait_exponential_jitter(multiplier=0.2, max=3.0),
            ):
                with attempt:
                    await self._replay_all()

    async def _replay_all(self) -> None:
        replayed = 0
        while True:
            # Cleared before the look: what is spooled while the disk answers sets it again.
            self._spooled.clear()
            batch = await self._on_disk(lambda: self._spool.peek(BATCH))
            if not batch and not self._spooled.is_set():
                break
            done = 0
            try:
                for sighting in batch:
                    await self._store_one(sighting)
                    done += 1
            finally:
                await self._on_disk(partial(self._spool.acknowledge, done))
                replayed += done
        self.spooling = False
        log.info("the database is back, %d spooled sightings were stored", replayed)

    async def _store_one(self, sighting: Sighting) -> None:
        try:
            if await self._store(sighting):
                self.stored += 1
            else:
                self.withheld += 1  # the person has taken consent back, or was erased
        except UnavailableError:
            raise
        except Exception:
            # A sighting that the database refuses for good must not hold up the others for ever.
            log.exception("a sighting could not be stored and is put aside: %s", sighting.sighting_id)
            await self._on_disk(partial(self._refused.append, sighting))

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    def _note_spooled(self, kept: bool) -> None:
        if not kept:
            log.error("the spool is full: a sighting is lost (%d so far)", self._spool.dropped)
        self.spooling = True
        self._spooled.set()
