"""Decoded video on its way from a decoder thread to the event loop: only frames that somebody waits for get there.

Every frame has to be decoded, because the next one builds on it. But it is turned into BGR, and the event loop is
woken, only when the camera's pace asks for a frame; all others are counted and dropped in the decoder thread.
"""

import asyncio
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

if TYPE_CHECKING:
    from recognition.types import ImageBgr

log = logging.getLogger("rollcall.webrtc")

BACKLOG_MAX = 15
_DECODERS = {"VP8": "vp8", "H264": "h264"}
_H264_KEY_UNITS = frozenset({5, 7})  # a picture that needs no other, and the parameters that come before one
_START_CODE = b"\x00\x00\x01"


class FrameOutlet:
    """Where a decoder thread puts its frames. `take`, `refuse` and `finish` are called there, the rest on the loop."""

    def __init__(self, *, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self.closed = False
        self.refused: tuple[int, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._seen = 0
        self._counted = 0
        self._wanted = False
        self._image: ImageBgr | None = None
        self._ended = False
        self._news = asyncio.Event()
        self._reformatter = VideoReformatter()

    async def next(self) -> "ImageBgr | None":
        """The next frame that is decoded from now on: uint8 (height, width, 3) BGR. None when there will be no more."""
        self._image = None
        self._news.clear()
        if not self._ended:
            self._wanted = True
            await self._news.wait()
        return self._image

    def skipped(self) -> int:
        """Frames decoded since the last call, besides the one that `next` gave."""
        seen = self._seen
        skipped = seen - self._counted - 1
        self._counted = seen
        return max(0, skipped)

    def close(self) -> None:
        """Take no more: what waits for the decoder is thrown away."""
        self.closed = True
        self._end()

    def take(self, frame: av.VideoFrame) -> None:
        """Count a decoded frame, and hand it over when it is wanted."""
        self._seen += 1
        if self._wanted:
            self._wanted = False
            # The reformatter keeps its tables from frame to frame; the frame's own method makes them anew. Left to
            # itself it would start a thread for every core.
            picture = self._reformatter.reformat(frame, format="bgr24", threads=1)
            self._tell(self._deliver, _pixels(picture))

    def refuse(self, width: int, height: int) -> None:
        """Say that the pictures are larger than is taken."""
        self.refused = (width, height)
        self._tell(self._end)

    def finish(self) -> None:
        """Say that there will be no more."""
        self._tell(self._end)

    def _deliver(self, image_bgr: "ImageBgr") -> None:
        self._image = image_bgr
        self._news.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()

    def _tell(self, what: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self.closed = True


def decode_into(outlet: FrameOutlet, encoded: "queue.Queue[Any]", ask_for_key_frame: threading.Event) -> None:
    """Decode what comes, in a thread of its own, until None comes. Items are (codec, frame) of the WebRTC library.

    When the decoder falls behind by BACKLOG_MAX frames all of them are dropped up to the next key frame, so that
    neither memory nor delay grow. Setting `ask_for_key_frame` makes the sender give one.
    """
    decoder: av.VideoCodecContext | None = None
    name = ""
    dropping = 0
    while (item := encoded.get()) is not None:
        if outlet.closed or outlet.refused:
            continue
        codec, frame = item
        if encoded.qsize() > BACKLOG_MAX or (dropping and not is_key_frame(codec.name, frame.data)):
            if dropping % BACKLOG_MAX == 0:
                ask_for_key_frame.set()
            dropping += 1
            continue
        dropping = 0
        if decoder is None or codec.name != name:
            name = codec.name
            decoder = _make_decoder(name, outlet.max_pixels)
        packet = av.Packet(frame.data)
        packet.pts = frame.timestamp
        try:
            pictures = decoder.decode(packet)
        except av.FFmpegError as error:
            width, height = _size(name, frame.data, decoder)
            if width * height > outlet.max_pixels:
                outlet.refuse(width, height)
            log.debug("a %s frame could not be decoded: %s", name, error)
            ask_for_key_frame.set()
            continue
        for picture in pictures:
            outlet.take(picture)
    outlet.finish()


def _pixels(picture: av.VideoFrame) -> "ImageBgr":
    """The picture's own memory as an array, where its rows follow each other; a copy costs more than the conversion."""
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    return np.ascontiguousarray(rows[: picture.height, : picture.width * 3]).reshape(picture.height, picture.width, 3)


def is_key_frame(codec_name: str, data: bytes) -> bool:
    """Whether an encoded frame (VP8 after RFC 6386, or H.264 in Annex B form) can be decoded without others."""
    if codec_name == "VP8":
        return bool(data) and data[0] & 1 == 0
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - 3:
        if data[at + 3] & 0x1F in _H264_KEY_UNITS:
            return True
        at = data.find(_START_CODE, at + 3)
    return False


def _make_decoder(name: str, max_pixels: int) -> av.VideoCodecContext:
    decoder = av.CodecContext.create(_DECODERS[name], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1  # this thread; more would each hold pictures of their own
    decoder.options = {"max_pixels": str(max_pixels)}
    return decoder


def _size(name: str, data: bytes, decoder: av.VideoCodecContext) -> tuple[int, int]:
    if name == "VP8" and len(data) >= 10 and is_key_frame(name, data):
        # RFC 6386, section 9.1: 14 bits each, behind the start code of a key frame.
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    return decoder.width, decoder.height
