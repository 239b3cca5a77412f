import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from tenacity import wait_none

from recognition.errors import RequestError, UnavailableError
from recognition.types import Sighting
from storage.spool import Spool
from stream_server import recorder as recorder_module
from stream_server.recorder import Recorder

MakeSighting = Callable[..., Sighting]


class Database:
    """Keeps what it is given in order, once; can be away, refuse a sighting for good, or take its time."""

    def __init__(self) -> None:
        self.calls: list[UUID] = []
        self.rows: dict[UUID, Sighting] = {}
        self.away = False
        self.away_after: int | None = None
        self.refused: set[UUID] = set()
        self.withheld: set[UUID] = set()
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.asked = asyncio.Event()
        self.changed = asyncio.Event()

    async def store(self, sighting: Sighting) -> bool:
        self.asked.set()
        await self.may_commit.wait()
        if self.away or (self.away_after is not None and len(self.calls) >= self.away_after):
            raise UnavailableError("the database is away")
        if sighting.sighting_id in self.refused:
            raise RequestError("nobody by that id")
        self.calls.append(sighting.sighting_id)
        self.rows.setdefault(sighting.sighting_id, sighting)
        self.changed.set()
        return sighting.sighting_id not in self.withheld

    @property
    def ids(self) -> list[UUID]:
        return list(self.rows)

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.rows) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool") as spool:
        yield spool


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "refused") as spool:
        yield spool


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture(autouse=True)
def _no_pause_between_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "wait_exponential_jitter", lambda **_: wait_none())


