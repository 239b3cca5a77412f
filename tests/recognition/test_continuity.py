import numpy as np
import pytest

from recognition.continuity import is_same_view, view_signature


def box(*values):
    return np.array(values, np.float32)


@pytest.fixture
def picture():
    x, y = np.meshgrid(np.arange(400), np.arange(300))
    return np.stack([np.sin(x / 21) * 100 + 127, np.cos(y / 17) * 100 + 127, (x + y) % 255], axis=2).astype(np.uint8)


def test_a_box_that_moves_with_its_view_is_the_same_view(picture):
    before = view_signature(picture, box(100, 100, 200, 220))
    now = view_signature(np.roll(picture, 12, axis=1), box(112, 100, 212, 220))
    assert before.shape == (256,)
    assert is_same_view(before, now)


def test_light_does_not_change_a_view(picture):
    dark = (picture * 0.5).astype(np.uint8)
    assert is_same_view(view_signature(picture, box(100, 100, 200, 220)), view_signature(dark, box(100, 100, 200, 220)))


def test_another_view_in_the_same_box_is_not_the_same(picture):
    other = np.random.default_rng(0).integers(0, 255, picture.shape, dtype=np.uint8)
    assert not is_same_view(view_signature(picture, box(9, 9, 99, 99)), view_signature(other, box(9, 9, 99, 99)))


@pytest.mark.parametrize(
    "outside", [(-50, -50, -10, -10), (900, 900, 1000, 1000), (50, 50, 50, 50), (390, 290, 500, 400)]
)
def test_a_box_beyond_the_picture_has_a_signature_too(picture, outside):
    assert np.isfinite(view_signature(picture, box(*outside))).all()


def test_a_flat_picture_is_never_the_same_view():
    flat = view_signature(np.full((50, 50, 3), 80, np.uint8), box(0, 0, 50, 50))
    assert not flat.any()
    assert not is_same_view(flat, flat)
