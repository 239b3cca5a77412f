"""From the bytes of a picture to an array, with bounds that are checked before a pixel is allocated.

The format is sniffed from the bytes, never taken from a name or a header of the transport. Width and height are read
from the file's own header (`recognition.image_headers`), so a 1 kB file that claims 60,000 x 60,000 pixels costs 1 kB.
"""

from dataclasses import dataclass

import numpy as np

from recognition.errors import ImageError
from recognition.image_headers import ImageHeader, read_header
from recognition.types import ImageBgr


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a picture may cost.

    A baseline JPEG of up to `max_pixels` is decoded straight at 1/2, 1/4 or 1/8 of its size, so that the result holds
    at most about `working_pixels`. PNG, WebP and progressive JPEG always need memory for all their pixels; for them
    `max_pixels_whole` is the limit. The longer side is at most `aspect_max` times the shorter one: a strip of the same
    number of pixels is thousands of times as long as any face in it, and nothing that works by side could bear it.
    """

    max_bytes: int = 1024 * 1024
    max_pixels: int = 25_000_000
    max_pixels_whole: int = 12_500_000
    working_pixels: int = 4_000_000
    min_side_px: int = 16
    aspect_max: float = 20.0


STREAM_LIMITS = DecodeLimits()
"""For frames of a stream: a camera that sends more than 1 MiB a frame is misconfigured."""

PHOTOGRAPH_LIMITS = DecodeLimits(max_bytes=16 * 1024 * 1024, working_pixels=16_000_000)
"""For single photographs that somebody hands over on purpose."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPicture:
    """A picture, upright after its EXIF orientation, and what it was when it was sent.

    `image_bgr` is uint8 (height, width, 3); a pixel of it stands for `reduction` x `reduction` pixels (1, 2, 4 or 8) of
    the picture that was sent, which is `width_px` x `height_px`, upright too.
    """

    image_bgr: ImageBgr
    reduction: int
    width_px: int
    height_px: int


def decode(data: bytes, limits: DecodeLimits = STREAM_LIMITS) -> ImageBgr:
    """The pixels of `decode_scaled` alone, for whoever has no use for places in the picture that was sent."""
    return decode_scaled(data, limits).image_bgr


def decode_scaled(data: bytes, limits: DecodeLimits = STREAM_LIMITS) -> DecodedPicture:
    """Decode a JPEG, PNG or WebP picture.

    A picture above `limits.working_pixels` comes back smaller by 2, 4 or 8.
    Raises ImageError, and nothing else, for any bytes: image_too_many_bytes, image_unknown_format, image_truncated,
    image_animated, image_too_complex, image_too_many_pixels, image_too_small, image_bad_shape, image_undecodable.
    """
    if len(data) > limits.max_bytes:
        raise ImageError(
            f"the picture has {len(data):,} bytes; at most {limits.max_bytes:,} are taken",
            hint="send a smaller or more strongly compressed picture",
            code="image_too_many_bytes",
        )
    header = read_header(data)
    _check_size(header, limits)
    reduction = _reduction(header, limits)
    image = _decode_pixels(data, reduction)
    # The header of a hostile file may say one size to us and another to the decoder.
    if image is None or image.size == 0 or image.shape[0] * image.shape[1] > header.width * header.height:
        raise ImageError(
            f"the {header.format} picture could not be decoded",
            hint="the file is damaged",
            code="image_undecodable",
        )
    width_px, height_px = header.width, header.height
    if _is_turned(image, header):
        width_px, height_px = height_px, width_px
    return DecodedPicture(image, reduction, width_px, height_px)


def _is_turned(image: ImageBgr, header: ImageHeader) -> bool:
    """Whether the EXIF orientation has made width of height; the decoder does not say, but the shape does."""
    height, width = map(int, image.shape[:2])
    return height != width and (height > width) != (header.height > header.width)


def _check_size(header: ImageHeader, limits: DecodeLimits) -> None:
    pixels = header.width * header.height
    bound = min(limits.max_pixels, limits.max_pixels_whole) if header.needs_whole_decode else limits.max_pixels
    if pixels > bound:
        raise ImageError(
            f"the {header.format} picture has {header.width} x {header.height} pixels; at most {bound:,} are taken",
            hint="send a smaller picture",
            code="image_too_many_pixels",
        )
    if min(header.width, header.height) < limits.min_side_px:
        raise ImageError(
            f"the picture has {header.width} x {header.height} pixels; each side needs at least {limits.min_side_px}",
            hint="send a larger picture",
            code="image_too_small",
        )
    if max(header.width, header.height) > limits.aspect_max * min(header.width, header.height):
        raise ImageError(
            f"the picture has {header.width} x {header.height} pixels; "
            f"the longer side may be at most {limits.aspect_max:g} times the shorter one",
            hint="send the part of it that shows people",
            code="image_bad_shape",
        )


def _reduction(header: ImageHeader, limits: DecodeLimits) -> int:
    reduction = 1
    while reduction < 8 and header.width * header.height > limits.working_pixels * reduction**2:
        reduction *= 2
    return reduction


def _decode_pixels(data: bytes, reduction: int) -> ImageBgr | None:
    import cv2

    flags = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags[reduction])
    except (cv2.error, MemoryError):
        return None
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        return None
    return np.asarray(image, np.uint8)
