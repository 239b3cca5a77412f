import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

import pytest

from recognition.errors import UnavailableError
from storage.visibility import EVERYTHING, NOBODYS, Audience, Visible
from stream_server.events.audiences import EventAudiences
from stream_server.events.bus import KeepAlive
from stream_server.messages.wire import Event, StatusNotice
from tests.stream_server.events.test_bus import MemoryOutbox, running, started, take

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RED, BLUE = UUID(int=1), UUID(int=2)


def of(*groups: UUID) -> Visible:
    return Visible(frozenset(groups))


def event(number: int, type_: str = "test") -> Event:
    return Event(id=number, type=type_, at=AT, data={})


class Tables:
    """Odd events are of red, even ones of blue; how often somebody asked is counted."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.away = False

    async def audiences(self, events: Sequence[Event]) -> list[Audience]:
        await asyncio.sleep(0)
        if self.away:
            raise UnavailableError("the tables are away")
        self.asked.append([event.id for event in events])
        return [(frozenset({RED if event.id % 2 else BLUE}),) for event in events]


async def ids(audiences: EventAudiences, visible: Visible, *events: Event) -> list[int]:
    return [event.id for event in await audiences.heard_by(visible, events)]


async def test_of_many_followers_who_wake_at_once_one_asks_for_all() -> None:
    tables = Tables()
    audiences = EventAudiences(tables)
    events = [event(1), event(2), event(3)]
    heard = await asyncio.gather(*(ids(audiences, of(RED), *events) for _ in range(20)), ids(audiences, of(), *events))
    assert heard == [[1, 3]] * 20 + [[]]
    assert await ids(audiences, of(RED, BLUE), *events, event(4)) == [1, 2, 3, 4]
    assert tables.asked == [[1, 2, 3], [4]]
    assert await ids(audiences, EVERYTHING, event(9)) == [9]
    assert tables.asked == [[1, 2, 3], [4]], "nobody asks for who sees everything"


async def test_it_is_looked_up_again_soon_and_for_another_event_of_the_same_number() -> None:
    tables, now = Tables(), [0.0]
    audiences = EventAudiences(tables, keep_s=5.0, keep_max=2, mono=lambda: now[0])
    await ids(audiences, of(RED), event(1))
    now[0] = 4.9
    await ids(audiences, of(RED), event(1))
    assert tables.asked == [[1]]
    await ids(audiences, of(RED), event(1, "other"))
    now[0] = 9.9
    await ids(audiences, of(RED), event(1, "other"))
    assert tables.asked == [[1], [1], [1]]
    await ids(audiences, of(RED), event(2), event(3))
    await ids(audiences, of(RED), event(1, "other"))
    assert tables.asked[3:] == [[2, 3], [1]], "the oldest is forgotten"


async def test_what_cannot_be_looked_up_is_not_shown() -> None:
    tables = Tables()
    tables.away = True
    with pytest.raises(UnavailableError):
        await ids(EventAudiences(tables), of(RED), event(1))


class Outbox(MemoryOutbox):
    """The table in memory, with an audience for each event."""

    def __init__(self, rows: int = 0) -> None:
        super().__init__(rows)
        self.tables = Tables()

    async def audiences(self, events: Sequence[Event]) -> list[Audience]:
        return await self.tables.audiences(events)


async def test_a_follower_hears_what_is_theirs_and_misses_nothing_of_it_when_the_database_is_away() -> None:
    source = Outbox(rows=4)
    bus = await started(source, idle_s=0.01)
    async with aclosing(bus.follow(of(BLUE), after=0)) as follower:
        assert await take(follower, 2) == [2, 4]
    source.tables.away = True
    bus = await started(source, idle_s=0.01)
    async with aclosing(bus.follow(of(BLUE), after=0)) as follower:
        assert isinstance(await anext(follower), StatusNotice)
        assert isinstance(await anext(follower), KeepAlive)
        source.tables.away = False
        assert await take(follower, 2) == [2, 4]


async def test_a_line_on_which_nothing_is_theirs_is_kept_alive() -> None:
    source = Outbox(rows=1)

    async def nobodys(events: Sequence[Event]) -> list[Audience]:
        await asyncio.sleep(0.001)
        source.add(1)  # there is always something new
        return [NOBODYS] * len(events)

    source.tables.audiences = nobodys  # type: ignore[method-assign]
    bus = await started(source, idle_s=0.05)
    with running(bus):
        async with aclosing(bus.follow(of(RED), after=0)) as follower:
            assert isinstance(await anext(follower), StatusNotice)
            async with asyncio.timeout(10):
                assert isinstance(await anext(follower), KeepAlive)
                assert isinstance(await anext(follower), KeepAlive)
        assert len(source.rows) > 5
