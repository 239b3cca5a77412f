import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from tenacity import wait_none

from recognition.errors import UnavailableError
from storage.visibility import EVERYTHING
from stream_server.events import bus as events_module
from stream_server.events.bus import FOLLOWERS_OF_ONE, GALLERY_CHANGED, PAGE, EventBus, KeepAlive, TooManySubscribers
from stream_server.messages.wire import Event, GapNotice, StatusNotice

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Line:
    """A listening connection that can be cut, or go dead without a word."""

    def __init__(self) -> None:
        self.lost = False
        self.dead = False

    async def check(self) -> None:
        if self.dead:
            raise UnavailableError("nobody answers")


class MemoryOutbox:
    """The outbox table as a list; it can go away and come back."""

    def __init__(self, rows: int = 0) -> None:
        self.rows: list[Event] = []
        self.away = False
        self.forgotten = 0
        self.lines: list[tuple[Line, Callable[[], None]]] = []
        self.reads: list[int] = []
        self.limits: list[int] = []
        self.during_read: Callable[[], None] = lambda: None
        self.tries_while_away = asyncio.Event()
        self.add(rows)

    def add(self, count: int = 1) -> None:
        for _ in range(count):
            self.rows.append(Event(id=len(self.rows) + 1, type="test", at=AT, data={}))
        for _, wake in self.lines:
            wake()

    def go_away(self) -> None:
        self.away = True
        for line, wake in self.lines:
            line.lost = True
            wake()

    def come_back(self) -> None:
        self.away = False

    def _reach(self) -> None:
        if self.away:
            self.tries_while_away.set()
            raise UnavailableError("the table is away")

    async def latest_id(self) -> int:
        self._reach()
        return len(self.rows)

    async def oldest_id(self) -> int:
        self._reach()
        return self.forgotten + 1 if len(self.rows) > self.forgotten else 0

    async def read_after(self, last_id: int, limit: int) -> list[Event]:
        self._reach()
        self.reads.append(last_id)
        self.limits.append(limit)
        first = max(last_id, self.forgotten)
        found = self.rows[first : first + limit]
        self.during_read()
        await asyncio.sleep(0)
        return found

    @asynccontextmanager
    async def listening(self, wake: Callable[[], None]) -> AsyncIterator[Line]:
        self._reach()
        line = Line()
        self.lines.append((line, wake))
        try:
            yield line
        finally:
            self.lines.remove((line, wake))


@contextmanager
def running(bus: EventBus) -> Iterator[asyncio.Task[None]]:
    task = asyncio.create_task(bus.run())
    try:
        yield task
    finally:
        task.cancel()


async def started(source: MemoryOutbox, **options: Any) -> EventBus:
    bus = EventBus(source, **options)
    await bus.start()
    return bus


async def take(follower: AsyncIterator[Any], count: int) -> list[int]:
    """The ids of the next events; what is not an event is passed over."""
    ids: list[int] = []
    async with asyncio.timeout(10):
        while len(ids) < count:
            item = await anext(follower)
            if isinstance(item, Event):
                ids.append(item.id)
    return ids


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _no_pause_between_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "wait_exponential_jitter", lambda **_: wait_none())


async def test_a_follower_hears_the_status_first_and_then_only_what_is_new() -> None:
    source = MemoryOutbox(rows=5)
    bus = await started(source)
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING)) as follower:
            assert await anext(follower) == StatusNotice(state="starting")
            source.add(2)
            assert await take(follower, 2) == [6, 7]


async def test_a_follower_goes_on_from_memory_behind_the_id_it_gives() -> None:
    source = MemoryOutbox()
    bus = await started(source)
    with running(bus):
        source.add(10)
        await until(lambda: bus.last_id == 10)
        source.reads.clear()
        async with aclosing(bus.follow(EVERYTHING, after=4)) as follower:
            assert await take(follower, 6) == [5, 6, 7, 8, 9, 10]
            assert source.reads == []


async def test_a_follower_that_is_far_behind_reads_the_table_page_by_page() -> None:
    source = MemoryOutbox(rows=3 * PAGE + 7)
    bus = await started(source, ring=8)
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING, after=0)) as follower:
            source.add(3)
            expected = list(range(1, 3 * PAGE + 11))
            assert await take(follower, len(expected)) == expected
    assert max(source.limits) <= PAGE


@pytest.mark.parametrize("ring", [1, 4, 256])
async def test_nothing_is_missed_or_repeated_when_events_arrive_while_the_backlog_is_read(ring: int) -> None:
    source = MemoryOutbox(rows=PAGE + 50)
    bus = await started(source, ring=ring)
    left = 60

    def more_arrive() -> None:
        nonlocal left
        if left:
            left -= 1
            source.add(3)

    source.during_read = more_arrive
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING, after=10)) as follower:
            expected = list(range(11, PAGE + 50 + 181))
            assert await take(follower, len(expected)) == expected


