"""Cameras: a camera is added once and may then stream, or is opened by the server when it has an address."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from storage import cameras
from stream_server.access.principals import Forbidden
from stream_server.api.audited import AuditOf
from stream_server.api.request import CONFLICT, NOT_FOUND, PROBLEMS, CameraId, ServicesOf
from stream_server.api.visible import VisibleTo
from stream_server.ingest.pull.keeper import SourceChange
from stream_server.ingest.pull.onvif import discover
from stream_server.ingest.pull.trial import try_camera
from stream_server.messages.cameras import (
    CameraBody,
    CameraPut,
    Cameras,
    CameraSearch,
    CameraTest,
    CameraTrial,
    FoundCameraBody,
    FoundCameras,
    PullBody,
)
from stream_server.privacy.auditing import Action
from stream_server.services import Services

router = APIRouter(prefix="/cameras", tags=["cameras"], responses=PROBLEMS)

OnlyNew = Annotated[
    str | None, Header(alias="If-None-Match", description="`*`: only add, and answer 409 when the id is taken.")
]


@router.get("", summary="List cameras")
async def list_cameras(services: ServicesOf) -> Cameras:
    """All cameras, how they do, and what became of the frames of those that stream."""
    async with services.database.acquire() as connection:
        rows = await cameras.list_cameras(connection)
    return Cameras(cameras=tuple(_camera(row, services) for row in rows))


@router.post("/discover", summary="Look for ONVIF cameras")
async def discover_cameras(body: CameraSearch, services: ServicesOf) -> FoundCameras:
    """Asks the network of the server, and each camera that answers for its smallest stream. Nothing is added."""
    async with services.trials:
        found = await discover(
            body.timeout_s, body.username.get_secret_value(), body.password.get_secret_value(), services.pulls.rules
        )
    return FoundCameras(cameras=tuple(FoundCameraBody(**asdict(camera)) for camera in found))


@router.post("/test", summary="Open an address once")
async def test_address(body: CameraTrial, services: ServicesOf) -> CameraTest:
    """As it would be opened if it were a camera's. Nothing is stored."""
    order = await services.pulls.order_of(
        body.address, body.username.get_secret_value(), body.password.get_secret_value(), body.transport
    )
    async with services.trials:
        return await try_camera(order)


@router.get("/{camera_id}", summary="One camera", responses=NOT_FOUND)
async def get_camera(camera_id: CameraId, services: ServicesOf) -> CameraBody:
    """How it does."""
    async with services.database.acquire() as connection:
        return _camera(await cameras.get(connection, camera_id), services)


@router.get(
    "/{camera_id}/frame",
    summary="Look through a camera",
    response_class=Response,
    responses={
        **NOT_FOUND,
        200: {"content": {"image/jpeg": {}}, "description": "The next picture, 320 pixels wide, with boxes"},
    },
)
async def get_frame(camera_id: CameraId, services: ServicesOf, audit: AuditOf, visible: VisibleTo) -> Response:
    """A small picture, made when it is asked for and kept nowhere; 503 when none comes in a few seconds."""
    if not visible.is_everything:
        raise Forbidden("a picture shows whoever is there, of any group", hint="an owner, admin or viewer may look")
    async with services.database.acquire() as connection:
        await cameras.get(connection, camera_id)
        await audit.seen(connection, Action.CAMERA_WATCHED, subject=f"camera:{camera_id}")
    picture = await services.glances.look(camera_id)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.put("/{camera_id}", summary="Add or change a camera", responses={**NOT_FOUND, **CONFLICT})
async def put_camera(
    camera_id: CameraId, body: CameraPut, services: ServicesOf, audit: AuditOf, only_new: OnlyNew = None
) -> CameraBody:
    """Doing it again changes nothing. With an address the server opens the camera by itself."""
    change = _change(body)
    await services.pulls.check(change)
    await services.cameras.add(
        camera_id, body.name or None, must_be_new=only_new == "*", audit=audit, fields=tuple(body.model_fields_set)
    )
    if change != SourceChange():
        await services.pulls.change(camera_id, change)
    return await get_camera(camera_id, services)


@router.delete("/{camera_id}", summary="Remove a camera", status_code=204, responses=NOT_FOUND)
async def delete_camera(camera_id: CameraId, services: ServicesOf, audit: AuditOf) -> Response:
    """Its address and credentials are deleted, and whatever streams as it is ended; records that name it stay."""
    for device_id in await services.cameras.remove(camera_id, audit):
        services.access.end("device", device_id)  # the others hear of it by the event
    await services.pulls.share.look_after_change()
    return Response(status_code=204)


@router.post("/{camera_id}/test", summary="Open a camera once", responses=NOT_FOUND)
async def test_camera(camera_id: CameraId, services: ServicesOf) -> CameraTest:
    """Opens the camera's address beside whatever runs, and says what came: a picture, or the reason why none did."""
    async with services.database.acquire() as connection:
        camera = await cameras.get(connection, camera_id)
    order = services.pulls.order(camera)
    async with services.trials:
        return await try_camera(order)


def _change(body: CameraPut) -> SourceChange:
    given = body.model_fields_set
    return SourceChange(
        address=(body.address or "") if "address" in given else None,
        username=(body.username.get_secret_value() if body.username else "") if "username" in given else None,
        password=(body.password.get_secret_value() if body.password else "") if "password" in given else None,
        transport=body.transport if "transport" in given else None,
        enabled=body.enabled if "enabled" in given else None,
    )


def _camera(camera: cameras.Camera, services: Services) -> CameraBody:
    counts = services.hub.counts(camera.camera_id)
    view = services.hub.view(camera.camera_id)
    return CameraBody(
        id=camera.camera_id,
        name=camera.name,
        connected=services.hub.is_connected(camera.camera_id),
        created_at=camera.created_at,
        frames=None if counts is None else counts.as_dict(),
        in_view=None if view is None else view[0],
        looked_at_age_s=None if view is None else round(view[1], 2),
        address=camera.address,
        transport=camera.transport,
        has_credentials=services.pulls.has_credentials(camera),
        enabled=camera.enabled,
        pull=None if camera.address is None else _pull(camera, services),
    )


def _pull(camera: cameras.Camera, services: Services) -> PullBody:
    status = services.pulls.supervisor.status(camera.camera_id)
    if status is None and not camera.enabled:
        return PullBody(state="off", reason="it is switched off")
    if status is None:  # another server on the same database opens it
        return PullBody.model_validate({"state": camera.state, "reason": camera.state_reason})
    return PullBody(
        state=status.state.value,
        reason=status.reason,
        last_frame_age_s=status.last_frame_age_s,
        frames=status.frames,
        connects=status.connects,
        failures=status.failures,
        via=status.via,
        codec=status.codec,
    )
