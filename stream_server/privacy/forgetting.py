"""What is kept outside the database is forgotten too: sightings that wait on this server's disk, of people who have
taken their consent back or were erased, here or on another server.
"""

import asyncio
import logging

from recognition.errors import UnavailableError
from storage import people
from storage.database import Database
from stream_server.due import whenever
from stream_server.events.bus import GALLERY_CHANGED
from stream_server.messages.wire import Event
from stream_server.recorder import Recorder

log = logging.getLogger("rollcall.forgetting")


class Forgetter:
    """Looks at what waits on the disk whenever somebody may have taken consent back."""

    def __init__(self, database: Database, recorder: Recorder) -> None:
        self._database = database
        self._recorder = recorder
        self._due = asyncio.Event()

    def on_event(self, event: Event) -> None:
        """Notice that consent may have changed, on this server or another."""
        if event.type == GALLERY_CHANGED:
            self._due.set()

    def look_again(self) -> None:
        """Notice that changes may have been missed: the connection to the database is new."""
        self._due.set()

    async def run(self) -> None:
        """Forget whenever there may be something to forget, for ever."""
        await whenever(self._due, self.forget, away=(UnavailableError, OSError))

    async def forget(self) -> int:
        """Overwrite the sightings of people without consent; returns how many. Raises UnavailableError."""
        waiting = await self._recorder.people_on_disk()
        if not waiting:
            return 0
        async with self._database.acquire() as connection:
            gone = await people.without_consent(connection, waiting)
        if not gone:
            return 0
        count = await self._recorder.forget_on_disk(gone)
        log.info("%d sightings on disk, of %d people without consent, were forgotten", count, len(gone))
        return count