async def test_events_in_any_rhythm_reach_every_follower_once_and_in_order() -> None:
    source = MemoryOutbox(rows=20)
    bus = await started(source, ring=6)
    with running(bus):
        followers = [bus.follow(EVERYTHING, after) for after in (None, 0, 5, 20)]
        for follower in followers:
            await anext(follower)
        waiting = [
            asyncio.ensure_future(take(f, 200 - first)) for f, first in zip(followers, (20, 0, 5, 20), strict=True)
        ]
        for number in range(60):
            source.add(3)
            for _ in range(number % 7):
                await asyncio.sleep(0)
        for ids, first in zip(await asyncio.gather(*waiting), (20, 0, 5, 20), strict=True):
            assert ids == list(range(first + 1, 201))
        for follower in followers:
            await follower.aclose()


async def test_a_slow_follower_costs_no_memory_and_catches_up() -> None:
    source = MemoryOutbox()
    bus = await started(source, ring=4)
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING)) as follower:
            await anext(follower)
            for _ in range(5):
                source.add(PAGE)
                await until(lambda: bus.last_id == len(source.rows))
            assert len(bus._ring) == 4
            assert await take(follower, 5 * PAGE) == list(range(1, 5 * PAGE + 1))


async def test_what_happened_while_the_source_was_away_is_heard_when_it_is_back() -> None:
    source = MemoryOutbox(rows=2)
    bus = await started(source)
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING)) as follower:
            await anext(follower)
            await until(lambda: bus.connected)
            source.go_away()
            await source.tries_while_away.wait()
            assert not bus.connected
            source.rows.extend(Event(id=number, type="test", at=AT, data={}) for number in (3, 4, 5))
            source.come_back()
            assert await take(follower, 3) == [3, 4, 5]
            await until(lambda: bus.connected)


async def test_a_follower_that_is_behind_waits_out_an_outage_of_the_table() -> None:
    source = MemoryOutbox(rows=9)
    bus = await started(source, ring=2)
    with running(bus):
        await until(lambda: bus.connected)
        source.go_away()
        await source.tries_while_away.wait()
        async with aclosing(bus.follow(EVERYTHING, after=0)) as follower:
            await anext(follower)
            waiting = asyncio.ensure_future(take(follower, 9))
            await asyncio.sleep(0)
            assert not waiting.done()
            source.come_back()
            assert await waiting == list(range(1, 10))


async def test_a_line_that_dies_without_a_word_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "CHECK_S", 0.001)
    source = MemoryOutbox()
    bus = await started(source)
    with running(bus):
        await until(lambda: bus.connected)
        first, _ = source.lines[0]
        first.dead = True
        source.rows.append(Event(id=1, type="test", at=AT, data={}))  # nobody is woken
        await until(lambda: bus.last_id == 1)
        assert source.lines[0][0] is not first


async def test_the_status_is_told_again_only_when_it_changes() -> None:
    source = MemoryOutbox()
    bus = await started(source)
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING)) as follower:
            assert await anext(follower) == StatusNotice(state="starting")
            bus.set_status(StatusNotice(state="starting"))
            bus.set_status(StatusNotice(state="degraded", reasons=("the database is away",)))
            assert await anext(follower) == StatusNotice(state="degraded", reasons=("the database is away",))
            bus.set_status(StatusNotice(state="ok"))
            source.add()
            assert await anext(follower) == StatusNotice(state="ok")
            assert await take(follower, 1) == [1]


async def test_one_follower_too_many_is_refused_until_another_leaves() -> None:
    bus = await started(MemoryOutbox(), max_followers=2)
    first, second, third = bus.follow(EVERYTHING), bus.follow(EVERYTHING), bus.follow(EVERYTHING)
    await anext(first)
    await anext(second)
    with pytest.raises(TooManySubscribers) as refused:
        await anext(third)
    assert (refused.value.code, bus.followers) == ("too_many_subscribers", 2)
    assert "MAX_SUBSCRIBERS" in refused.value.hint
    await first.aclose()
    fourth = bus.follow(EVERYTHING)
    await anext(fourth)
    for follower in (second, fourth):
        await follower.aclose()
    assert bus.followers == 0


async def test_one_credential_cannot_take_all_places() -> None:
    bus = await started(MemoryOutbox(), max_followers=20)
    followers = [bus.follow(EVERYTHING, who="api-token:1") for _ in range(FOLLOWERS_OF_ONE)]
    for follower in followers:
        await anext(follower)
    with pytest.raises(TooManySubscribers):
        await anext(bus.follow(EVERYTHING, who="api-token:1"))
    for who in ("api-token:2", None):
        followers.append(bus.follow(EVERYTHING, who=who))
        await anext(followers[-1])
    assert bus.followers == FOLLOWERS_OF_ONE + 2
    await followers[0].aclose()
    followers.append(bus.follow(EVERYTHING, who="api-token:1"))
    await anext(followers[-1])
    for follower in followers:
        await follower.aclose()
    assert bus.followers == 0


