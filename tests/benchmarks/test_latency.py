import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.latency import Arrivals
from stream_server.messages.wire import Event

ADA, BEN = UUID(int=1), UUID(int=2)
SEEN = datetime(2030, 1, 2, 8, 0, tzinfo=UTC)


def event(person_id: UUID, kind: str = "attendance.marked") -> Event:
    data = {"person": {"id": str(person_id), "name": "x"}, "first_seen": SEEN.isoformat()}
    return Event(id=1, type=kind, at=SEEN, data=data)


def test_an_attendance_event_is_noted_with_both_times_and_others_are_not() -> None:
    arrivals = Arrivals()
    arrived = SEEN + timedelta(milliseconds=50)
    arrivals.take(event(ADA), arrived)
    arrivals.take(event(BEN, "gallery.changed"), arrived)
    assert arrivals.times == {ADA: (SEEN, arrived)}


async def test_waiting_ends_when_everybody_has_been_reported() -> None:
    arrivals = Arrivals()
    waiting = asyncio.create_task(arrivals.wait_for([ADA, BEN], timeout_s=60))
    await asyncio.sleep(0)
    arrivals.take(event(ADA), SEEN)
    await asyncio.sleep(0)
    assert not waiting.done()
    arrivals.take(event(BEN), SEEN)
    await waiting


async def test_waiting_ends_when_the_time_is_up() -> None:
    await Arrivals().wait_for([ADA], timeout_s=0)


async def test_nobody_is_waited_for_who_was_reported_before() -> None:
    arrivals = Arrivals()
    arrivals.take(event(ADA), SEEN)
    await arrivals.wait_for([ADA], timeout_s=60)
