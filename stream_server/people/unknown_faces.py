"""Faces of nobody we know, where the site keeps them: sorted into clusters, for a person to name.

They are not worth waiting for. A few may wait to be stored, more are dropped and counted, and while the database is
away none is kept: strangers' faces are never put on the disk of the server.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from recognition.errors import UnavailableError
from recognition.types import Embedding, ImageBgr, UnknownCluster, UnknownFace, UnknownMember
from recognition.unknown import Begin, ClusterPolicy, Ignore, assign, near
from storage import people, templates, unknown_faces
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

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        policy: ClusterPolicy,
        *,
        crops: bool,
        may_collect: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_collect` is asked before a face is taken."""
        self._database = database
        self._cipher = cipher
        self._policy = policy
        self._crops = crops
        self._may_collect = may_collect
        self._waiting: deque[UnknownSighting] = deque()
        self._work = asyncio.Event()
        self.stored = 0
        self.dropped = 0

    def offer(self, sighting: UnknownSighting) -> None:
        """Take a face; one too many, or at a bad time, is dropped and counted. Never blocks."""
        if len(self._waiting) >= WAITING_MAX or not self._may_collect():
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
            # Held for a batch, which is short: whoever takes consent back waits for it.
            await unknown_faces.lock(connection)
            known: dict[str, dict[str, UnknownCluster]] = {}
            for sighting, crop in zip(batch, crops, strict=True):
                model_id = sighting.model_id
                if model_id not in known:
                    found = await unknown_faces.load(connection, model_id, self._cipher)
                    known[model_id] = {cluster.cluster_id: cluster for cluster in found}
                await self._store_one(connection, sighting, known[model_id], crop)

    async def _store_one(
        self, connection: Connection, sighting: UnknownSighting, known: dict[str, UnknownCluster], crop: bytes | None
    ) -> None:
        """Store a face, and bring `known`, the clusters of its model by id, to what the database then has."""
        face, at = sighting.face, sighting.captured_at
        decision = await asyncio.to_thread(assign, face.embedding, face.quality, list(known.values()), self._policy)
        if isinstance(decision, Ignore):
            return
        keep, replaces = True, None
        if isinstance(decision, Begin):
            await unknown_faces.forget_clusters(connection, [UUID(cluster_id) for cluster_id in decision.drops])
            for cluster_id in decision.drops:
                del known[cluster_id]
            face_id = await unknown_faces.begin(connection, at)
        else:
            face_id, keep = UUID(decision.cluster_id), decision.keep
            replaces = None if decision.replaces is None else UUID(decision.replaces)
        await unknown_faces.see(connection, face_id, at)
        before = known.get(str(face_id), UnknownCluster(str(face_id), (), at))
        members = tuple(member for member in before.members if member.member_id != str(replaces))
        if keep:
            member_id = await unknown_faces.add_member(
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
            members = (*members, UnknownMember(str(member_id), face.embedding, face.quality))
        last_seen_at = max(before.last_seen_at, at)
        known[str(face_id)] = replace(before, members=members, last_seen_at=last_seen_at)

    async def _crop(self, chip_bgr: ImageBgr | None) -> bytes | None:
        if chip_bgr is None or not self._crops:
            return None
        from stream_server.demo.views import encode_jpeg

        return await asyncio.to_thread(encode_jpeg, chip_bgr, CROP_QUALITY)


async def forget_faces_like(
    connection: Connection, cipher: Cipher, person_ids: Sequence[UUID], distance_max: float
) -> int:
    """Delete clusters that hold a face like one of these people's, of whichever model; returns how many.

    For those who take consent back or are erased: call it in the same transaction, before the templates go, because
    nothing else tells whose faces these are. Clusters, then people, are locked, as everywhere; nothing is announced,
    since whatever takes a template away does that at its end. Raises NotFound.
    """
    await unknown_faces.lock(connection)
    own: dict[str, list[Embedding]] = {}
    for person_id in sorted(person_ids):
        # Whom somebody enrols at this moment has one template more when that is done.
        await people.hold(connection, person_id)
        vectors = await templates.vectors_of_person(connection, person_id, cipher)
        for known in await templates.list_of_person(connection, person_id):
            if (vector := vectors.get(known.template_id)) is not None:
                own.setdefault(known.model_id, []).append(vector)
    count = 0
    for model_id, embeddings in own.items():
        clusters = await unknown_faces.load(connection, model_id, cipher)
        like = await asyncio.to_thread(near, clusters, embeddings, distance_max)
        count += await unknown_faces.forget_clusters(connection, [UUID(cluster_id) for cluster_id in like])
    return count