async def test_a_quiet_stream_is_kept_alive_and_goes_on_afterwards() -> None:
    source = MemoryOutbox()
    bus = await started(source, idle_s=0.001)
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING)) as follower:
            await anext(follower)
            assert isinstance(await anext(follower), KeepAlive)
            source.add()
            assert await take(follower, 1) == [1]


async def test_handlers_get_every_new_event_once_and_none_of_the_past() -> None:
    source = MemoryOutbox(rows=3)
    bus = await started(source, ring=2)
    heard: list[int] = []
    bus.on_event(lambda event: heard.append(event.id))
    with running(bus):
        source.add(10)
        await until(lambda: bus.last_id == 13)
    assert heard == list(range(4, 14))


async def test_a_change_of_the_gallery_empties_the_memory_so_that_an_erased_name_is_gone() -> None:
    source = MemoryOutbox()
    bus = await started(source)
    with running(bus):
        source.add(5)
        await until(lambda: bus.last_id == 5)
        source.rows = [event.model_copy(update={"data": {"name": ""}}) for event in source.rows]
        source.rows.append(Event(id=6, type=GALLERY_CHANGED, at=AT, data={}))
        source.add()
        await until(lambda: bus.last_id == 7)
        async with aclosing(bus.follow(EVERYTHING, after=3)) as follower:
            await anext(follower)
            events = [await anext(follower) for _ in range(4)]
    assert [event.id for event in events if isinstance(event, Event)] == [4, 5, 6, 7]
    assert [event.data for event in events if isinstance(event, Event)] == [{"name": ""}] * 2 + [{}] * 2


@pytest.mark.parametrize(("after", "told"), [(0, False), (3, True), (6, True), (7, False), (9, False), (10, False)])
async def test_a_reader_whose_event_was_forgotten_is_told_of_the_gap(after: int, told: bool) -> None:
    source = MemoryOutbox(10)
    source.forgotten = 6  # events 7 to 10 are kept
    bus = await started(source)
    async with aclosing(bus.follow(EVERYTHING, after=after)) as follower:
        first = await anext(follower)
    assert (first == GapNotice(oldest_id=7)) is told


async def test_a_handler_that_fails_holds_up_neither_the_others_nor_the_bus() -> None:
    source = MemoryOutbox()
    bus = await started(source)
    heard: list[int] = []

    def fails(event: Event) -> None:
        raise ValueError("an event of a newer version")

    bus.on_event(fails)
    bus.on_event(lambda event: heard.append(event.id))
    with running(bus) as task:
        source.add(2)
        await until(lambda: len(heard) == 2 or task.done())
        assert heard == [1, 2]
        assert not task.done()


async def test_a_follower_that_has_seen_more_on_another_server_gets_nothing_twice() -> None:
    source = MemoryOutbox(rows=5)
    bus = await started(source)
    source.rows.extend(Event(id=number, type="test", at=AT, data={}) for number in (6, 7))  # not heard of yet
    async with aclosing(bus.follow(EVERYTHING, after=7)) as follower:
        await anext(follower)
        with running(bus):
            await until(lambda: bus.last_id == 7)
            source.add()
            assert await take(follower, 1) == [8]


async def test_an_id_that_no_event_has_had_is_taken_as_from_now_on() -> None:
    source = MemoryOutbox(rows=5)
    bus = await started(source)
    with running(bus):
        async with aclosing(bus.follow(EVERYTHING, after=1_000_000)) as follower:
            await anext(follower)
            source.add()
            assert await take(follower, 1) == [6]


async def test_the_start_says_so_when_the_source_is_away() -> None:
    source = MemoryOutbox()
    source.away = True
    with pytest.raises(UnavailableError):
        await EventBus(source).start()


async def test_a_database_that_was_restored_from_a_backup_is_followed_from_where_it_is() -> None:
    source = MemoryOutbox(10)
    bus = await started(source)
    connected: list[int] = []
    bus.on_connect(lambda: connected.append(bus.last_id))
    with running(bus):
        await until(lambda: bus.connected)
        source.go_away()
        await source.tries_while_away.wait()
        del source.rows[4:]
        source.come_back()
        await until(lambda: bus.last_id == 4)
        source.add()
        await until(lambda: bus.last_id == 5)
        async with aclosing(bus.follow(EVERYTHING, after=4)) as follower:
            await anext(follower)
            event = await anext(follower)
    assert isinstance(event, Event)
    assert event.id == 5
    assert connected[:2] == [10, 4]
