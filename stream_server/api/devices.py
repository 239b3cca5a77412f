"""Devices: pairing by a short code that can be withdrawn, the list of those that are paired, and revoking one."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from storage import devices
from stream_server.access.attempts import source_of
from stream_server.access.principals import Forbidden, principal_of
from stream_server.access.rights import Right
from stream_server.api.audited import AuditOf
from stream_server.api.request import NOT_FOUND, PROBLEMS, TOO_MANY, Cursor, Limit, ServicesOf, problems
from stream_server.messages.access import (
    DeviceBody,
    Devices,
    OpenPairing,
    OpenPairings,
    Paired,
    PairingCode,
    PairingCreate,
    PairRequest,
)
from stream_server.privacy.auditing import Action
from stream_server.services import Services

router = APIRouter(tags=["access"], responses=PROBLEMS)
# Without a credential: the code is what lets a device in.
open_router = APIRouter(tags=["access"], responses=PROBLEMS)


@router.post("/pairings", status_code=201, summary="Issue a pairing code", responses=NOT_FOUND)
async def create_pairing(body: PairingCreate, request: Request, services: ServicesOf, audit: AuditOf) -> PairingCode:
    """The code is good for one device and some minutes. A phone opens `/camera#code=…` with it."""
    principal = principal_of(request)
    if body.create_camera and Right.CAMERAS not in principal.rights:
        raise Forbidden(
            f"adding a camera needs the right `{Right.CAMERAS}`, which the {principal.kind} does not have",
            hint="add the camera first, and leave out create_camera",
        )
    issued = await services.pairing.issue(
        body.camera_id, body.name, create_camera=body.create_camera, by=principal, audit=audit
    )
    return PairingCode(id=issued.code_id, code=issued.code, expires_at=issued.expires_at, camera_id=body.camera_id)


@router.get("/pairings", summary="List open pairing codes")
async def list_pairings(services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> OpenPairings:
    """Those that a device can still use, by name, without the codes: each is told once, to whoever issued it."""
    async with services.database.acquire() as connection:
        page = await devices.list_codes(connection, services.now(), limit=limit, cursor=cursor)
    return OpenPairings(
        pairings=tuple(
            OpenPairing(
                id=code.code_id,
                camera_id=code.camera_id,
                name=code.name,
                created_by=code.created_by,
                created_at=code.created_at,
                expires_at=code.expires_at,
            )
            for code in page.items
        ),
        next_cursor=page.next_cursor,
    )


@router.delete("/pairings/{pairing_id}", status_code=204, summary="Withdraw a pairing code", responses=NOT_FOUND)
async def withdraw_pairing(pairing_id: UUID, services: ServicesOf, audit: AuditOf) -> Response:
    """The code pairs nothing from now on. A device that has used it already is revoked instead."""
    await services.pairing.withdraw(pairing_id, audit)
    return Response(status_code=204)


@open_router.post(
    "/pair",
    status_code=201,
    summary="Pair a device",
    responses={**TOO_MANY, **problems(_403="The code is unknown, used or has expired")},
)
async def pair(body: PairRequest, request: Request, response: Response, services: ServicesOf, audit: AuditOf) -> Paired:
    """Needs no token but a code; gives the device its own. It may stream as its camera, and nothing else."""
    source = source_of(request.scope.get("client"))
    device, token = await services.pairing.redeem(body.code, body.device_name, source, audit)
    response.headers["Cache-Control"] = "no-store"
    return Paired(device_id=device.device_id, token=token, camera_id=device.camera_id, name=device.name)


@router.get("/devices", summary="List paired devices")
async def list_devices(services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> Devices:
    """Those that are not revoked, by name."""
    async with services.database.acquire() as connection:
        page = await devices.list_devices(connection, limit=limit, cursor=cursor)
    return Devices(devices=tuple(_device(row, services) for row in page.items), next_cursor=page.next_cursor)


@router.delete("/devices/{device_id}", status_code=204, summary="Revoke a device", responses=NOT_FOUND)
async def revoke_device(device_id: UUID, services: ServicesOf, audit: AuditOf) -> Response:
    """Its token is worth nothing from now on, and its connections are closed, on every server."""
    async with services.database.acquire() as connection, connection.transaction():
        await audit.changed(connection, Action.DEVICE_REVOKED, subject=f"device:{device_id}")
        await devices.revoke(connection, device_id, services.now())
    services.access.end("device", device_id)  # the others hear of it by the event
    return Response(status_code=204)


def _device(device: devices.Device, services: Services) -> DeviceBody:
    return DeviceBody(
        id=device.device_id,
        name=device.name,
        device_name=device.device_name,
        camera_id=device.camera_id,
        connected=services.access.is_connected("device", device.device_id),
        created_by=device.created_by,
        created_at=device.created_at,
        last_seen_at=device.last_seen_at,
    )
