import struct
import zlib

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


def code_of(data):
    with pytest.raises(ImageError) as caught:
        read_header(data)
    return caught.value.code


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_a_progressive_jpeg_may_have_64_scans(encode):
    data = encode(PIXELS, "JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    scans, last = data.count(b"\xff\xda"), data[start:end]
    assert read_header(data[:end] + last * (64 - scans) + data[end:]).width == 53
    assert code_of(data[:end] + last * (65 - scans) + data[end:]) == "image_too_complex"


@pytest.mark.parametrize("filling", [b"\xff\xd0", b"\xff\xe1\x00\x02", b"\xff\x01", b"\xff\xff\xd8"])
def test_a_jpeg_of_very_many_segments_is_refused(encode, filling):
    data = encode(PIXELS, "JPEG")
    assert read_header(data[:2] + filling * 1000 + data[2:]).width == 53
    assert code_of(data[:2] + filling * 5000 + data[2:]) == "image_too_complex"


def test_any_number_of_fill_bytes_is_one_step(encode, monkeypatch):
    data = encode(PIXELS, "JPEG")
    monkeypatch.setattr("recognition.image_headers._JPEG_MARKERS_MAX", 20)
    assert read_header(data[:2] + b"\xff" * (8 << 20) + data[2:]).width == 53
    assert code_of(data[:2] + b"\xff" * (8 << 20)) == "image_truncated"


def test_a_jpeg_with_a_scan_for_each_colour_needs_memory_for_all_its_pixels(encode):
    data = encode(PIXELS, "JPEG")
    start = data.index(b"\xff\xda")
    (length,) = struct.unpack_from(">H", data, start + 2)
    one_colour = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    assert read_header(data).needs_whole_decode is False
    assert read_header(data[:start] + one_colour + data[start + 2 + length :]).needs_whole_decode is True


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"), [(b"zTXt", 16, 17), (b"iTXt", 16, 17), (b"tEXt", 200, 300), (b"IDAT", 9000, 20_000)]
)
def test_a_png_of_very_many_chunks_is_refused(encode, kind, allowed, refused):
    data = encode(PIXELS, "PNG")
    extra = chunk(kind, b"a\0")
    assert read_header(data[:33] + extra * allowed + data[33:]).width == 53
    assert code_of(data[:33] + extra * refused + data[33:]) == "image_too_complex"
