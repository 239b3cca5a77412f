import numpy as np
import pytest

from recognition.codes import read_codes
from recognition.types import ImageBgr

segno = pytest.importorskip("segno")


def with_codes(*texts: str) -> ImageBgr:
    image = np.full((480, 640, 3), 120, np.uint8)
    for number, text in enumerate(texts):
        rows = [
            [0 if dark else 255 for dark in row] for row in segno.make(text, error="m", micro=False).matrix_iter(5, 4)
        ]
        size, left = len(rows), 20 + number * 300
        image[100 : 100 + size, left : left + size] = np.array(rows, np.uint8)[:, :, None]
    return image


def test_codes_in_a_picture_are_read() -> None:
    assert read_codes(with_codes("HELLO")) == ("HELLO",)
    assert sorted(read_codes(with_codes("ONE", "TWO"))) == ["ONE", "TWO"]


def test_a_picture_without_a_code_says_nothing() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    for image in (with_codes(), noise, np.zeros((16, 16, 3), np.uint8)):
        assert read_codes(image) == ()
