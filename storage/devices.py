"""Devices that may stream as one camera, and the short-lived codes by which they are paired.

Only SHA-256 digests of tokens and codes come here. That is enough for a token, which is 256 random bits; a code has
few bits, but is worth something for minutes and once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from recognition.errors import UnavailableError
from storage import access, outbox
from storage.database import Connection, Record
from storage.errors import NotFound
from storage.names import page_by_name
from storage.paging import LIMIT_DEFAULT, Page

CODES_MAX = 32
# Written down no oftener, so that a busy device does not make a write of every request.
SEEN_EVERY = timedelta(minutes=5)

_COLUMNS = "id, name, device_name, camera_id, created_by, created_at, last_seen_at, revoked_at"
# An arbitrary number for the advisory lock; it spells "pairs" in ASCII.
_LOCK = 0x7061697273


@dataclass(frozen=True, slots=True)
class OpenCode:
    """A code that waits for its device, without the code: nobody is told that again."""

    code_id: UUID
    name: str
    camera_id: str
    created_by: str
    created_at: datetime
    expires_at: datetime


class TooManyPairings(UnavailableError):
    """As many codes wait for their devices as are kept."""

    code = "too_many_pairings"


@dataclass(frozen=True, slots=True)
class Device:
    """A phone or computer that may stream as `camera_id`. `device_name` is what it called itself."""

    device_id: UUID
    name: str
    device_name: str
    camera_id: str
    created_by: str
    created_at: datetime
    last_seen_at: datetime | None
    revoked_at: datetime | None


async def add_code(
    connection: Connection,
    code_sha256: bytes,
    *,
    name: str,
    camera_id: str,
    created_by: str,
    now: datetime,
    expires_at: datetime,
) -> UUID:
    """Keep a code until it is used, withdrawn or expires; return its id.

    Raises TooManyPairings when `CODES_MAX` are kept.
    """
    code_id = uuid4()
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute("DELETE FROM pairing_codes WHERE expires_at <= $1", now)
        if await connection.fetchval("SELECT count(*) FROM pairing_codes") >= CODES_MAX:
            raise TooManyPairings(
                f"{CODES_MAX} pairing codes wait for their devices",
                hint="use one, withdraw one, or wait until they expire",
            )
        await connection.execute(
            """
            INSERT INTO pairing_codes (id, code_sha256, name, camera_id, created_by, created_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            code_id,
            code_sha256,
            name,
            camera_id,
            created_by,
            now,
            expires_at,
        )
    return code_id


async def list_codes(
    connection: Connection, now: datetime, *, limit: int = LIMIT_DEFAULT, cursor: str | None = None
) -> Page[OpenCode]:
    """The codes that a device can still use, by name. Raises RequestError for a bad limit or cursor."""
    page = await page_by_name(
        connection,
        "pairing_codes",
        "id, name, camera_id, created_by, created_at, expires_at",
        limit=limit,
        cursor=cursor,
        conditions=["expires_at > $1"],
        arguments=[now],
    )
    return Page(tuple(OpenCode(*tuple(row)[:6]) for row in page.items), page.next_cursor)


async def withdraw_code(connection: Connection, code_id: UUID, now: datetime) -> OpenCode:
    """Make a code worth nothing. Raises NotFound, also for one that was used or has expired."""
    row = await connection.fetchrow(
        """
        DELETE FROM pairing_codes WHERE id = $1 AND expires_at > $2
        RETURNING id, name, camera_id, created_by, created_at, expires_at
        """,
        code_id,
        now,
    )
    if row is None:
        raise NotFound(
            f"there is no open pairing code {code_id}",
            hint="it was used, withdrawn or has expired; a device that was paired is revoked",
            code="pairing_not_found",
        )
    return OpenCode(*row)


async def redeem_code(
    connection: Connection, code_sha256: bytes, *, token_sha256: bytes, device_name: str, now: datetime
) -> Device | None:
    """Use a code up and make the device it was issued for, with its event.

    None when there is no such code, it has expired, or its camera was removed meanwhile.
    """
    async with connection.transaction():
        code = await connection.fetchrow(
            """
            DELETE FROM pairing_codes WHERE code_sha256 = $1
            RETURNING name, camera_id, created_by, expires_at, EXISTS (
                SELECT FROM cameras WHERE cameras.id = camera_id AND removed_at IS NULL
            ) AS has_camera
            """,
            code_sha256,
        )
        if code is None or code["expires_at"] <= now or not code["has_camera"]:
            return None
        row = await connection.fetchrow(
            f"""
            INSERT INTO devices (id, name, device_name, camera_id, token_sha256, created_by, created_at, last_seen_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING {_COLUMNS}
            """,
            uuid4(),
            code["name"],
            device_name,
            code["camera_id"],
            token_sha256,
            code["created_by"],
            now,
        )
        assert row is not None
        device = _device(row)
        await outbox.append(
            connection,
            "device.paired",
            {"device_id": str(device.device_id), "name": device.name, "camera": device.camera_id},
        )
        return device


async def find(connection: Connection, token_sha256: bytes, now: datetime) -> Device | None:
    """The device with this token, unless it is revoked; notes now and then that it was seen."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM devices WHERE token_sha256 = $1 AND revoked_at IS NULL", token_sha256
    )
    if row is None:
        return None
    if row["last_seen_at"] is None or now - row["last_seen_at"] >= SEEN_EVERY:
        await connection.execute("UPDATE devices SET last_seen_at = $2 WHERE id = $1", row["id"], now)
    return _device(row)


async def list_devices(
    connection: Connection, *, limit: int = LIMIT_DEFAULT, cursor: str | None = None
) -> Page[Device]:
    """The devices that are not revoked, by name. Raises RequestError for a bad limit or cursor."""
    page = await page_by_name(
        connection, "devices", _COLUMNS, limit=limit, cursor=cursor, conditions=["revoked_at IS NULL"]
    )
    return Page(tuple(map(_device, page.items)), page.next_cursor)


async def revoke(connection: Connection, device_id: UUID, now: datetime) -> None:
    """End a device's access, with its event. Raises NotFound, also for one that is revoked already."""
    async with connection.transaction():
        done = await connection.fetchval(
            "UPDATE devices SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id", device_id, now
        )
        if done is None:
            raise NotFound(f"there is no device {device_id}", code="device_not_found")
        await access.changed(connection, "device", device_id)


async def revoke_of_camera(connection: Connection, camera_id: str) -> list[UUID]:
    """End the access of all devices of a camera, and forget codes for it; part of removing the camera. Whose it was."""
    await connection.execute("DELETE FROM pairing_codes WHERE camera_id = $1", camera_id)
    rows = await connection.fetch(
        "UPDATE devices SET revoked_at = now() WHERE camera_id = $1 AND revoked_at IS NULL RETURNING id", camera_id
    )
    for row in rows:
        await access.changed(connection, "device", row["id"])
    return [row["id"] for row in rows]


def _device(row: Record) -> Device:
    return Device(row["id"], **{name.strip(): row[name.strip()] for name in _COLUMNS.split(",")[1:]})
