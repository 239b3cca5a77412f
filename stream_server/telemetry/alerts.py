"""Alerts: what somebody should look after, told once when it begins and once when it is over.

They are stored events, `alert.raised` and `alert.cleared`, so that webhooks and dashboards hear of them. While the
database is away they wait; what is so now is in `/readyz` all the same.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from recognition.errors import UnavailableError
from storage import alerts
from storage.database import Database
from stream_server.governor.pressure import Pressure
from stream_server.ingest.pull.state import PullState
from stream_server.services import Services

log = logging.getLogger("rollcall.alerts")

LOOK_EVERY_S = 1.0
RETRY_S = 2.0
WAITING_MAX = 1000
SPOOL_MANY = 50


class Alert(StrEnum):
    """What may be wrong."""

    CAMERA_LOST = "camera.lost"
    STORAGE_DEGRADED = "storage.degraded"
    MEMORY_PRESSURE = "memory.pressure"
    SPOOL_GROWING = "spool.growing"


# Only what lasts is worth a word: a camera that stutters, a database that is restarted.
RAISED_AFTER_S = {
    Alert.CAMERA_LOST: 15.0,
    Alert.STORAGE_DEGRADED: 5.0,
    Alert.MEMORY_PRESSURE: 0.0,
    Alert.SPOOL_GROWING: 0.0,
}
# What an alert is about: its kind, and the camera where it is one's.
Subject = tuple[Alert, str | None]


@dataclass(slots=True)
class _Condition:
    since_mono: float
    reason: str
    raised: bool = False


class AlertBook:
    """Which alerts are raised. Pure: the conditions and the time are passed in."""

    def __init__(self, after_s: Mapping[Alert, float] = RAISED_AFTER_S) -> None:
        self._after_s = after_s
        self._conditions: dict[Subject, _Condition] = {}
        self.raised_count = dict.fromkeys(Alert, 0)

    @property
    def raised(self) -> dict[Subject, str]:
        """The alerts that are raised, with their reasons."""
        return {subject: found.reason for subject, found in self._conditions.items() if found.raised}

    def look(self, present: Mapping[Subject, str], now_mono: float) -> list[tuple[bool, Subject, str]]:
        """Take in what is wrong now, with reasons. Returns what to tell: whether it was raised, of what, and why."""
        changes = []
        for subject in [subject for subject in self._conditions if subject not in present]:
            gone = self._conditions.pop(subject)
            if gone.raised:
                changes.append((False, subject, gone.reason))
        for subject, reason in present.items():
            found = self._conditions.setdefault(subject, _Condition(now_mono, reason))
            if not found.raised and now_mono - found.since_mono >= self._after_s[subject[0]]:
                found.raised, found.reason = True, reason
                self.raised_count[subject[0]] += 1
                changes.append((True, subject, reason))
        return changes


class AlertDesk:
    """Keeps the book and stores its changes."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        # Each server tells of itself; whoever reads both tells them apart by it.
        self._server = secrets.token_hex(4)
        self._waiting: deque[tuple[bool, dict[str, Any]]] = deque(maxlen=WAITING_MAX)
        self._news = asyncio.Event()
        self.book = AlertBook()

    def counts(self) -> dict[Alert, int]:
        """How many of each kind are raised."""
        raised = [alert for alert, _ in self.book.raised]
        return {alert: raised.count(alert) for alert in Alert}

    def look(self, present: Mapping[Subject, str], now_mono: float) -> None:
        """Take in what is wrong now, and store what has changed soon."""
        for raised, (alert, camera_id), reason in self.book.look(present, now_mono):
            name = alert.value if camera_id is None else f"{alert} of camera {camera_id}"
            log.log(logging.WARNING if raised else logging.INFO, "%s: %s", name, reason if raised else "it is over")
            data = {"alert": alert.value, "camera": camera_id, "server": self._server, "at": self._now().isoformat()}
            self._waiting.append((raised, data | {"reason": reason}))
            self._news.set()

    async def run(self, services: Services) -> None:
        """Look every second and store what has changed, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(services), name="alert-watch")
            tasks.create_task(self.store(), name="alert-store")

    async def _watch(self, services: Services) -> None:
        while True:
            self.look(conditions(services), asyncio.get_running_loop().time())
            await asyncio.sleep(LOOK_EVERY_S)

    async def store(self) -> None:
        """Store changes in order, for ever; while the database is away they wait, the newest thousand."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                event = self._waiting[0]
                try:
                    async with self._database.acquire() as connection:
                        await alerts.store(connection, raised=event[0], alert=event[1])
                except UnavailableError as error:
                    log.debug("an alert is not stored yet: %s", error)
                    await asyncio.sleep(RETRY_S)
                    continue
                if self._waiting and self._waiting[0] is event:
                    self._waiting.popleft()


def conditions(services: Services) -> dict[Subject, str]:
    """What is wrong now, whether for long or not."""
    found: dict[Subject, str] = {}
    if services.governor.pressure is not Pressure.NONE and services.governor.complaint:
        found[(Alert.MEMORY_PRESSURE, None)] = services.governor.complaint
    recorder = services.recorder
    if recorder.spooling or not services.bus.connected:
        found[(Alert.STORAGE_DEGRADED, None)] = "the database is away: what is decided is kept on disk"
    if recorder.dropped:
        found[(Alert.STORAGE_DEGRADED, None)] = f"sightings were lost, the disk could not take them: {recorder.problem}"
    if recorder.spooling and recorder.pending >= SPOOL_MANY:
        found[(Alert.SPOOL_GROWING, None)] = f"at least {SPOOL_MANY} sightings wait on the disk for the database"
    for camera_id, state in services.pulls.supervisor.states().items():
        if state not in (PullState.LIVE, PullState.OFF):
            found[(Alert.CAMERA_LOST, camera_id)] = f"no picture comes, the camera is {state}"
    return found
