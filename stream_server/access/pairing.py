"""Pairing: a short code, shown to somebody in the room, becomes the token of a device that streams as one camera.

A code is 8 signs of an alphabet of 32: 40 bits, good for one device and for minutes. With 60 wrong ones a minute let
through in all, and at most 32 codes alive, somebody who guesses all the time hits one within 10 minutes with a chance
of 60 * 10 * 32 / 2**40, 1 in 57 million: an even chance takes 750 years. Each replica counts for itself, so that n of
them let n times as many through.
"""

import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from recognition.errors import RequestError
from storage import cameras, devices
from storage.database import Connection, Database
from storage.errors import NotFound
from stream_server.access.attempts import AttemptLimit
from stream_server.access.principals import OWNER_TOKEN, Kind, Principal, digest
from stream_server.access.rights import Right
from stream_server.access.shared_attempts import SharedAttempts
from stream_server.cameras import CameraRegistry
from stream_server.privacy.auditing import Action, Auditor

log = logging.getLogger("rollcall.access")

# Crockford's base 32: no I, L, O, U. What is read wrongly is put right.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 8
DEVICE_TOKEN = "rcd_"
ATTEMPTS_A_MINUTE = 60
ATTEMPTS_A_MINUTE_FROM_ONE = 10
_MISREAD = str.maketrans("ILO", "110")


class PairingRefused(RequestError):
    """The code is unknown, used or has expired; which of them is not told."""

    code = "pairing_refused"


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code such as `7KQ2-M9XD`, and the id by which it can be withdrawn."""

    code_id: UUID
    code: str
    expires_at: datetime


class Pairing:
    """Issues codes and takes them."""

    def __init__(
        self,
        database: Database,
        registry: CameraRegistry,
        *,
        lifetime_s: float,
        attempts: SharedAttempts,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cameras = registry
        self._lifetime = timedelta(seconds=lifetime_s)
        self._now = now
        self._attempts = attempts
        self._limit = AttemptLimit("pairing", in_all=ATTEMPTS_A_MINUTE, from_one=ATTEMPTS_A_MINUTE_FROM_ONE)

    async def issue(
        self,
        camera_id: str,
        name: str,
        *,
        create_camera: bool = True,
        by: Principal = OWNER_TOKEN,
        audit: Auditor | None = None,
    ) -> IssuedCode:
        """A new code for a camera. `name` is that of the device.

        A camera that is not there is added under this name, if it may. `audit` is that of the request that asks;
        without one the server itself asks. Raises NotFound `unknown_camera`, RequestError `camera_id_invalid`,
        TooManyPairings and StorageUnavailable.
        """
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        now = self._now()
        expires_at = now + self._lifetime
        if not await self._has_camera(camera_id):
            if not create_camera:
                raise NotFound(
                    f"there is no camera {camera_id}", hint="add it, or set create_camera", code="unknown_camera"
                )
            await self._cameras.add(camera_id, name, audit=audit)
        async with self._database.acquire() as connection, connection.transaction():
            if audit is not None:
                await audit.changed(connection, Action.PAIRING_ISSUED, subject=f"camera:{camera_id}")
            code_id = await devices.add_code(
                connection,
                digest(code),
                name=name,
                camera_id=camera_id,
                created_by=by.actor,
                now=now,
                expires_at=expires_at,
            )
        return IssuedCode(code_id, f"{code[:4]}-{code[4:]}", expires_at)

    async def withdraw(self, code_id: UUID, audit: Auditor) -> None:
        """Make a code worth nothing. Raises NotFound `pairing_not_found` and StorageUnavailable."""
        async with self._database.acquire() as connection, connection.transaction():
            code = await devices.withdraw_code(connection, code_id, self._now())
            await audit.changed(connection, Action.PAIRING_WITHDRAWN, subject=f"camera:{code.camera_id}")

    async def redeem(self, code: str, device_name: str, source: str, audit: Auditor) -> tuple[devices.Device, str]:
        """The device that a code makes, and its token. `source` is who asks, as of `attempts.source_of`.

        Raises TooManyAttempts, PairingRefused and StorageUnavailable.
        """
        async with self._attempts.attempt((self._limit, source), wrong=PairingRefused):
            token = DEVICE_TOKEN + secrets.token_urlsafe(32)
            plain = plain_code(code)
            device = None
            if plain is not None:
                async with self._database.acquire() as connection, connection.transaction():
                    device = await devices.redeem_code(
                        connection,
                        digest(plain),
                        token_sha256=digest(token),
                        device_name=device_name,
                        now=self._now(),
                    )
                    if device is not None:
                        actor = audit.as_actor(f"{Kind.DEVICE}:{device.device_id}")
                        await actor.changed(connection, Action.DEVICE_PAIRED, subject=f"camera:{device.camera_id}")
            if device is None:
                async with self._database.acquire() as connection:
                    await audit.seen(connection, Action.PAIRING_REFUSED, source=source)
                log.info("a pairing from %s was refused", source)
                raise PairingRefused(
                    "the code is wrong, was used or has expired", hint="ask for a new one: each is good for one device"
                )
        log.info("device %s was paired as camera %s", device.device_id, device.camera_id)
        return device, token

    async def find(self, connection: Connection, token_sha256: bytes) -> Principal | None:
        """The device with this token."""
        device = await devices.find(connection, token_sha256, self._now())
        if device is None:
            return None
        return Principal(
            Kind.DEVICE,
            device.device_id,
            device.name,
            frozenset({Right.STREAM}),
            camera_id=device.camera_id,
            subjects=frozenset({("device", device.device_id)}),
        )

    async def _has_camera(self, camera_id: str) -> bool:
        async with self._database.acquire() as connection:
            try:
                await cameras.get(connection, camera_id)
            except NotFound:
                return False
        return True


def plain_code(code: str) -> str | None:
    """A code as it was issued, however it was typed; None when it can be none."""
    plain = re.sub(r"[\s-]", "", code).upper().translate(_MISREAD)
    return plain if len(plain) == CODE_LENGTH and set(plain) <= set(ALPHABET) else None
