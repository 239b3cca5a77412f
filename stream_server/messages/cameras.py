"""The bodies of the REST API that concern cameras; the other shapes are in `messages`."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StrictBool

from stream_server.messages.wire import Shape


class PullBody(Shape):
    """How a camera does that the server opens by itself."""

    state: Literal["off", "connecting", "live", "stalled", "reconnecting", "refused"]
    reason: str = Field(description="Why it is not live, in words.")
    last_frame_age_s: float | None = Field(None, description="Null before the first picture.")
    frames: int = Field(0, description="Pictures taken from it since it was switched on.")
    connects: int = Field(0, description="How often it went live.")
    failures: int = Field(0, description="Tries in a row that failed.")
    via: str | None = Field(None, description="How it is read now, such as rtsp/tcp.")
    codec: str | None = None


class CameraBody(Shape):
    """A camera, and how it does."""

    id: str
    name: str
    connected: bool
    created_at: datetime
    frames: dict[str, int] | None = Field(None, description="Counts since it connected, by what became of them.")
    in_view: int | None = Field(None, description="Faces in the last picture that was looked at; null without one.")
    looked_at_age_s: float | None = Field(None, description="How long ago that was.")
    address: str | None = Field(None, description="Where the server opens it; null: it connects by itself.")
    transport: Literal["auto", "tcp", "udp"] = "auto"
    has_credentials: bool = Field(False, description="A user or password is kept; neither is ever shown.")
    enabled: bool = True
    pull: PullBody | None = Field(None, description="For cameras with an address.")


CameraLogin = Annotated[SecretStr, Field(max_length=200)]


class CameraPut(Shape):
    """A camera to add or change; of the members below `name`, what is absent stays."""

    name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    address: Annotated[str, Field(max_length=2000, examples=["rtsp://10.0.0.7/stream2"])] | None = Field(
        None, description="rtsp, rtsps, http or https, or file: below the replay folder; null: it connects by itself."
    )
    username: CameraLogin | None = None
    password: CameraLogin | None = None
    transport: Literal["auto", "tcp", "udp"] = Field("auto", description="For RTSP; auto: TCP, then UDP.")
    enabled: StrictBool = True


class CameraTrial(Shape):
    """An address to open once, before it is given to a camera."""

    address: Annotated[str, Field(min_length=1, max_length=2000, examples=["rtsp://10.0.0.7/stream2"])]
    username: CameraLogin = SecretStr("")
    password: CameraLogin = SecretStr("")
    transport: Literal["auto", "tcp", "udp"] = "auto"


class CameraTest(Shape):
    """What came of opening a camera once."""

    ok: bool
    reason: str = Field("", description="Why no picture came.")
    via: str | None = None
    codec: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    fps: float | None = Field(None, description="Frames a second that the stream announces.")
    jpeg_base64: str | None = Field(None, description="The first picture, as JPEG in base64.")


class CameraSearch(Shape):
    """How to look for ONVIF cameras."""

    timeout_s: float = Field(4.0, gt=0, le=30, description="How long to wait for answers.")
    username: CameraLogin = SecretStr("")
    password: CameraLogin = SecretStr("")


class FoundCameraBody(Shape):
    """A camera that answered."""

    device: str
    stream: str | None = Field(None, description="Address of its smallest stream.")
    width_px: int | None = None
    height_px: int | None = None
    reason: str = Field("", description="Why it did not tell its stream.")


class FoundCameras(Shape):
    """The cameras that answered."""

    cameras: tuple[FoundCameraBody, ...]


class Cameras(Shape):
    """All cameras."""

    cameras: tuple[CameraBody, ...]
