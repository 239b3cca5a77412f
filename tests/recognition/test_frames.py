import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from recognition.errors import ImageError
from recognition.frames import DecodeLimits, decode, decode_scaled
from tests.recognition.peak_memory import measured

QUARTERS = np.zeros((48, 64, 3), np.uint8)
QUARTERS[:24, :32] = (255, 0, 0)
QUARTERS[:24, 32:] = (0, 255, 0)
QUARTERS[24:, :32] = (0, 0, 255)
QUARTERS[24:, 32:] = 255


def png_claiming(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(900))) + chunk(b"IEND", b"")


def with_scans(progressive, count):
    """A progressive JPEG whose last scan is repeated."""
    start, end = progressive.rindex(b"\xff\xda"), progressive.rindex(b"\xff\xd9")
    return progressive[:end] + progressive[start:end] * count + progressive[end:]


def code_of(data, limits=None):
    with pytest.raises(ImageError) as caught:
        decode(data, limits or DecodeLimits())
    assert caught.value.detail
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_colours_come_back_as_blue_green_red(encode, image_format):
    image = decode(encode(QUARTERS, image_format))
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert np.abs(image[4, 4].astype(int) - [0, 0, 255]).max() < 12


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_honoured(encode, image_format, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    data = encode(QUARTERS, image_format, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    image = decode(data)
    assert image.shape == upright.shape
    assert np.abs(image[..., ::-1].astype(int) - upright).mean() < 3


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_a_png_of_any_kind_comes_back_with_three_channels(mode):
    stream = io.BytesIO()
    Image.fromarray(QUARTERS).convert(mode).save(stream, "PNG")
    assert decode(stream.getvalue()).shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_any_kind_comes_back_with_three_channels(mode):
    stream = io.BytesIO()
    Image.fromarray(QUARTERS).convert(mode).save(stream, "JPEG")
    assert decode(stream.getvalue()).shape == (48, 64, 3)


def test_a_large_jpeg_is_decoded_smaller(encode):
    data = encode(np.zeros((600, 800, 3), np.uint8), "JPEG")
    assert decode(data, DecodeLimits(working_pixels=800 * 600)).shape == (600, 800, 3)
    assert decode(data, DecodeLimits(working_pixels=400 * 300)).shape == (300, 400, 3)
    assert decode(data, DecodeLimits(working_pixels=200 * 150)).shape == (150, 200, 3)
    assert decode(data, DecodeLimits(working_pixels=1)).shape == (75, 100, 3)


@pytest.mark.parametrize(("working_pixels", "reduction"), [(1_000_000, 1), (120_000, 2), (1, 8)])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_a_picture_decoded_smaller_tells_its_sent_size_upright(
    encode, image_format, working_pixels, reduction, orientation
):
    exif = Image.Exif()
    exif[0x112] = orientation
    data = encode(np.zeros((403, 801, 3), np.uint8), image_format, exif=exif)
    picture = decode_scaled(data, DecodeLimits(working_pixels=working_pixels))
    assert picture.reduction == reduction
    assert (picture.width_px, picture.height_px) == ((801, 403) if orientation == 1 else (403, 801))
    height, width = picture.image_bgr.shape[:2]
    assert abs(width - picture.width_px / reduction) < 1
    assert abs(height - picture.height_px / reduction) < 1


def test_too_many_bytes_are_refused_before_anything_is_read():
    assert code_of(bytes(1025), DecodeLimits(max_bytes=1024)) == "image_too_many_bytes"


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(40), b"not a picture", b"\xff\xd8", b"RIFF\0\0\0\0WAVEfmt "])
def test_what_is_no_picture_is_refused(data):
    assert code_of(data) == "image_unknown_format"


def test_a_png_of_a_kilobyte_that_claims_60000_pixels_a_side_costs_nothing():
    data = png_claiming(60_000, 60_000)
    assert len(data) < 1024
    code, grown_mb = measured("decoded(data)", data)
    assert code == "image_too_many_pixels"
    assert grown_mb < 2


