"""Rooms, and the cameras that hang in them."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from storage import people, rooms
from stream_server.api.audited import AuditOf
from stream_server.api.etags import CHANGES, IfMatch, show_version, wanted_version
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, CameraId, Cursor, Limit, ServicesOf
from stream_server.messages.roster import CameraPlaceBody, Room, RoomCreate, Rooms, RoomUpdate
from stream_server.privacy.auditing import Action

router = APIRouter(tags=["roster"], responses=PROBLEMS)


@router.post("/rooms", status_code=201, summary="Add a room", responses=CONFLICT)
async def create_room(body: RoomCreate, services: ServicesOf, audit: AuditOf, response: Response) -> Room:
    """A place where sessions are held; names are unique."""
    async with services.database.acquire() as connection, connection.transaction():
        room = await rooms.create(connection, name=body.name, external_id=body.external_id)
        await audit.changed(connection, Action.ROOM_CHANGED, subject=f"room:{room.room_id}", made=True)
    show_version(response, room.version)
    return _room(room)


@router.get("/rooms", summary="List rooms")
async def list_rooms(
    services: ServicesOf, external_id: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Rooms:
    """By name."""
    async with services.database.acquire() as connection:
        page = await rooms.list_rooms(connection, limit=limit, cursor=cursor, external_id=external_id)
    return Rooms(rooms=tuple(map(_room, page.items)), next_cursor=page.next_cursor)


@router.get("/rooms/{room_id}", summary="One room", responses=NOT_FOUND)
async def get_room(room_id: UUID, services: ServicesOf, response: Response) -> Room:
    """A room."""
    async with services.database.acquire() as connection:
        room = await rooms.get(connection, room_id)
    show_version(response, room.version)
    return _room(room)


@router.patch("/rooms/{room_id}", summary="Change a room", responses={**NOT_FOUND, **CHANGES})
async def update_room(
    room_id: UUID,
    body: RoomUpdate,
    services: ServicesOf,
    audit: AuditOf,
    response: Response,
    if_match: IfMatch = None,
) -> Room:
    """What is not given stays."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(
            connection, Action.ROOM_CHANGED, subject=f"room:{room_id}", fields=sorted(body.model_fields_set)
        )
        room = await rooms.update(
            connection,
            room_id,
            version=wanted_version(if_match),
            name=body.name,
            external_id=body.external_id if "external_id" in body.model_fields_set else people.KEEP,
        )
    show_version(response, room.version)
    return _room(room)


@router.delete("/rooms/{room_id}", status_code=204, summary="Delete a room", responses={**NOT_FOUND, **CHANGES})
async def delete_room(room_id: UUID, services: ServicesOf, audit: AuditOf, if_match: IfMatch = None) -> None:
    """Its cameras and sessions go on without a room."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.ROOM_REMOVED, subject=f"room:{room_id}")
        await rooms.remove(connection, room_id, version=wanted_version(if_match))


@router.get("/cameras/{camera_id}/place", summary="Where a camera hangs", responses=NOT_FOUND)
async def get_camera_place(camera_id: CameraId, services: ServicesOf) -> CameraPlaceBody:
    """Its room, and what being seen by it means."""
    async with services.database.acquire() as connection:
        return _place(await rooms.camera_place(connection, camera_id))


@router.put("/cameras/{camera_id}/place", summary="Say where a camera hangs", responses=NOT_FOUND)
async def put_camera_place(
    camera_id: CameraId, body: CameraPlaceBody, services: ServicesOf, audit: AuditOf
) -> CameraPlaceBody:
    """Doing it again changes nothing; what is not given is none."""
    place = rooms.CameraPlace(
        camera_id,
        body.room_id,
        None if body.direction is None else rooms.Direction(body.direction),
        body.reads_qr,
    )
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(
            connection, Action.CAMERA_CHANGED, subject=f"camera:{camera_id}", fields=sorted(body.model_fields_set)
        )
        await rooms.place_camera(connection, place)
    return body


def _room(room: rooms.Room) -> Room:
    return Room(
        id=room.room_id,
        name=room.name,
        external_id=room.external_id,
        cameras=room.camera_ids,
        version=room.version,
        created_at=room.created_at,
    )


def _place(place: rooms.CameraPlace) -> CameraPlaceBody:
    return CameraPlaceBody(
        room_id=place.room_id,
        direction=None if place.direction is None else place.direction.value,
        reads_qr=place.reads_qr,
    )
