"""The bodies of the REST API that concern access: pairing, devices, and who a credential is."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from stream_server.messages.wire import CAMERA_ID, Page, Shape

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Label = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")
]


class PairingCreate(Shape):
    """A device to pair."""

    camera_id: Annotated[str, Field(pattern=CAMERA_ID, examples=["phone-1"])] = Field(
        description="The camera that the device will stream as."
    )
    name: Label = Field(description="Name of the device for people.", examples=["Phone of room 5"])
    create_camera: bool = Field(False, description="Add the camera if it is not there; needs the right `cameras`.")


class PairingCode(Shape):
    """A code, to be shown to whoever holds the device."""

    id: UUID = Field(description="By which it can be withdrawn.")
    code: str = Field(examples=["7KQ2-M9XD"])
    expires_at: datetime
    camera_id: str


class OpenPairing(Shape):
    """A code that waits for its device, without the code."""

    id: UUID
    camera_id: str = Field(examples=["phone-1"])
    name: str = Field(description="What the device will be called.", examples=["Phone of room 5"])
    created_by: str = Field(description="Who issued it.", examples=["owner-token"])
    created_at: datetime
    expires_at: datetime


class OpenPairings(Page):
    """The codes that a device can still use."""

    pairings: tuple[OpenPairing, ...]


class PairRequest(Shape):
    """What a device says to be paired."""

    code: Annotated[str, Field(max_length=40, examples=["7KQ2-M9XD"])]
    device_name: Annotated[str, Field(max_length=100, pattern=_PRINTABLE)] = Field(
        "", description="What the device is, such as its model.", examples=["Pixel 6"]
    )


class Paired(Shape):
    """The device's own token: it is told once, and opens one camera."""

    device_id: UUID
    token: str
    camera_id: str
    name: str


class DeviceBody(Shape):
    """A paired device."""

    id: UUID
    name: str
    device_name: str = Field(description="What it called itself.")
    camera_id: str
    connected: bool = Field(description="It is connected to this server now.")
    created_by: str = Field(description="Who issued its code.")
    created_at: datetime
    last_seen_at: datetime | None = Field(None, description="Noted every few minutes.")


class Devices(Page):
    """The devices that are not revoked."""

    devices: tuple[DeviceBody, ...]


class Me(Shape):
    """Who the credential of the request is, and what it may do."""

    kind: Literal["owner-token", "user", "api-token", "device"]
    id: UUID | None = Field(None, description="Of the user, token or device; null for the owner's token.")
    name: str
    rights: tuple[str, ...]
    role: Literal["owner", "admin", "teacher", "viewer"] | None = Field(None, description="Of a user.")
    groups: tuple[UUID, ...] | None = Field(
        None, description="Of a teacher: their groups; they see nothing else. Null: no limit."
    )
    camera_id: str | None = Field(None, description="For a device: the one camera it may stream as.")
    csrf_token: str | None = Field(
        None, description="For a session: to be sent as `X-CSRF-Token` with everything that changes something."
    )
