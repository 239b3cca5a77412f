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


async def ensure(connection: Connection, camera_id: str, name: str | None = None) -> bool:
    """Make the camera known; a name that is given replaces the old one. False when it was removed, and stays so.

    Raises RequestError `camera_id_invalid` unless the id is 1 to 64 of a-z, 0-9, `_` and `-`, a letter or
    digit first.
    """
    _check_id(camera_id)
    await connection.execute(
        """
        INSERT INTO cameras (id, name) VALUES ($1, coalesce($2, $1))
        ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE $2 IS NOT NULL AND cameras.name <> excluded.name
        """,
        camera_id,
        name,
    )
    return bool(await connection.fetchval("SELECT removed_at IS NULL FROM cameras WHERE id = $1", camera_id))


async def remember(connection: Connection, camera_id: str) -> None:
    """Hold the camera that a record names until the end of the caller's transaction.

    One that is not there was removed while its record was on the way: only its id is kept, and it may not stream.
    Raises RequestError `camera_id_invalid`.
    """
    _check_id(camera_id)
    # Made, or already there, or removed in between: then once more.
    while not await connection.fetchval("SELECT TRUE FROM cameras WHERE id = $1 FOR KEY SHARE", camera_id):
        await connection.execute(
            "INSERT INTO cameras (id, name, removed_at) VALUES ($1, $1, now()) ON CONFLICT (id) DO NOTHING", camera_id
        )


async def add(connection: Connection, camera_id: str, name: str | None = None, *, must_be_new: bool = False) -> None:
    """As `ensure`, because somebody asked for it: a camera that was removed is there again.

    With `must_be_new`, Conflict `camera_exists` when there is one; of several who ask at the same time, one wins.
    """
    _check_id(camera_id)
    async with connection.transaction():
        made: bool | None = None
        known: bool | None = None
        while made is None and known is None:  # both, when it was removed in between
            made = await connection.fetchval(
                """
                INSERT INTO cameras (id, name) VALUES ($1, coalesce($2, $1))
                ON CONFLICT (id) DO NOTHING RETURNING TRUE
                """,
                camera_id,
                name,
            )
            if made is None:
                known = await connection.fetchval(
                    "SELECT removed_at IS NULL FROM cameras WHERE id = $1 FOR NO KEY UPDATE", camera_id
                )
        if made:
            return
        if known and must_be_new:
            raise Conflict(
                f"there is a camera {camera_id} already",
                hint="choose another id, or change that one",
                code="camera_exists",
            )
        await connection.execute(
            "UPDATE cameras SET removed_at = NULL, name = coalesce($2, name) WHERE id = $1", camera_id, name
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


async def remove(connection: Connection, camera_id: str, *, keep_id: bool = False) -> None:
    """Forget a camera with its address and credentials. Its event tells all servers. Raises NotFound.

    Where records point to it, the row stays, with id and name; with `keep_id` in any case, so that a camera that adds
    itself is known to have been removed.
    """
    async with connection.transaction():
        # The strongest lock, before anything is looked at: it waits for records that are being made, which hold the
        # camera and would be found missing by DELETE alone.
        await connection.execute("SELECT 1 FROM cameras WHERE id = $1 FOR UPDATE", camera_id)
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
        if not keep_id:
            await connection.execute(
                """
                DELETE FROM cameras WHERE id = $1
                    AND NOT EXISTS (SELECT FROM attendance WHERE camera_id = $1)
                    AND NOT EXISTS (SELECT FROM sightings WHERE camera_id = $1)
                    AND NOT EXISTS (SELECT FROM punches WHERE camera_id = $1)
                    AND NOT EXISTS (SELECT FROM reviews WHERE camera_id = $1)
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


def _check_id(camera_id: str) -> None:
    if not CAMERA_ID.fullmatch(camera_id):
        raise RequestError(
            f"{camera_id[:80]!r} is no camera id",
            hint="use 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit",
            code="camera_id_invalid",
        )
