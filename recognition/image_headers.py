"""What a picture file says of itself, read without decoding it: format, size, whether it is whole, single and simple.

JPEG after ITU-T T.81 annex B (markers), PNG after the W3C PNG specification (chunks; `acTL` marks an animation),
WebP after the container specification of RFC 9649.
"""

import re
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Literal

from recognition.errors import ImageError

ImageFormat = Literal["JPEG", "PNG", "WebP"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Start-of-frame markers: C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_PROGRESSIVE_MARKERS = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Markers without a length: TEM, RST0..7 and a second SOI.
_JPEG_BARE_MARKERS = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
# In entropy-coded data FF is followed by 00 or by a restart marker; anything else is the next marker.
_JPEG_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_NO_FILL_BYTE = re.compile(rb"[^\xff]", re.DOTALL)

# What a small file may make us and the decoder do. Each scan of a progressive JPEG costs a walk over all its pixels
# (7 ms of 12 million), each compressed text of a PNG up to 8 MB of inflating (15 ms); cameras and editors write some
# ten scans, a few segments or chunks of their own, and pixels in chunks of 8 kB.
_JPEG_SCANS_MAX = 64
_JPEG_MARKERS_MAX = 4096
_PNG_CHUNKS_MAX = 16_384
_PNG_OTHER_CHUNKS_MAX = 256
_PNG_COMPRESSED_CHUNKS_MAX = 16
_PNG_COMPRESSED_KINDS = frozenset({b"zTXt", b"iTXt", b"iCCP"})


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size in pixels as stored, before the EXIF orientation is applied.

    `needs_whole_decode` says that the decoder must hold every pixel, whatever size is asked of it.
    """

    format: ImageFormat
    width: int
    height: int
    needs_whole_decode: bool


def read_header(data: bytes) -> ImageHeader:
    """Read size and form of a JPEG, PNG or WebP file from its bytes.

    Raises ImageError: image_unknown_format, image_truncated, image_animated, image_too_complex, image_undecodable.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _read_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _read_webp(data)
    raise ImageError(
        "the bytes are no JPEG, PNG or WebP picture",
        hint="send the file's bytes as they are, without base64 or a data address",
        code="image_unknown_format",
    )


def _truncated(image_format: ImageFormat) -> ImageError:
    return ImageError(
        f"the {image_format} picture is cut short",
        hint="the transfer was broken off; send the whole file",
        code="image_truncated",
    )


def _undecodable(image_format: ImageFormat, reason: str) -> ImageError:
    return ImageError(f"the {image_format} picture is damaged: {reason}", hint="the file is damaged")


def _animated(image_format: ImageFormat) -> ImageError:
    return ImageError(
        f"the {image_format} picture is animated",
        hint="send one still picture a message",
        code="image_animated",
    )


def _too_complex(image_format: ImageFormat, what: str, count_max: int) -> ImageError:
    return ImageError(
        f"the {image_format} picture has more than {count_max:,} {what}",
        hint="save it anew with an ordinary program",
        code="image_too_complex",
    )


def _read_jpeg(data: bytes) -> ImageHeader:
    header: ImageHeader | None = None
    colours = markers = scans = 0
    position = 2
    while True:
        markers += 1
        if markers > _JPEG_MARKERS_MAX:
            raise _too_complex("JPEG", "segments", _JPEG_MARKERS_MAX)
        # A marker may be preceded by any number of FF fill bytes.
        if data[position : position + 2] == b"\xff\xff":
            filled = _NO_FILL_BYTE.search(data, position)
            if filled is None:
                raise _truncated("JPEG")
            position = filled.start() - 1
        if position + 2 > len(data):
            raise _truncated("JPEG")
        if data[position] != 0xFF:
            raise _undecodable("JPEG", "there is no marker where one must be")
        marker = data[position + 1]
        if marker == 0xD9:
            break
        position += 2
        if marker in _JPEG_BARE_MARKERS:
            continue
        # Segments are stepped over whole, so an EXIF thumbnail with its own end mark is never mistaken for the picture.
        if position + 2 > len(data):
            raise _truncated("JPEG")
        (length,) = struct.unpack_from(">H", data, position)
        if length < 2:
            raise _undecodable("JPEG", "a segment is shorter than its own length")
        if position + length > len(data):
            raise _truncated("JPEG")
        if marker in _JPEG_FRAME_MARKERS:
            if length < 8:
                raise _undecodable("JPEG", "the frame header is too short")
            height, width = struct.unpack_from(">HH", data, position + 3)
            if header is not None and (header.width, header.height) != (width, height):
                raise _undecodable("JPEG", "it states two sizes")
            header = ImageHeader("JPEG", width, height, marker in _JPEG_PROGRESSIVE_MARKERS)
            colours = data[position + 7]
        if marker == 0xDA:
            scans += 1
            if scans > _JPEG_SCANS_MAX:
                raise _too_complex("JPEG", "scans", _JPEG_SCANS_MAX)
            # Where the colours come one after the other, the decoder keeps all of them, progressive or not.
            if header is not None and length > 2 and data[position + 2] < colours:
                header = replace(header, needs_whole_decode=True)
        position += length
        if marker == 0xDA:
            following = _JPEG_NEXT_MARKER.search(data, position)
            if following is None:
                raise _truncated("JPEG")
            position = following.start()
    if header is None or not scans:
        raise _undecodable("JPEG", "it holds no picture")
    return header


def _read_png(data: bytes) -> ImageHeader:
    if len(data) < 33:
        raise _truncated("PNG")
    if data[12:16] != b"IHDR":
        raise _undecodable("PNG", "it does not begin with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    view = memoryview(data)
    position = 8
    chunks = others = compressed = 0
    while True:
        if position + 12 > len(data):
            raise _truncated("PNG")
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        if position + 12 + length > len(data):
            raise _truncated("PNG")
        if kind == b"acTL":
            raise _animated("PNG")
        chunks += 1
        others += kind != b"IDAT"
        compressed += kind in _PNG_COMPRESSED_KINDS
        if chunks > _PNG_CHUNKS_MAX:
            raise _too_complex("PNG", "chunks", _PNG_CHUNKS_MAX)
        if others > _PNG_OTHER_CHUNKS_MAX:
            raise _too_complex("PNG", "chunks beside its pixels", _PNG_OTHER_CHUNKS_MAX)
        if compressed > _PNG_COMPRESSED_CHUNKS_MAX:
            raise _too_complex("PNG", "compressed texts", _PNG_COMPRESSED_CHUNKS_MAX)
        # libpng writes to the standard error of the process when a sum is wrong; here it is a reason for the sender.
        stored_sum = data[position + 8 + length : position + 12 + length]
        if zlib.crc32(view[position + 4 : position + 8 + length]).to_bytes(4, "big") != stored_sum:
            raise _undecodable("PNG", "a check sum is wrong")
        if kind == b"IEND":
            return ImageHeader("PNG", width, height, needs_whole_decode=True)
        position += 12 + length


def _read_webp(data: bytes) -> ImageHeader:
    if len(data) < 30:
        raise _truncated("WebP")
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if riff_size + 8 > len(data):
        raise _truncated("WebP")
    kind = data[12:16]
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise _undecodable("WebP", "the key frame has no start code")
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    elif kind == b"VP8L":
        if data[20] != 0x2F:
            raise _undecodable("WebP", "the lossless stream has no signature")
        (packed,) = struct.unpack_from("<I", data, 21)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        if data[20] & 0x02:
            raise _animated("WebP")
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    else:
        raise _undecodable("WebP", "it begins with an unknown chunk")
    return ImageHeader("WebP", width, height, needs_whole_decode=True)
