"""From faces that nearly match to the list of those that somebody should settle."""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from recognition.errors import RequestError, UnavailableError
from recognition.types import FaceResult, Frame
from storage import reviews
from storage.database import Database
from stream_server.settings import Settings
from stream_server.site import Site

log = logging.getLogger("rollcall.reviews")

QUEUE_MAX = 100
REMEMBER_MAX = 2000


@dataclass(frozen=True, slots=True)
class DoubtfulFace:
    """A face that came near somebody, by one camera at one moment; the nearest candidate first."""

    camera_id: str
    candidates: tuple[tuple[UUID, float], ...]
    captured_at: datetime


class ReviewDesk:
    """Takes faces that nearly match, each track once for each person, and stores them to be settled."""

    def __init__(self, database: Database, settings: Settings, site: Site) -> None:
        self._database = database
        self._settings = settings
        self._site = site
        self._queue: asyncio.Queue[DoubtfulFace] = asyncio.Queue(QUEUE_MAX)
        # Which tracks were taken already; the oldest are forgotten, and then at most asked about once more.
        self._taken: OrderedDict[tuple[str, int | None, str], None] = OrderedDict()
        self.dropped = 0

    def offer(self, face: FaceResult, frame: Frame) -> None:
        """Take a face up for review. Never blocks: when too many wait, this one is dropped and counted."""
        match = face.match
        if match is None:
            return
        key = (frame.camera_id, face.track_id, match.person_id)
        if key in self._taken:
            return
        candidates = [(UUID(match.person_id), match.distance)]
        runner_up, limit = match.runner_up_distance, self._settings.recognition.review_distance
        if match.runner_up_person_id is not None and runner_up is not None and runner_up <= limit:
            candidates.append((UUID(match.runner_up_person_id), runner_up))
        try:
            self._queue.put_nowait(DoubtfulFace(frame.camera_id, tuple(candidates), frame.captured_at))
        except asyncio.QueueFull:
            self.dropped += 1
            return
        self._taken[key] = None
        if len(self._taken) > REMEMBER_MAX:
            self._taken.popitem(last=False)

    async def run(self) -> None:
        """Store what comes, for ever. A doubtful face is no attendance: while the database is away it is dropped."""
        while True:
            face = await self._queue.get()
            try:
                await self.store(face)
            except (UnavailableError, RequestError) as error:
                self.dropped += 1
                log.info("a face was not put up for review: %s", error)

    async def store(self, face: DoubtfulFace) -> UUID | None:
        """Put one face up for review; None when there is nothing to ask. Raises UnavailableError."""
        async with self._database.acquire() as connection:
            return await reviews.record(
                connection,
                camera_id=face.camera_id,
                candidates=face.candidates,
                at=face.captured_at,
                zone=self._site.zone,
                policy=self._settings.attendance.policy,
            )
