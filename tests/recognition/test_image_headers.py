import numpy as np
import pytest

from recognition.errors import ImageError
from recognition.image_headers import read_header

PIXELS = np.zeros((37, 53, 3), np.uint8)


@pytest.mark.parametrize(
    ("image_format", "options", "name", "whole"),
    [
        ("JPEG", {}, "JPEG", False),
        ("JPEG", {"progressive": True}, "JPEG", True),
        ("PNG", {}, "PNG", True),
        ("WEBP", {"quality": 80}, "WebP", True),
        ("WEBP", {"lossless": True}, "WebP", True),
    ],
)
def test_the_size_is_read_without_decoding(encode, image_format, options, name, whole):
    header = read_header(encode(PIXELS, image_format, **options))
    assert (header.format, header.width, header.height) == (name, 53, 37)
    assert header.needs_whole_decode is whole


def test_an_extended_webp_states_its_canvas(encode):
    header = read_header(
        encode(np.zeros((37, 53, 4), np.uint8), "WEBP", quality=80, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
    )
    assert (header.width, header.height) == (53, 37)


def test_fill_bytes_before_a_marker_are_passed_over(encode):
    data = encode(PIXELS, "JPEG")
    assert read_header(data[:2] + b"\xff\xff\xff" + data[2:]).width == 53


def test_a_jpeg_that_states_two_sizes_is_refused(encode):
    data = encode(PIXELS, "JPEG")
    start = data.index(b"\xff\xc0")
    frame = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]
    other = frame[:5] + b"\x40\x00\x40\x00" + frame[9:]
    with pytest.raises(ImageError, match="two sizes"):
        read_header(data[:start] + other + data[start:])


@pytest.mark.parametrize(
    "damage", [b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xe0\x00\x01", b"\xff\xd8\xff\xc0\x00\x04\x08\x00\xff\xd9"]
)
def test_a_jpeg_without_a_picture_in_it_is_refused(damage):
    with pytest.raises(ImageError) as caught:
        read_header(damage)
    assert caught.value.code == "image_undecodable"


def test_a_png_that_does_not_begin_with_its_header_is_refused(encode):
    data = bytearray(encode(PIXELS, "PNG"))
    data[12:16] = b"tEXt"
    with pytest.raises(ImageError, match="IHDR"):
        read_header(bytes(data))
