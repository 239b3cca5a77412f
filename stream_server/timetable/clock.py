"""The clock of the sessions: opens and closes them, and plans lessons further ahead as time goes on."""

import asyncio
import logging
from datetime import datetime, timedelta

from recognition.errors import RequestError, UnavailableError
from storage import lessons, session_clock, site, timetable_import
from storage.database import Connection
from stream_server.services import Services
from stream_server.timetable.expansion import WINDOW_DAYS, RuleUnusable

log = logging.getLogger("rollcall.clock")

EXTEND_EVERY = timedelta(hours=6)
# Lessons are planned again when less than this is missing from the window.
SLACK = timedelta(days=7)


class SessionClock:
    """Keeps sessions on time. What was missed while no server ran is caught up with at the next look."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._extended_at: datetime | None = None
        self._planned_in: str | None = None

    async def run(self) -> None:
        """Look every ten seconds, for ever; while the database is away everything waits."""
        while True:
            try:
                await self.look(self._services.now())
            except UnavailableError as error:
                log.info("sessions neither open nor close for now: %s", error)
            await asyncio.sleep(session_clock.next_look_s(self._services.now()))

    async def look(self, now: datetime) -> None:
        """Do everything that is due at this moment. Raises UnavailableError."""
        settings, database = self._services.settings, self._services.database
        while True:
            # A connection for each step, so that others get their turn.
            async with database.acquire() as connection:
                opened = await session_clock.open_due(connection, now, settings.attendance.early_s)
            for session in opened:
                log.info("session %s has opened", session.session_id)
            if len(opened) < session_clock.BATCH:
                break
        while True:
            async with database.acquire() as connection:
                closed = await session_clock.close_one_due(connection, now, self._services.site.zone)
            if closed is None:
                break
            log.info("session %s has ended: %s", closed.session.session_id, closed.counts)
        missed = session_clock.BATCH
        while missed == session_clock.BATCH:
            async with database.acquire() as connection:
                missed = await session_clock.miss_due(connection, now)
            if missed:
                log.warning("%d sessions were missed: no server ran while they were held", missed)
        zone = self._services.site.time_zone
        due = self._extended_at is None or now - self._extended_at >= EXTEND_EVERY
        if due or self._planned_in != zone:
            async with database.acquire() as connection:
                moved = await site.plan_in(connection, zone)
            if moved:
                log.info("the site is in the time zone %s now: lessons to come are planned again", zone)
            await self._plan_ahead(now)
            self._extended_at, self._planned_in = now, zone

    async def _plan_ahead(self, now: datetime) -> None:
        until = now + timedelta(days=WINDOW_DAYS)
        while True:
            async with self._services.database.acquire() as connection, connection.transaction():
                if not await self._extend_one(connection, now, until):
                    return

    async def _extend_one(self, connection: Connection, now: datetime, until: datetime) -> bool:
        from stream_server.timetable.calendar_file import planned_times

        lesson = await lessons.lock_one_to_extend(connection, until - SLACK)
        if lesson is None:
            return False
        zone = self._services.site.zone
        try:
            # A rule may take seconds; the lock on the lesson is held meanwhile, and other servers pass it over.
            times = await asyncio.to_thread(planned_times, lesson.ical, zone, now, until)
        except (RuleUnusable, RequestError) as error:
            log.warning("lesson %s is not planned any further: %s", lesson.lesson_id, error)
            await lessons.set_expanded(connection, lesson.lesson_id, until)
            return True
        rooms = await timetable_import.room_ids(connection)
        await lessons.plan(connection, lesson.lesson_id, times, rooms=rooms, zone=zone, now=now, until=until)
        return True
