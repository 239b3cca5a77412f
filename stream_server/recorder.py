"""From a decided sighting to a stored one, whatever the database does meanwhile.

Sightings are stored one after the other. When the database is away they go to the spool, which is on disk before the
recorder goes on; when it is back the spool is replayed in order. Storing a sighting twice changes nothing, so that a
crash between storing and forgetting is harmless.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Container, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

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

    @property
    def damaged(self) -> int:
        """Lines that could not be read."""

    @property
    def last_problem(self) -> str:
        """Why a sighting was refused."""

    def append(self, sighting: Sighting) -> bool:
        """Keep a sighting on disk; False when the spool is full."""

    def peek(self, limit: int) -> list[Sighting]:
        """The oldest sightings, which stay."""

    def acknowledge(self, count: int) -> None:
        """Forget as many of the oldest."""

    def people(self) -> set[UUID]:
        """Whose sightings are on the disk."""

    def forget(self, person_ids: Container[UUID]) -> int:
        """Overwrite the sightings of these people; returns how many."""


class Recorder:
    """Stores sightings, and spools them while that is not possible."""

    def __init__(
        self,
        store: Callable[[Sighting], Coroutine[Any, Any, bool]],
        spool: SightingSpool,
        refused: SightingSpool,
        *,
        queue_max: int = 1000,
        store_timeout_s: float = 3.0,
        measure: Callable[[float], None] = lambda took_s: None,
    ) -> None:
        self._measure = measure
        self._store = store
        self._spool = spool
        self._refused = refused
        self._store_timeout_s = store_timeout_s
        self._queue: asyncio.Queue[Sighting] = asyncio.Queue(queue_max)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._spooled = asyncio.Event()
        self._saving: set[asyncio.Future[None]] = set()
        self._late: set[asyncio.Future[bool]] = set()
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
    def damaged(self) -> int:
        """Lines of the spool that could not be read; a crash in the middle of one leaves one."""
        return self._spool.damaged

    @property
    def problem(self) -> str:
        """Why the spool could not take the last sighting it refused; empty when there was none."""
        return self._spool.last_problem

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

    async def people_on_disk(self) -> set[UUID]:
        """Whose sightings wait on the disk, or are kept there for good. Raises StorageUnavailable."""
        if self._spool.pending == 0 and self._refused.pending == 0 and not self.spooling:
            return set()
        return await self._on_disk(lambda: self._spool.people() | self._refused.people())

    async def forget_on_disk(self, person_ids: Container[UUID]) -> int:
        """Overwrite the sightings of these people on the disk; returns how many. Raises StorageUnavailable."""
        return await self._on_disk(lambda: self._spool.forget(person_ids) + self._refused.forget(person_ids))

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
        for storing in self._late:
            storing.cancel()
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
            if await self._in_time(sighting):
                self.stored += 1
            else:
                self.withheld += 1  # the person has taken consent back, or was erased
        except UnavailableError:
            raise
        except Exception:
            # A sighting that the database refuses for good must not hold up the others for ever.
            log.exception("a sighting could not be stored and is put aside: %s", sighting.sighting_id)
            await self._on_disk(partial(self._refused.append, sighting))

    async def _in_time(self, sighting: Sighting) -> bool:
        """Store, but do not wait for a database that hangs: what waits for it is safe nowhere.

        It is left to itself then. Taking a hung connection down takes long, and should it store the sighting after
        all, storing it once more from the spool changes nothing.
        """
        began = time.monotonic()
        storing = asyncio.ensure_future(self._store(sighting))
        done, _ = await asyncio.wait({storing}, timeout=self._store_timeout_s)
        if done:
            stored = storing.result()
            self._measure(time.monotonic() - began)
            return stored
        self._late.add(storing)
        storing.add_done_callback(self._ended_late)
        raise UnavailableError(f"the database has not answered for {self._store_timeout_s:g} s")

    def _ended_late(self, storing: "asyncio.Future[bool]") -> None:
        self._late.discard(storing)
        if not storing.cancelled() and (error := storing.exception()) is not None:
            log.debug("a late answer of the database: %s", error)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    def _note_spooled(self, kept: bool) -> None:
        if not kept:
            log.error("a sighting is lost (%d so far): %s", self._spool.dropped, self._spool.last_problem)
        self.spooling = True
        self._spooled.set()
