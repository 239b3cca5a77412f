"""Cameras: a camera is added once and may then stream."""

from fastapi import APIRouter

from storage import cameras
from stream_server.api.request import PROBLEMS, CameraId, ServicesOf
from stream_server.messages import CameraBody, CameraPut, Cameras

router = APIRouter(prefix="/cameras", tags=["cameras"], responses=PROBLEMS)


@router.get("", summary="List cameras")
async def list_cameras(services: ServicesOf) -> Cameras:
    """All cameras, and what became of the frames of those that stream."""
    async with services.database.acquire() as connection:
        rows = await cameras.list_cameras(connection)
    return Cameras(cameras=tuple(_camera(row, services) for row in rows))


@router.put("/{camera_id}", summary="Add or rename a camera")
async def put_camera(camera_id: CameraId, body: CameraPut, services: ServicesOf) -> CameraBody:
    """Doing it again changes nothing."""
    await services.cameras.add(camera_id, body.name or None)
    async with services.database.acquire() as connection:
        row = await cameras.get(connection, camera_id)
    return _camera(row, services)


def _camera(camera: cameras.Camera, services: ServicesOf) -> CameraBody:
    counts = services.hub.counts(camera.camera_id)
    return CameraBody(
        id=camera.camera_id,
        name=camera.name,
        connected=services.hub.is_connected(camera.camera_id),
        created_at=camera.created_at,
        frames=None if counts is None else counts.as_dict(),
    )
