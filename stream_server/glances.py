"""A look through a camera: one small picture with boxes, made when somebody asks for it and kept nowhere.

Whoever looks at the same camera at the same time gets the same picture, and one picture is made at a time, so that
many open dashboards cost no more than one.
"""

import asyncio
from collections.abc import Mapping

import cv2
import numpy as np

from recognition.errors import RequestError, UnavailableError
from recognition.frames import DecodeLimits, decode
from recognition.types import FaceState, Frame, FrameResult, ImageBgr
from stream_server.demo.views import encode_jpeg

WIDTH_PX = 320
QUALITY = 65
WAIT_S = 4.0
# Read at a half, a quarter or an eighth of its size where that is enough.
_LIMITS = DecodeLimits(working_pixels=WIDTH_PX * WIDTH_PX)
_PLAIN_BGR = (196, 180, 160)
_COLOURS_BGR: Mapping[FaceState, tuple[int, int, int]] = {
    FaceState.KNOWN: (151, 220, 61),
    FaceState.REVIEW: (77, 190, 255),
    FaceState.UNKNOWN: (128, 138, 255),
}


class GlancesOff(RequestError):
    """The settings let nobody look."""

    code = "glances_off"


class NoPicture(UnavailableError):
    """The camera sent nothing in time."""

    code = "no_picture"


class Glances:
    """Who waits for a picture of which camera."""

    def __init__(self, *, allowed: bool, wait_s: float = WAIT_S) -> None:
        self._allowed = allowed
        self._wait_s = wait_s
        self._waiting: dict[str, asyncio.Future[tuple[Frame, FrameResult]]] = {}
        self._making: dict[str, asyncio.Task[bytes]] = {}
        self._turn = asyncio.Semaphore(1)

    async def look(self, camera_id: str) -> bytes:
        """The next picture of a camera that streams, as JPEG, 320 pixels wide; GlancesOff, NoPicture, ImageError."""
        if not self._allowed:
            raise GlancesOff(
                "this site lets nobody look through its cameras", hint="ROLLCALL_CAMERAS__GLANCES is false"
            )
        making = self._making.get(camera_id)
        if making is None:
            making = self._making[camera_id] = asyncio.create_task(self._make(camera_id), name="glance")
            making.add_done_callback(lambda done: self._made(camera_id, done))
        return await asyncio.shield(making)  # one who leaves takes the picture from nobody else

    def seen(self, frame: Frame, result: FrameResult) -> None:
        """Show a frame that was recognised to whoever waits for one of its camera."""
        waiting = self._waiting.get(frame.camera_id)
        if waiting is not None and not waiting.done():
            waiting.set_result((frame, result))

    def _made(self, camera_id: str, done: "asyncio.Task[bytes]") -> None:
        self._making.pop(camera_id, None)
        if not done.cancelled():
            done.exception()  # those who waited were told; when all have left, nobody has to be

    async def _make(self, camera_id: str) -> bytes:
        waiting = self._waiting[camera_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._wait_s):
                frame, result = await waiting
        except TimeoutError:
            raise NoPicture(
                f"no picture of camera {camera_id} came in {self._wait_s:g} s", hint="look whether it is connected"
            ) from None
        finally:
            del self._waiting[camera_id]
        async with self._turn:
            return await asyncio.to_thread(small_picture, frame, result)


def small_picture(frame: Frame, result: FrameResult) -> bytes:
    """The frame as JPEG, at most 320 pixels wide, with a box around each face; ImageError for what is no picture."""
    image = frame.payload if isinstance(frame.payload, np.ndarray) else decode(frame.payload, _LIMITS)
    height, width = image.shape[:2]
    small_width = min(width, WIDTH_PX)
    small: ImageBgr = np.asarray(
        cv2.resize(image, (small_width, max(1, round(height * small_width / width))), interpolation=cv2.INTER_AREA),
        np.uint8,
    ).copy()
    scale = small_width / result.width_px
    for face in result.faces:
        x1, y1, x2, y2 = (round(value * scale) for value in face.box_xyxy)
        cv2.rectangle(small, (x1, y1), (x2, y2), _COLOURS_BGR.get(face.state, _PLAIN_BGR), 2)
    return encode_jpeg(small, QUALITY)
