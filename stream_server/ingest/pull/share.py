"""Which of the cameras this server opens: those whose lease it holds, where several servers share the database.

The leases are prolonged while there are cameras to open. A server that dies loses them when they expire, one that stops
gives them back. While the database is away the server keeps what it has: nobody else could take it either, unless only
this server cannot reach the database; then two may read a camera until it is back, and nobody is marked twice for it.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID, uuid4

from recognition.errors import RollcallError, UnavailableError
from storage import camera_leases, cameras
from storage.database import Database
from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.supervisor import PullSupervisor
from stream_server.messages.wire import Event

log = logging.getLogger("rollcall.pull")

LEASE_S = 10.0
PROLONG_EVERY_S = 3.0
RETRY_S = 1.0
CAMERA_EVENTS = ("camera.changed", "camera.removed")


class PullShare:
    """Keeps the supervisor to the cameras that are this server's."""

    def __init__(
        self,
        *,
        database: Database,
        supervisor: PullSupervisor,
        order: Callable[[cameras.Camera], Order],
        holder: UUID | None = None,
    ) -> None:
        self._database = database
        self._supervisor = supervisor
        self._order = order
        self._holder = holder or uuid4()
        # What is pulled, and where from: sealed anew whenever somebody changes it.
        self._pulled: dict[str, tuple[bytes | None, str]] = {}
        self._any = False
        self._stale = asyncio.Event()
        self._looking = asyncio.Lock()

    def on_event(self, event: Event) -> None:
        """Notice that a camera was changed or removed, on this server or another."""
        if event.type in CAMERA_EVENTS:
            self._stale.set()

    def look_again(self) -> None:
        """Notice that changes may have been missed: the connection to the database is new."""
        self._stale.set()

    async def look(self) -> None:
        """Open what is this server's and leave what is not (any more). Raises StorageUnavailable."""
        async with self._looking:
            async with self._database.acquire() as connection:
                known = {camera.camera_id: camera for camera in await cameras.list_cameras(connection)}
                wanted = {key: camera for key, camera in known.items() if camera.address is not None and camera.enabled}
                held = await camera_leases.claim(connection, self._holder, wanted, LEASE_S) if wanted else set()
                if unwanted := self._pulled.keys() - wanted.keys():
                    await camera_leases.release(connection, self._holder, unwanted)
            self._any = bool(wanted)
            for camera_id in self._pulled.keys() - held:
                del self._pulled[camera_id]
                if camera_id in wanted:
                    log.warning("camera %s is opened by another server now", camera_id)
                    self._supervisor.forget(camera_id)
                else:
                    self._supervisor.remove(camera_id)
            for camera_id in sorted(held):
                source = (wanted[camera_id].sealed, wanted[camera_id].transport)
                if self._pulled.get(camera_id) != source:
                    self._pulled[camera_id] = source
                    self._apply(wanted[camera_id])

    async def look_after_change(self) -> None:
        """As `look`, for who has stored a change: that stands, and is acted on later when the database is away."""
        try:
            await self.look()
        except UnavailableError as error:
            log.info("a change of the cameras takes effect when the database is back: %s", error)
            self._stale.set()

    async def run(self) -> None:
        """Look whenever something has changed and, while there are cameras to open, every few seconds; for ever."""
        while True:
            try:
                async with asyncio.timeout(PROLONG_EVERY_S if self._any else None):
                    await self._stale.wait()
            except TimeoutError:
                pass
            self._stale.clear()
            try:
                await self.look()
            except UnavailableError as error:
                log.info("the cameras stay as they are: %s", error)
                self._stale.set()
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """Give all leases back, so that another server need not wait for their end."""
        try:
            async with self._looking, self._database.acquire() as connection:
                await camera_leases.release(connection, self._holder)
        except UnavailableError as error:
            log.info("the leases of cameras run out by themselves: %s", error)

    def _apply(self, camera: cameras.Camera) -> None:
        try:
            order = self._order(camera)
        except RollcallError as error:
            self._supervisor.set(camera.camera_id, None, refused=str(error))
            return
        self._supervisor.set(camera.camera_id, order)
