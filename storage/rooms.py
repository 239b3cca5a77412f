"""Rooms, and which cameras hang in them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from storage import outbox
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound, Stale
from storage.names import KEEP, Keep, insert_named, page_by_name, update_named
from storage.paging import LIMIT_DEFAULT, Page

_COLUMNS = """id, name, external_id, version, created_at,
    ARRAY(SELECT c.id FROM cameras c WHERE c.room_id = rooms.id AND c.removed_at IS NULL ORDER BY c.id) AS camera_ids"""


@dataclass(frozen=True, slots=True)
class Room:
    """A room with the ids of its cameras. `version` grows with every change of the room itself."""

    room_id: UUID
    name: str
    external_id: str | None
    version: int
    created_at: datetime
    camera_ids: tuple[str, ...]


class Direction(StrEnum):
    """What it means to be seen at a place where people come and go."""

    IN = "in"
    OUT = "out"
    TOGGLE = "toggle"  # the other one than last time


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """Where a camera hangs and what it counts; without a direction being seen means being there, no more."""

    camera_id: str
    room_id: UUID | None = None
    direction: Direction | None = None
    reads_qr: bool = False


async def create(connection: Connection, *, name: str, external_id: str | None = None) -> Room:
    """Add a room. Raises RequestError `name_invalid` or `external_id_invalid`, Conflict `room_exists` or
    `external_id_taken`.
    """
    try:
        return _room(await insert_named(connection, "rooms", _COLUMNS, name=name, external_id=external_id))
    except asyncpg.UniqueViolationError as error:
        raise _taken(error) from error


async def get(connection: Connection, room_id: UUID) -> Room:
    """One room. Raises NotFound."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM rooms WHERE id = $1", room_id)
    if row is None:
        raise NotFound(f"there is no room {room_id}", code="room_not_found")
    return _room(row)


async def list_rooms(
    connection: Connection, *, limit: int = LIMIT_DEFAULT, cursor: str | None = None, external_id: str | None = None
) -> Page[Room]:
    """Rooms by name."""
    page = await page_by_name(
        connection,
        "rooms",
        _COLUMNS,
        limit=limit,
        cursor=cursor,
        conditions=() if external_id is None else ("external_id = $1",),
        arguments=() if external_id is None else (external_id,),
    )
    return Page(tuple(map(_room, page.items)), page.next_cursor)


async def update(
    connection: Connection,
    room_id: UUID,
    *,
    version: int | None,
    name: str | None = None,
    external_id: str | Keep | None = KEEP,
) -> Room:
    """Change what is given, if the room is still at `version`. Raises NotFound, Stale, and as `create` does."""
    try:
        async with connection.transaction():
            await _lock(connection, room_id, version)
            row = await update_named(connection, "rooms", _COLUMNS, room_id, name=name, external_id=external_id)
    except asyncpg.UniqueViolationError as error:
        raise _taken(error) from error
    return _room(row)


async def remove(connection: Connection, room_id: UUID, *, version: int | None) -> None:
    """Delete a room; cameras, lessons and sessions that were in it go on without one. Raises NotFound and Stale."""
    async with connection.transaction():
        await _lock(connection, room_id, version)
        await connection.execute("DELETE FROM rooms WHERE id = $1", room_id)


async def place_camera(connection: Connection, place: CameraPlace) -> None:
    """Say where a camera hangs, with `camera.placed`, in the caller's transaction.

    Raises NotFound for an unknown camera or room.
    """
    try:
        done = await connection.fetchval(
            """
            UPDATE cameras SET room_id = $2, direction = $3, reads_qr = $4
            WHERE id = $1 AND removed_at IS NULL RETURNING id
            """,
            place.camera_id,
            place.room_id,
            place.direction,
            place.reads_qr,
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no room {place.room_id}", code="room_not_found") from error
    if done is None:
        raise NotFound(f"there is no camera {place.camera_id[:80]!r}", code="unknown_camera")
    await outbox.append(connection, "camera.placed", {"camera": place.camera_id})


async def camera_place(connection: Connection, camera_id: str) -> CameraPlace:
    """Where a camera hangs. Raises NotFound."""
    row = await connection.fetchrow(
        "SELECT id, room_id, direction, reads_qr FROM cameras WHERE id = $1 AND removed_at IS NULL", camera_id
    )
    if row is None:
        raise NotFound(f"there is no camera {camera_id[:80]!r}", code="unknown_camera")
    return _place(row)


async def qr_cameras(connection: Connection) -> frozenset[str]:
    """The ids of the cameras that look for QR codes."""
    rows = await connection.fetch("SELECT id FROM cameras WHERE reads_qr AND removed_at IS NULL")
    return frozenset(row["id"] for row in rows)


async def _lock(connection: Connection, room_id: UUID, version: int | None) -> None:
    await connection.execute("SELECT 1 FROM rooms WHERE id = $1 FOR UPDATE", room_id)
    room = await get(connection, room_id)
    if version is not None and version != room.version:
        raise Stale


def _taken(error: asyncpg.UniqueViolationError) -> Conflict:
    if error.constraint_name == "rooms_by_name":
        return Conflict("there is a room of this name", code="room_exists")
    return Conflict("another room has this external id", code="external_id_taken")


def _room(row: Record) -> Room:
    return Room(row["id"], row["name"], row["external_id"], row["version"], row["created_at"], tuple(row["camera_ids"]))


def _place(row: Record) -> CameraPlace:
    direction = None if row["direction"] is None else Direction(row["direction"])
    return CameraPlace(row["id"], row["room_id"], direction, row["reads_qr"])
