"""Removing a camera, as far as no stream is needed to see it."""

from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from storage import cameras, devices
from storage.database import Connection
from stream_server.cameras import CameraRegistry


async def paired(connection: Connection, camera_id: str, api: Any) -> UUID:
    await cameras.add(connection, camera_id)
    code, token = (sha256(f"{kind} of {camera_id}".encode()).digest() for kind in ("code", "token"))
    whose = {"name": camera_id, "camera_id": camera_id, "created_by": "owner-token"}
    expires_at = api.at.replace(year=api.at.year + 1)
    await devices.add_code(connection, code, now=api.at, expires_at=expires_at, **whose)
    device = await devices.redeem_code(connection, code, token_sha256=token, device_name="Pixel", now=api.at)
    assert device is not None
    return device.device_id


async def test_devices_of_a_removed_camera_have_no_access_from_the_answer_on(api: Any) -> None:
    async def nothing() -> None:
        return None

    ended: list[tuple[str, UUID]] = []
    api.services.cameras = CameraRegistry(api.database, auto_register=False)
    api.services.access = SimpleNamespace(end=lambda kind, subject: ended.append((kind, subject)))
    api.services.pulls = SimpleNamespace(share=SimpleNamespace(look_after_change=nothing))
    async with api.database.acquire() as connection:
        gone = await paired(connection, "gone", api)
        await paired(connection, "stays", api)
    await api.call("DELETE", "/cameras/gone", 204)
    assert ended == [("device", gone)]
