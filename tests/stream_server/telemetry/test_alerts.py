import asyncio
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any

import pytest

from storage import outbox
from storage.database import Database
from storage.errors import StorageUnavailable
from stream_server.governor.pressure import Pressure
from stream_server.ingest.pull.state import PullState
from stream_server.services import utc_now
from stream_server.telemetry import alerts
from stream_server.telemetry.alerts import Alert, AlertBook, AlertDesk, conditions

LOST = (Alert.CAMERA_LOST, "door")
SHORT = (Alert.MEMORY_PRESSURE, None)


def test_what_lasts_is_raised_once_and_cleared_once() -> None:
    book = AlertBook()
    assert book.look({LOST: "stalled"}, 0.0) == []
    assert book.look({LOST: "stalled"}, 14.9) == []
    assert book.look({LOST: "refused"}, 15.0) == [(True, LOST, "refused")]
    assert book.look({LOST: "refused"}, 99.0) == []
    assert book.raised == {LOST: "refused"}
    assert book.look({}, 100.0) == [(False, LOST, "refused")]
    assert book.raised == {}


def test_what_is_over_soon_is_not_worth_a_word() -> None:
    book = AlertBook()
    book.look({LOST: "stalled"}, 0.0)
    assert book.look({}, 5.0) == []
    assert book.look({LOST: "stalled"}, 16.0) == []


def test_shortness_of_memory_is_told_at_once() -> None:
    assert AlertBook().look({SHORT: "short"}, 0.0) == [(True, SHORT, "short")]


def test_each_camera_has_an_alert_of_its_own() -> None:
    book = AlertBook()
    both = {LOST: "stalled", (Alert.CAMERA_LOST, "gate"): "stalled"}
    book.look(both, 0.0)
    assert len(book.look(both, 20.0)) == 2
    assert book.raised_count[Alert.CAMERA_LOST] == 2


def services_with(**changes: Any) -> Any:
    """A server that does well, but for the changes."""
    values: dict[str, Any] = {
        "pressure": Pressure.NONE,
        "spooling": False,
        "pending": 0,
        "dropped": 0,
        "connected": True,
        "states": {},
    } | changes
    return SimpleNamespace(
        governor=SimpleNamespace(pressure=values["pressure"], complaint="memory is short"),
        recorder=SimpleNamespace(
            spooling=values["spooling"], pending=values["pending"], dropped=values["dropped"], problem="full"
        ),
        bus=SimpleNamespace(connected=values["connected"]),
        pulls=SimpleNamespace(supervisor=SimpleNamespace(states=lambda: values["states"])),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"pressure": Pressure.SOFT}, {SHORT}),
        ({"connected": False}, {(Alert.STORAGE_DEGRADED, None)}),
        ({"dropped": 1}, {(Alert.STORAGE_DEGRADED, None)}),
        ({"spooling": True, "pending": 3}, {(Alert.STORAGE_DEGRADED, None)}),
        ({"spooling": True, "pending": 50}, {(Alert.STORAGE_DEGRADED, None), (Alert.SPOOL_GROWING, None)}),
        ({"states": {"door": PullState.STALLED, "gate": PullState.LIVE, "hall": PullState.OFF}}, {LOST}),
    ],
)
def test_conditions_are_read_from_the_parts(changes: dict[str, Any], expected: set[Any]) -> None:
    assert set(conditions(services_with(**changes))) == expected


async def test_alerts_are_stored_as_events(database: Database) -> None:
    desk = AlertDesk(database, now=utc_now)
    async with database.acquire() as connection:
        before = await outbox.latest_id(connection)
    storing = asyncio.create_task(desk.store())
    desk.look({SHORT: "memory is short"}, 0.0)
    desk.look({}, 1.0)
    async with asyncio.timeout(20):
        while True:
            async with database.acquire() as connection:
                events = await outbox.read_after(connection, before)
            if len(events) == 2:
                break
            await asyncio.sleep(0.02)
    storing.cancel()
    await asyncio.gather(storing, return_exceptions=True)
    assert [event.type for event in events] == ["alert.raised", "alert.cleared"]
    data = events[0].payload
    assert (data["alert"], data["camera"], data["reason"]) == ("memory.pressure", None, "memory is short")
    assert set(data) == {"alert", "camera", "reason", "server", "at"}


class Away:
    """A database that is away until it is not."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away = True
        self.asked = asyncio.Event()

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        self.asked.set()
        if self.away:
            raise StorageUnavailable("away")
        return self._database.acquire()


async def test_alerts_wait_for_a_database_that_is_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "RETRY_S", 0.01)
    away = Away(database)
    desk = AlertDesk(away, now=utc_now)  # type: ignore[arg-type]
    storing = asyncio.create_task(desk.store())
    desk.look({(Alert.STORAGE_DEGRADED, None): "away"}, 0.0)
    desk.look({(Alert.STORAGE_DEGRADED, None): "away"}, 10.0)
    async with asyncio.timeout(20):
        await away.asked.wait()
        async with database.acquire() as connection:
            before = await outbox.latest_id(connection)
        away.away = False
        while True:
            async with database.acquire() as connection:
                if await outbox.read_after(connection, before):
                    break
            await asyncio.sleep(0.02)
    storing.cancel()
    await asyncio.gather(storing, return_exceptions=True)