@pytest.mark.parametrize(("width", "height"), [(8000, 16), (65_535, 16), (16, 8000)])
def test_a_picture_far_longer_than_wide_is_refused_and_costs_nothing(width, height):
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, "PNG")
    code, grown_mb = measured("decoded(data)", stream.getvalue())
    assert code == "image_bad_shape"
    assert grown_mb < 2


def test_a_panorama_is_decoded_and_anything_longer_is_not(encode):
    assert decode(encode(np.zeros((20, 400, 3), np.uint8), "JPEG")).shape == (20, 400, 3)
    assert code_of(encode(np.zeros((20, 401, 3), np.uint8), "JPEG")) == "image_bad_shape"
    assert code_of(encode(np.zeros((401, 20, 3), np.uint8), "WEBP")) == "image_bad_shape"


def test_a_jpeg_of_a_thousand_scans_is_refused_and_costs_nothing(encode):
    data = with_scans(encode(np.zeros((3000, 4000, 3), np.uint8), "JPEG", progressive=True), 1000)
    assert len(data) < 200_000
    code, grown_mb = measured("decoded(data)", data)
    assert code == "image_too_complex"
    assert grown_mb < 2


def test_a_png_needs_memory_for_all_its_pixels_and_has_a_lower_limit_than_a_jpeg(encode):
    pixels = np.zeros((40, 50, 3), np.uint8)
    limits = DecodeLimits(max_pixels=2000, max_pixels_whole=1999)
    assert decode(encode(pixels, "JPEG"), limits).shape == pixels.shape
    assert code_of(encode(pixels, "PNG"), limits) == "image_too_many_pixels"
    assert code_of(encode(pixels, "JPEG", progressive=True), limits) == "image_too_many_pixels"


def test_a_picture_of_a_few_pixels_is_refused(encode):
    assert code_of(encode(np.zeros((15, 400, 3), np.uint8), "PNG")) == "image_too_small"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_a_picture_cut_short_is_refused_with_its_reason(encode, texture_bgr, image_format, part):
    data = encode(texture_bgr[:120, :160], image_format)
    assert code_of(data[: int(len(data) * part)]) == "image_truncated"


def test_a_jpeg_cut_after_its_thumbnail_is_not_taken_for_whole(encode, texture_bgr):
    exif = Image.Exif()
    exif[0x10F] = "camera"
    thumbnail = encode(QUARTERS, "JPEG")
    exif[0x927C] = thumbnail  # a maker's note may hold a whole JPEG with its own end mark
    data = encode(texture_bgr, "JPEG", exif=exif)
    assert thumbnail in data
    assert decode(data).shape == texture_bgr.shape
    assert code_of(data[: len(data) // 2]) == "image_truncated"


def test_padding_after_the_end_of_a_jpeg_is_allowed(encode):
    assert decode(encode(QUARTERS, "JPEG") + bytes(512)).shape == (48, 64, 3)


@pytest.mark.parametrize(("image_format", "options"), [("WEBP", {"lossless": False}), ("PNG", {})])
def test_an_animation_is_refused(image_format, options):
    frames = [Image.fromarray(QUARTERS), Image.fromarray(255 - QUARTERS)]
    stream = io.BytesIO()
    frames[0].save(stream, image_format, save_all=True, append_images=frames[1:], duration=100, **options)
    assert code_of(stream.getvalue()) == "image_animated"


def test_a_damaged_png_is_refused_without_a_word_on_standard_error(encode, texture_bgr, capfd):
    data = bytearray(encode(texture_bgr, "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert code_of(bytes(data)) == "image_undecodable"
    assert capfd.readouterr().err == ""


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x60\0\0\0WEBPVP8 "])
)
def test_random_bytes_are_refused_as_a_picture_and_never_otherwise(data, start):
    with pytest.raises(ImageError):
        decode(start + data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), image_format=st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_a_mutated_picture_is_decoded_or_refused_and_nothing_else(encode, data, image_format):
    whole = bytearray(encode(QUARTERS, image_format))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        image = decode(bytes(whole), DecodeLimits(max_pixels=100_000))
        assert image.dtype == np.uint8
        assert image.ndim == 3
