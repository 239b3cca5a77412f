import asyncio
import fractions
import queue
import threading
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from stream_server.ingest.webrtc_frames import BACKLOG_MAX, FrameOutlet, decode_into, is_key_frame

ENCODERS = {"VP8": "libvpx", "H264": "libx264"}
OPTIONS = {
    "VP8": {"deadline": "realtime", "lag-in-frames": "0"},
    "H264": {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "annexb=1"},
}


def encoded(codec: str, frames: int = 3, width: int = 320, height: int = 240, key_every: int = 1000) -> list[Any]:
    """Items as the WebRTC library queues them."""
    coder = av.CodecContext.create(ENCODERS[codec], "w")
    coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
    coder.time_base = fractions.Fraction(1, 15)
    coder.gop_size = key_every
    coder.options = OPTIONS[codec]
    items = []
    for number in range(frames):
        image = np.full((height, width, 3), (250, 20, 20), np.uint8)
        image[:20, : 20 + number] = 255
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts = number
        items += [bytes(packet) for packet in coder.encode(frame)]
    items += [bytes(packet) for packet in coder.encode(None)]
    assert len(items) == frames
    name = SimpleNamespace(name=codec)
    return [(name, SimpleNamespace(data=data, timestamp=n * 6000)) for n, data in enumerate(items)]


async def decode(outlet: FrameOutlet, items: list[Any]) -> bool:
    """Decode in a thread as the library does; says whether a key frame was asked for."""
    waiting: queue.Queue[Any] = queue.Queue()
    for item in [*items, None]:
        waiting.put(item)
    asked = threading.Event()
    await asyncio.to_thread(decode_into, outlet, waiting, asked)
    return asked.is_set()


@pytest.mark.parametrize("codec", ENCODERS)
async def test_the_frame_that_is_wanted_comes_as_bgr_and_the_others_are_counted(codec: str) -> None:
    outlet = FrameOutlet(max_pixels=100_000)
    wanted = asyncio.create_task(outlet.next())
    await asyncio.sleep(0)
    assert not await decode(outlet, encoded(codec))
    image = await wanted
    assert image is not None
    assert (image.shape, image.dtype) == ((240, 320, 3), np.uint8)
    assert image[200, 200].argmax() == 0
    assert outlet.skipped() == 2
    assert await outlet.next() is None  # the video has ended


async def test_nothing_is_handed_over_while_nobody_waits() -> None:
    outlet = FrameOutlet(max_pixels=100_000)
    await decode(outlet, encoded("VP8"))
    assert await outlet.next() is None
    assert outlet.skipped() == 2


@pytest.mark.parametrize("codec", ENCODERS)
async def test_pictures_that_are_too_large_are_refused_with_their_size(codec: str) -> None:
    outlet = FrameOutlet(max_pixels=50_000)
    await decode(outlet, encoded(codec))
    assert outlet.refused == (320, 240)
    assert await outlet.next() is None


async def test_a_video_that_cannot_be_decoded_is_passed_over_and_a_key_frame_asked_for() -> None:
    outlet = FrameOutlet(max_pixels=100_000)
    name = SimpleNamespace(name="H264")
    broken = [(name, SimpleNamespace(data=b"\x00\x00\x01\x65" + bytes(40), timestamp=0))]
    wanted = asyncio.create_task(outlet.next())
    await asyncio.sleep(0)
    assert await decode(outlet, broken + encoded("H264"))
    assert await wanted is not None


async def test_a_backlog_is_dropped_up_to_a_key_frame() -> None:
    items = encoded("VP8", frames=BACKLOG_MAX + 20, key_every=BACKLOG_MAX + 10)
    outlet = FrameOutlet(max_pixels=100_000)
    assert await decode(outlet, items)
    keys = [number for number, (_, frame) in enumerate(items) if is_key_frame("VP8", frame.data)]
    assert keys == [0, BACKLOG_MAX + 10]
    assert outlet.skipped() == len(items) - keys[1] - 1


async def test_what_waits_for_a_closed_outlet_is_thrown_away() -> None:
    outlet = FrameOutlet(max_pixels=100_000)
    outlet.close()
    await decode(outlet, encoded("VP8"))
    assert outlet.skipped() == 0
    assert await outlet.next() is None


@pytest.mark.parametrize("codec", ENCODERS)
def test_key_frames_are_known(codec: str) -> None:
    found = [is_key_frame(codec, frame.data) for _, frame in encoded(codec, frames=8, key_every=4)]
    assert found == [True, False, False, False] * 2


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x00\x00\x01"])
def test_what_is_no_frame_is_no_key_frame(codec: str, data: bytes) -> None:
    assert not is_key_frame(codec, data)
