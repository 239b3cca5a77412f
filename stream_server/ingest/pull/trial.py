"""Opening a camera once, in a process of its own, to see what comes."""

import asyncio
import base64
from dataclasses import replace

from stream_server.ingest.pull.group import ReaderGroup
from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.pictures import payload_of
from stream_server.ingest.pull.wire import Header
from stream_server.messages.cameras import CameraTest

TRIAL_TIMEOUT_S = 25.0
JPEG_QUALITY = 85


async def try_camera(order: Order) -> CameraTest:
    """What comes of the camera: its first picture, or the reason why there is none."""
    done: asyncio.Future[tuple[Header, bytearray]] = asyncio.get_running_loop().create_future()
    opened: Header = {}

    def on_message(group: ReaderGroup, header: Header, payload: bytearray) -> None:
        if header["type"] == "opened":
            opened.update(header)
        elif header["type"] in ("frame", "ended") and not done.done():
            done.set_result((header, payload))

    def on_gone(group: ReaderGroup) -> None:
        if not done.done():
            done.set_result(({"type": "ended", "reason": "the reader has ended"}, bytearray()))

    group = ReaderGroup(on_message, on_gone)
    await group.start()
    try:
        group.send(replace(order, attempt=1).to_wire())
        async with asyncio.timeout(TRIAL_TIMEOUT_S):
            header, payload = await done
    except TimeoutError:
        return CameraTest(ok=False, reason="the camera did not answer in time")
    finally:
        await group.close()
    if header["type"] == "ended":
        return CameraTest(ok=False, reason=str(header["reason"]))
    jpeg, width, height = await asyncio.to_thread(_jpeg, header, payload)
    if jpeg is None:
        return CameraTest(ok=False, reason="the camera sends something that is no picture")
    return CameraTest(
        ok=True,
        via=opened.get("via"),
        codec=opened.get("codec"),
        width_px=opened.get("width") or width,
        height_px=opened.get("height") or height,
        fps=opened.get("fps"),
        jpeg_base64=base64.b64encode(jpeg).decode(),
    )


def _jpeg(header: Header, payload: bytearray) -> tuple[bytes | None, int, int]:
    from recognition.errors import ImageError
    from recognition.frames import decode
    from stream_server.demo.views import encode_jpeg

    picture = payload_of(header, payload)
    if isinstance(picture, bytes):
        try:
            image_bgr = decode(picture)
        except ImageError:
            return None, 0, 0
        jpeg = picture if picture.startswith(b"\xff\xd8") else encode_jpeg(image_bgr, JPEG_QUALITY)
        return jpeg, image_bgr.shape[1], image_bgr.shape[0]
    return encode_jpeg(picture, JPEG_QUALITY), picture.shape[1], picture.shape[0]
