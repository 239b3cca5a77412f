"""Which cameras there are. Known ids are kept in memory, so that a camera can come back while the database is away."""

import asyncio
import re
from collections.abc import Callable, Sequence
from uuid import UUID

from storage import cameras, devices
from storage.database import Database
from storage.errors import NotFound
from stream_server.due import whenever
from stream_server.messages.wire import CAMERA_ID, Event
from stream_server.privacy.auditing import Action, Auditor

CAMERA_REMOVED = "camera.removed"
_ID = re.compile(CAMERA_ID)


class CameraRegistry:
    """The cameras that may stream."""

    def __init__(self, database: Database, *, auto_register: bool) -> None:
        self._database = database
        self._auto_register = auto_register
        self._known: set[str] = set()
        self._handlers: list[Callable[[str], None]] = []
        self._stale = asyncio.Event()

    def on_removed(self, handler: Callable[[str], None]) -> None:
        """Call a function with the id of every camera that was removed, on this server or another; it must be quick."""
        self._handlers.append(handler)

    def on_event(self, event: Event) -> None:
        """Notice that a camera was removed, maybe on another server."""
        if event.type == CAMERA_REMOVED:
            self._stale.set()

    def look_again(self) -> None:
        """Notice that changes may have been missed: the connection to the database is new."""
        self._stale.set()

    async def load(self) -> None:
        """Read the known cameras, and tell of those that are known no more."""
        before = set(self._known)
        async with self._database.acquire() as connection:
            stored = {camera.camera_id for camera in await cameras.list_cameras(connection)}
        # What was added while the database was asked stays.
        self._known |= stored
        for camera_id in before - stored:
            self._forget(camera_id)

    async def run(self) -> None:
        """Read again whenever a camera was removed, for ever."""
        await whenever(self._stale, self.load)

    async def require(self, camera_id: str) -> None:
        """NotFound unless the camera is known; where the site allows it, one that was never removed is added."""
        if camera_id in self._known:
            return
        if _ID.fullmatch(camera_id) is None:
            raise NotFound(
                "that is no camera id",
                hint="use small letters, digits, - and _, 64 at most",
                code="camera_id_invalid",
            )
        if self._auto_register:
            async with self._database.acquire() as connection:
                known = await cameras.ensure(connection, camera_id)
            if known:
                self._known.add(camera_id)
        else:
            await self.load()  # another replica may have added it
        if camera_id not in self._known:
            raise NotFound(
                f"there is no camera {camera_id}" + (" any more" if self._auto_register else ""),
                hint=f"add it: PUT /api/v1/cameras/{camera_id}",
                code="unknown_camera",
            )

    async def add(
        self,
        camera_id: str,
        name: str | None,
        *,
        must_be_new: bool = False,
        audit: Auditor | None = None,
        fields: Sequence[str] = ("name",),
    ) -> None:
        """Make a camera known, or rename it. Conflict when it must be new and is not.

        `audit` is that of the request that asks, and `fields` what of the camera it changes.
        """
        async with self._database.acquire() as connection, connection.transaction():
            await cameras.add(connection, camera_id, name, must_be_new=must_be_new)
            if audit is not None:
                subject = f"camera:{camera_id}"
                await audit.changed(connection, Action.CAMERA_CHANGED, subject=subject, fields=sorted(fields))
        self._known.add(camera_id)

    async def remove(self, camera_id: str, audit: Auditor | None = None) -> list[UUID]:
        """Forget a camera; what streams as it is ended, and neither it nor a device paired to it may connect any more.

        `audit` is that of the request that asks. Gives the devices whose access has ended. Raises NotFound.
        """
        async with self._database.acquire() as connection, connection.transaction():
            # One that would add itself again must be known to have been removed.
            await cameras.remove(connection, camera_id, keep_id=self._auto_register)
            if audit is not None:
                await audit.changed(connection, Action.CAMERA_REMOVED, subject=f"camera:{camera_id}")
            revoked = await devices.revoke_of_camera(connection, camera_id)  # another camera may get the id one day
        self._forget(camera_id)
        return revoked

    def _forget(self, camera_id: str) -> None:
        self._known.discard(camera_id)
        for handler in self._handlers:
            handler(camera_id)
