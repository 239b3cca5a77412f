"""Personal QR codes that are shown to a camera, where that is switched on."""

import asyncio
import logging
from datetime import datetime

import numpy as np

from recognition.codes import read_codes
from recognition.errors import ImageError, RequestError, UnavailableError
from recognition.frames import decode
from recognition.types import Frame
from storage import attendance, credentials, rooms
from storage.credentials import CredentialKind
from storage.database import Database
from storage.statuses import Method
from storage.visibility import EVERYTHING
from stream_server.due import whenever
from stream_server.messages.wire import Event
from stream_server.people.credentials import CredentialMaker
from stream_server.settings import Settings
from stream_server.site import Site

log = logging.getLogger("rollcall.codes")

CAMERA_PLACED = "camera.placed"
LOOK_EVERY_S = 0.5
AGAIN_AFTER_S = 10.0
QUEUE_MAX = 100


class CodeWatch:
    """Looks for QR codes twice a second in the pictures of the cameras that are set to it, and marks who shows one."""

    def __init__(self, database: Database, settings: Settings, site: Site, maker: CredentialMaker) -> None:
        self._database = database
        self._settings = settings
        self._site = site
        self._maker = maker
        self._cameras: frozenset[str] = frozenset()
        self._looked_mono: dict[str, float] = {}
        self._shown_mono: dict[tuple[str, bytes], float] = {}
        self._queue: asyncio.Queue[tuple[str, bytes, datetime]] = asyncio.Queue(QUEUE_MAX)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stale = asyncio.Event()
        self._stale.set()
        self.dropped = 0

    def on_event(self, event: Event) -> None:
        """Notice that a camera was set otherwise, on this server or another."""
        if event.type == CAMERA_PLACED:
            self._stale.set()

    def look_again(self) -> None:
        """Notice that changes may have been missed: the connection to the database is new."""
        self._stale.set()

    def wants(self, frame: Frame) -> bool:
        """Whether to look at this frame."""
        if self._loop is None or frame.camera_id not in self._cameras:
            return False
        if frame.received_mono - self._looked_mono.get(frame.camera_id, -LOOK_EVERY_S) < LOOK_EVERY_S:
            return False
        self._looked_mono[frame.camera_id] = frame.received_mono
        return True

    def read(self, frame: Frame) -> None:
        """Look at a frame, in a recognition thread."""
        try:
            image = frame.payload if isinstance(frame.payload, np.ndarray) else decode(frame.payload)
        except ImageError:
            return
        # Only what was signed here goes on: a poster with some other code costs nothing more.
        digests = {self._maker.digest_of_code(text) for text in read_codes(image)} - {None}
        for digest in digests:
            if digest is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._take, frame, digest)

    def _take(self, frame: Frame, digest: bytes) -> None:
        now_mono = frame.received_mono
        key = (frame.camera_id, digest)
        shown_mono = self._shown_mono.get(key)
        self._shown_mono = {one: at for one, at in self._shown_mono.items() if now_mono - at < AGAIN_AFTER_S}
        self._shown_mono[key] = now_mono
        # Somebody who holds up the code for a while shows it once.
        if shown_mono is not None and now_mono - shown_mono < AGAIN_AFTER_S:
            return
        try:
            self._queue.put_nowait((frame.camera_id, digest, frame.captured_at))
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Keep the list of cameras, and mark who shows a code, for ever."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_cameras(), name="codes-cameras")
            tasks.create_task(self._mark_all(), name="codes-mark")

    async def load(self) -> None:
        """Read which cameras look for codes. Raises UnavailableError."""
        async with self._database.acquire() as connection:
            self._cameras = await rooms.qr_cameras(connection)
        self._looked_mono = {key: at for key, at in self._looked_mono.items() if key in self._cameras}

    async def _keep_cameras(self) -> None:
        await whenever(self._stale, self.load)

    async def _mark_all(self) -> None:
        while True:
            camera_id, digest, at = await self._queue.get()
            try:
                await self.mark(camera_id, digest, at)
            except (UnavailableError, RequestError) as error:
                # The person still stands there, and shows the code again.
                self.dropped += 1
                log.info("a QR code shown to camera %s was not taken: %s", camera_id, error)

    async def mark(self, camera_id: str, digest: bytes, at: datetime) -> attendance.Recorded | None:
        """Mark who has this code; None for one that was revoked. Raises UnavailableError and RequestError."""
        async with self._database.acquire() as connection, connection.transaction():
            person_id = await credentials.find(connection, CredentialKind.QR, [digest])
            if person_id is None:
                return None
            return await attendance.record_punch(
                connection,
                EVERYTHING,
                person_id,
                at,
                self._site.zone,
                self._settings.attendance.policy,
                method=Method.QR,
                camera_id=camera_id,
            )