@asynccontextmanager
async def running(recorder: Recorder) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(recorder.run())
    try:
        yield task
    finally:
        await stopped(task)
        await recorder.close()


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_sightings_are_stored_in_the_order_in_which_they_come(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    recorder = Recorder(database.store, spool, refused)
    sightings = [make_sighting() for _ in range(20)]
    async with running(recorder):
        for sighting in sightings:
            recorder.record(sighting)
        await database.holds(20)
    assert database.ids == [sighting.sighting_id for sighting in sightings]
    assert (recorder.stored, recorder.pending, recorder.dropped, recorder.spooling) == (20, 0, 0, False)


async def test_what_cannot_be_stored_is_on_disk_and_stored_once_and_in_order_when_it_can_be(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    recorder = Recorder(database.store, spool, refused)
    sightings = [make_sighting() for _ in range(120)]  # more than a batch
    async with running(recorder):
        recorder.record(sightings[0])
        await database.holds(1)
        database.away = True
        for sighting in sightings[1:]:
            recorder.record(sighting)
        await until(lambda: spool.pending == 119)
        assert recorder.spooling
        assert recorder.pending == 119
        database.away = False
        await database.holds(120)
        await until(lambda: not recorder.spooling)
    assert database.calls == [sighting.sighting_id for sighting in sightings]
    assert (recorder.stored, recorder.pending, spool.pending) == (120, 0, 0)


async def test_an_outage_in_the_middle_of_the_replay_repeats_nothing(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    sightings = [make_sighting() for _ in range(30)]
    for sighting in sightings:
        spool.append(sighting)
    database.away_after = 12
    recorder = Recorder(database.store, spool, refused)
    async with running(recorder):
        await database.holds(12)
        await until(lambda: spool.pending == 18)
        database.away_after = None
        await database.holds(30)
    assert database.calls == [sighting.sighting_id for sighting in sightings]


async def test_sightings_from_before_the_start_are_stored(tmp_path: Path, make_sighting: MakeSighting) -> None:
    left_over = make_sighting()
    with Spool(tmp_path / "spool") as before:
        before.append(left_over)
    database = Database()
    with Spool(tmp_path / "spool") as spool:
        recorder = Recorder(database.store, spool, refused)
        assert (recorder.spooling, recorder.pending) == (True, 1)
        async with running(recorder):
            await database.holds(1)
            await until(lambda: not recorder.spooling)
    assert database.rows == {left_over.sighting_id: left_over}


async def test_a_crash_between_storing_and_forgetting_stores_again_what_is_stored_already_and_nothing_else(
    tmp_path: Path, make_sighting: MakeSighting
) -> None:
    sightings = [make_sighting() for _ in range(3)]
    database = Database()
    spool = Spool(tmp_path / "spool")
    for sighting in sightings:
        spool.append(sighting)
    for sighting in spool.peek(2):
        await database.store(sighting)  # committed, and then the process is killed
    spool.close()
    with Spool(tmp_path / "spool") as again:
        async with running(Recorder(database.store, again, refused)):
            await database.holds(3)
    ids = [sighting.sighting_id for sighting in sightings]
    assert database.calls == [*ids[:2], *ids]
    assert database.ids == ids


async def test_a_full_spool_loses_the_newest_and_counts_them(
    tmp_path: Path, database: Database, make_sighting: MakeSighting
) -> None:
    database.away = True
    sightings = [make_sighting() for _ in range(5)]
    with Spool(tmp_path / "small", max_records=3) as spool:
        recorder = Recorder(database.store, spool, refused)
        async with running(recorder):
            for sighting in sightings:
                recorder.record(sighting)
            await until(lambda: recorder.dropped == 2)
            database.away = False
            await database.holds(3)
    assert database.ids == [sighting.sighting_id for sighting in sightings[:3]]


async def test_a_queue_that_is_full_goes_to_disk(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    recorder = Recorder(database.store, spool, refused, queue_max=2)
    sightings = [make_sighting() for _ in range(5)]
    for sighting in sightings:
        recorder.record(sighting)
    await until(lambda: spool.pending == 3)
    assert recorder.pending == 5
    async with running(recorder):
        await database.holds(5)
    assert set(database.ids) == {sighting.sighting_id for sighting in sightings}


async def test_a_sighting_that_is_spooled_while_the_replay_ends_is_not_forgotten(
    tmp_path: Path, database: Database, make_sighting: MakeSighting
) -> None:
    late = make_sighting()

    class LateSpool(Spool):
        """When it is found to be empty, the queue overflows before the answer has come."""

        def peek(self, limit: int = 100) -> list[Sighting]:
            found = super().peek(limit)
            if not found and late.sighting_id not in database.rows:
                done = asyncio.run_coroutine_threadsafe(overflow(), loop)
                done.result(timeout=10)
            return found

    async def overflow() -> None:
        recorder._note_spooled(spool.append(late))

    loop = asyncio.get_running_loop()
    spool = LateSpool(tmp_path / "spool")
    first = make_sighting()
    spool.append(first)
    recorder = Recorder(database.store, spool, refused)
    async with running(recorder):
        await database.holds(2)
        await until(lambda: not recorder.spooling)
    spool.close()
    assert database.ids == [first.sighting_id, late.sighting_id]


async def test_a_full_disk_does_not_end_the_replay(
    tmp_path: Path, database: Database, make_sighting: MakeSighting
) -> None:
    class FullDisk(Spool):
        refusals = 1

        def acknowledge(self, count: int) -> None:
            super().acknowledge(count)
            if self.refusals:
                self.refusals -= 1
                raise OSError(28, "No space left on device")

    sightings = [make_sighting() for _ in range(60)]
    with FullDisk(tmp_path / "spool") as spool:
        for sighting in sightings:
            spool.append(sighting)
        async with running(Recorder(database.store, spool, refused)) as task:
            await until(lambda: len(database.rows) == 60 or task.done())
            assert not task.done()
    assert database.ids == [sighting.sighting_id for sighting in sightings]


async def test_a_sighting_refused_for_good_holds_up_no_other(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    sightings = [make_sighting() for _ in range(6)]
    database.refused = {sightings[1].sighting_id, sightings[4].sighting_id}
    for sighting in sightings[3:]:
        spool.append(sighting)  # one comes by the spool, one directly
    recorder = Recorder(database.store, spool, refused)
    async with running(recorder):
        await database.holds(2)
        await until(lambda: not recorder.spooling)
        for sighting in sightings[:3]:
            recorder.record(sighting)
        await database.holds(4)
    assert (recorder.refused, recorder.stored, recorder.pending) == (2, 4, 0)


async def test_a_stop_while_a_sighting_is_stored_waits_for_it(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    database.may_commit.clear()
    recorder = Recorder(database.store, spool, refused)
    task = asyncio.create_task(recorder.run())
    recorder.record(make_sighting())
    await database.asked.wait()
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    database.may_commit.set()
    await stopped(task)
    await recorder.close()
    assert (len(database.rows), recorder.stored, spool.pending) == (1, 1, 0)


async def test_close_stores_what_is_still_in_memory(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    recorder = Recorder(database.store, spool, refused)
    sightings = [make_sighting() for _ in range(4)]
    for sighting in sightings:
        recorder.record(sighting)
    await recorder.close()
    assert database.ids == [sighting.sighting_id for sighting in sightings]


async def test_close_puts_on_disk_what_cannot_be_stored(
    database: Database, tmp_path: Path, make_sighting: MakeSighting
) -> None:
    database.away = True
    sightings = [make_sighting() for _ in range(4)]
    with Spool(tmp_path / "spool") as spool:
        recorder = Recorder(database.store, spool, refused)
        for sighting in sightings:
            recorder.record(sighting)
        await recorder.close()
    with Spool(tmp_path / "spool") as again:
        assert again.peek() == sightings


async def test_a_sighting_of_somebody_who_took_consent_back_is_not_counted_as_stored(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    sightings = [make_sighting() for _ in range(3)]
    database.withheld = {sightings[1].sighting_id}
    recorder = Recorder(database.store, spool, refused)
    async with running(recorder):
        for sighting in sightings:
            recorder.record(sighting)
        await until(lambda: recorder.pending == 0 and recorder.stored == 2)
    assert (recorder.stored, recorder.withheld, recorder.refused) == (2, 1, 0)


async def test_what_the_database_refuses_for_good_is_kept_aside_on_disk(
    tmp_path: Path, database: Database, spool: Spool, make_sighting: MakeSighting
) -> None:
    sighting = make_sighting()
    database.refused = {sighting.sighting_id}
    with Spool(tmp_path / "refused") as refused:
        recorder = Recorder(database.store, spool, refused)
        async with running(recorder):
            recorder.record(sighting)
            await until(lambda: recorder.refused == 1)
    with Spool(tmp_path / "refused") as again:
        assert again.peek(10) == [sighting]


async def test_a_database_that_hangs_is_not_waited_for(
    database: Database, spool: Spool, refused: Spool, make_sighting: MakeSighting
) -> None:
    database.may_commit.clear()
    recorder = Recorder(database.store, spool, refused, store_timeout_s=0.01)
    async with running(recorder):
        recorder.record(sighting := make_sighting())
        await until(lambda: recorder.spooling)
        assert spool.pending == 1
        database.may_commit.set()
        await until(lambda: not recorder.spooling)
    assert database.ids == [sighting.sighting_id]
