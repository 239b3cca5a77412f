"""The cameras that were seen, so that a record can name where it comes from."""

import re
from dataclasses import dataclass
from datetime import datetime

from recognition.errors import RequestError
from storage.database import Connection
from storage.errors import NotFound

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Camera:
    """A source of frames. `name` is for people, `camera_id` for addresses."""

    camera_id: str
    name: str
    created_at: datetime


async def ensure(connection: Connection, camera_id: str, name: str | None = None) -> None:
    """Make the camera known; a name that is given replaces the old one.

    Raises RequestError `camera_id_invalid` unless the id is 1 to 64 of a-z, 0-9, `_` and `-`, a letter or
    digit first.
    """
    if not CAMERA_ID.fullmatch(camera_id):
        raise RequestError(
            f"{camera_id[:80]!r} is no camera id",
            hint="use 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit",
            code="camera_id_invalid",
        )
    if name is None:
        await connection.execute(
            "INSERT INTO cameras (id, name) VALUES ($1, $1) ON CONFLICT (id) DO NOTHING", camera_id
        )
    else:
        await connection.execute(
            """
            INSERT INTO cameras (id, name) VALUES ($1, $2)
            ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE cameras.name <> excluded.name
            """,
            camera_id,
            name,
        )


async def get(connection: Connection, camera_id: str) -> Camera:
    """One camera. Raises NotFound."""
    row = await connection.fetchrow("SELECT id, name, created_at FROM cameras WHERE id = $1", camera_id)
    if row is None:
        raise NotFound(f"there is no camera {camera_id[:80]!r}", code="unknown_camera")
    return Camera(row["id"], row["name"], row["created_at"])


async def list_cameras(connection: Connection) -> list[Camera]:
    """All cameras by id; a site has tens of them."""
    rows = await connection.fetch("SELECT id, name, created_at FROM cameras ORDER BY id")
    return [Camera(row["id"], row["name"], row["created_at"]) for row in rows]
