"""Which cameras there are. Known ids are kept in memory, so that a camera can come back while the database is away."""

import re

from storage import cameras, devices
from storage.database import Database
from storage.errors import NotFound
from stream_server.messages import CAMERA_ID

_ID = re.compile(CAMERA_ID)


class CameraRegistry:
    """The cameras that may stream."""

    def __init__(self, database: Database, *, auto_register: bool) -> None:
        self._database = database
        self._auto_register = auto_register
        self._known: set[str] = set()

    async def load(self) -> None:
        """Read the known cameras."""
        async with self._database.acquire() as connection:
            self._known = {camera.camera_id for camera in await cameras.list_cameras(connection)}

    async def require(self, camera_id: str) -> None:
        """NotFound unless the camera is known; where the site allows it, an unknown one is added."""
        if camera_id in self._known:
            return
        if _ID.fullmatch(camera_id) is None:
            raise NotFound(
                "that is no camera id",
                hint="use small letters, digits, - and _, 64 at most",
                code="camera_id_invalid",
            )
        if self._auto_register:
            await self.add(camera_id, None)
            return
        await self.load()  # another replica may have added it
        if camera_id not in self._known:
            raise NotFound(
                f"there is no camera {camera_id}",
                hint=f"add it: PUT /api/v1/cameras/{camera_id}",
                code="unknown_camera",
            )

    async def add(self, camera_id: str, name: str | None, *, must_be_new: bool = False) -> None:
        """Make a camera known, or rename it. Conflict when it must be new and is not."""
        async with self._database.acquire() as connection:
            await cameras.add(connection, camera_id, name, must_be_new=must_be_new)
        self._known.add(camera_id)

    async def remove(self, camera_id: str) -> None:
        """Forget a camera; neither it nor a device paired to it may connect any more. Raises NotFound."""
        async with self._database.acquire() as connection, connection.transaction():
            await cameras.remove(connection, camera_id)
            await devices.revoke_of_camera(connection, camera_id)  # another camera may get the id one day
        self._known.discard(camera_id)
