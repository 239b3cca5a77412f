"""The cameras: sources of frames, so that a record can name where it comes from, and those that the server opens."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from recognition.errors import RequestError
from storage import outbox
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


_COLUMNS = "id, name, created_at, address, transport, sealed, enabled, state, state_reason, state_at"


@dataclass(frozen=True, slots=True)
class Camera:
    """A source of frames. `name` is for people, `camera_id` for addresses.

    `address` is set for cameras that the server opens; it is for people and holds no secret. `sealed` is what is
    needed to connect, encrypted. `state` is the last that was stored, with its reason and time.
    """

    camera_id: str
    name: str
    created_at: datetime
    address: str | None = None
    transport: str = "auto"
    sealed: bytes | None = field(default=None, repr=False)
    enabled: bool = True
    state: str = "off"
    state_reason: str = ""
    state_at: datetime | None = None


async def ensure(connection: Connection, camera_id: str, name: str | None = None) -> None:
    """Make the camera known; a name that is given replaces the old one. One that was removed stays so.

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


async def add(connection: Connection, camera_id: str, name: str | None = None, *, must_be_new: bool = False) -> None:
    """As `ensure`, because somebody asked for it: a camera that was removed is there again.

    With `must_be_new`, Conflict `camera_exists` when there is one.
    """
    async with connection.transaction():
        await ensure(connection, camera_id)
        # Within a transaction now() stands still: the row's own time tells whether it was made just now.
        known: bool = await connection.fetchval(
            "SELECT removed_at IS NULL AND created_at < now() FROM cameras WHERE id = $1 FOR UPDATE", camera_id
        )
        if known and must_be_new:
            raise Conflict(
                f"there is a camera {camera_id} already",
                hint="choose another id, or change that one",
                code="camera_exists",
            )
        if name is not None:
            await ensure(connection, camera_id, name)
        await connection.execute(
            "UPDATE cameras SET removed_at = NULL WHERE id = $1 AND removed_at IS NOT NULL", camera_id
        )


async def set_source(
    connection: Connection, camera_id: str, *, address: str | None, sealed: bytes | None, transport: str, enabled: bool
) -> None:
    """Say where the server finds the camera; no address: it comes by itself. Its event tells all servers.

    Raises NotFound.
    """
    async with connection.transaction():
        done = await connection.fetchval(
            """
            UPDATE cameras SET address = $2, sealed = $3, transport = $4, enabled = $5
            WHERE id = $1 AND removed_at IS NULL RETURNING id
            """,
            camera_id,
            address,
            sealed,
            transport,
            enabled,
        )
        if done is None:
            raise _unknown(camera_id)
        await outbox.append(connection, "camera.changed", {"camera": camera_id})


async def set_state(connection: Connection, camera_id: str, state: str, reason: str, at: datetime) -> None:
    """Store a change of state with its event, in one transaction; nothing for a camera that is not there."""
    async with connection.transaction():
        stored = await connection.fetchval(
            "UPDATE cameras SET state = $2, state_reason = $3, state_at = $4 WHERE id = $1 RETURNING id",
            camera_id,
            state,
            reason,
            at,
        )
        if stored is not None:
            await outbox.append(connection, "camera.state", {"camera": camera_id, "state": state, "reason": reason})


async def remove(connection: Connection, camera_id: str) -> None:
    """Forget a camera with its address and credentials. Its event tells all servers. Raises NotFound.

    Where records point to it, the row stays, with id and name.
    """
    async with connection.transaction():
        removed = await connection.fetchval(
            """
            UPDATE cameras SET removed_at = now(), address = NULL, sealed = NULL, transport = DEFAULT,
                enabled = DEFAULT, state = 'off', state_reason = ''
            WHERE id = $1 AND removed_at IS NULL RETURNING id
            """,
            camera_id,
        )
        if removed is None:
            raise _unknown(camera_id)
        await connection.execute(
            """
            DELETE FROM cameras WHERE id = $1
                AND NOT EXISTS (SELECT FROM attendance WHERE camera_id = $1)
                AND NOT EXISTS (SELECT FROM sightings WHERE camera_id = $1)
            """,
            camera_id,
        )
        await connection.execute("DELETE FROM camera_leases WHERE camera_id = $1", camera_id)
        await outbox.append(connection, "camera.removed", {"camera": camera_id})


async def get(connection: Connection, camera_id: str) -> Camera:
    """One camera. Raises NotFound."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM cameras WHERE id = $1 AND removed_at IS NULL", camera_id)
    if row is None:
        raise _unknown(camera_id)
    return _camera(row)


async def list_cameras(connection: Connection) -> list[Camera]:
    """All cameras by id; a site has tens of them."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM cameras WHERE removed_at IS NULL ORDER BY id")
    return [_camera(row) for row in rows]


def _camera(row: Record) -> Camera:
    return Camera(row["id"], **{name.strip(): row[name.strip()] for name in _COLUMNS.split(",")[1:]})


def _unknown(camera_id: str) -> NotFound:
    return NotFound(f"there is no camera {camera_id[:80]!r}", code="unknown_camera")
