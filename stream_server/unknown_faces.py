"""Faces of nobody we know, where the site keeps them: sorted into clusters, for a person to name.

They are not worth waiting for. A few may wait to be stored, more are dropped and counted, and while the database is
away none is kept: strangers' faces are never put on the disk of the server.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from recognition.errors import UnavailableError
from recognition.types import ImageBgr, UnknownCluster, UnknownFace
from recognition.unknown import Begin, ClusterPolicy, Ignore, assign, near
from storage import templates, unknown_faces
from storage.cipher import Cipher
from storage.database import Connection, Database

log = logging.getLogger("rollcall.unknown")

WAITING_MAX = 64
BATCH = 16
CROP_QUALITY = 80


@dataclass(frozen=True, slots=True, eq=False)
class UnknownSighting:
    """A face of nobody we know, before a camera. `captured_at` is UTC."""

    face: UnknownFace
    camera_id: str
    captured_at: datetime
    model_id: str


class UnknownFaceCollector:
    """Stores faces of nobody we know in the background."""

    def __init__(self, database: Database, cipher: Cipher, policy: ClusterPolicy, *, crops: bool) -> None:
        self._database = database
        self._cipher = cipher
        self._policy = policy
        self._crops = crops
        self._waiting: deque[UnknownSighting] = deque()
        self._work = asyncio.Event()
        self.stored = 0
        self.dropped = 0

    def offer(self, sighting: UnknownSighting) -> None:
        """Take a face; one too many is dropped and counted. Never blocks."""
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append(sighting)
        self._work.set()

    async def run(self) -> None:
        """Store what comes, for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                try:
                    await self.store(batch)
                    self.stored += len(batch)
                except UnavailableError as error:
                    self.dropped += len(batch)
                    log.info("%d unknown faces were dropped: %s", len(batch), error)

    async def store(self, batch: list[UnknownSighting]) -> None:
        """Sort faces into clusters, in one transaction. Raises StorageUnavailable."""
        crops = [await self._crop(sighting.face.chip_bgr) for sighting in batch]
        async with self._database.acquire() as connection, connection.transaction():
            await unknown_faces.lock(connection)
            for sighting, crop in zip(batch, crops, strict=True):
                # Read anew for each: two faces of one batch may be of one person.
                clusters = await unknown_faces.load(connection, sighting.model_id, self._cipher)
                await self._store_one(connection, sighting, clusters, crop)

    async def _store_one(
        self, connection: Connection, sighting: UnknownSighting, clusters: list[UnknownCluster], crop: bytes | None
    ) -> None:
        face, at = sighting.face, sighting.captured_at
        decision = assign(face.embedding, face.quality, clusters, self._policy)
        if isinstance(decision, Ignore):
            return
        keep, replaces = True, None
        if isinstance(decision, Begin):
            for cluster_id in decision.drops:
                await unknown_faces.delete(connection, UUID(cluster_id))
            face_id = await unknown_faces.begin(connection, at)
        else:
            face_id, keep = UUID(decision.cluster_id), decision.keep
            replaces = None if decision.replaces is None else UUID(decision.replaces)
        await unknown_faces.see(connection, face_id, at)
        if keep:
            await unknown_faces.add_member(
                connection,
                face_id,
                cipher=self._cipher,
                model_id=sighting.model_id,
                embedding=face.embedding,
                quality=face.quality,
                camera_id=sighting.camera_id,
                at=at,
                crop_jpeg=crop,
                replaces=replaces,
            )

    async def _crop(self, chip_bgr: ImageBgr | None) -> bytes | None:
        if chip_bgr is None or not self._crops:
            return None
        from stream_server.views import encode_jpeg

        return await asyncio.to_thread(encode_jpeg, chip_bgr, CROP_QUALITY)


async def forget_faces_like(
    connection: Connection, cipher: Cipher, person_id: UUID, model_id: str, distance_max: float
) -> int:
    """Delete clusters that hold a face like the person's; returns how many.

    For whoever takes consent back or is erased: call it in the same transaction, before the templates go, because
    nothing else tells whose faces these are.
    """
    vectors = await templates.vectors_of_person(connection, person_id, cipher)
    known = await templates.list_of_person(connection, person_id)
    own = [vectors[t.template_id] for t in known if t.model_id == model_id and t.template_id in vectors]
    await unknown_faces.lock(connection)
    clusters = await unknown_faces.load(connection, model_id, cipher)
    like = near(clusters, [vector for vector in own if vector is not None], distance_max)
    for cluster_id in like:
        await unknown_faces.delete(connection, UUID(cluster_id))
    return len(like)
