from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pictures
from recognition.detection import make_detector
from recognition.frames import decode


def test_made_up_templates_have_the_statistics_of_real_ones_and_are_the_same_every_time() -> None:
    real = np.random.default_rng(1).normal(0.1, 0.05, (22, 128)).astype(np.float32)
    made_up = pictures.random_templates(real, 500)
    assert made_up.shape == (500, 128)
    assert made_up.dtype == np.float32
    assert np.allclose(made_up.mean(axis=0), real.mean(axis=0), atol=0.02)
    assert np.array_equal(made_up, pictures.random_templates(real, 500))


def test_an_empty_room_has_frames_of_the_right_size() -> None:
    assert {decode(frame).shape for frame in pictures.empty_room()} == {(480, 640, 3)}


@pytest.mark.models
@pytest.mark.parametrize("make", [pictures.picture_of_four, pictures.picture_of_four_small])
def test_the_measured_picture_has_640_by_480_pixels_and_four_faces(
    make: Callable[[Path], bytes], models_dir: Path, yunet_path: Path
) -> None:
    image_bgr = decode(make(models_dir))
    assert image_bgr.shape == (480, 640, 3)
    assert len(make_detector(yunet_path).detect(image_bgr)) == 4


@pytest.mark.models
def test_in_an_empty_room_nobody_is_found(yunet_path: Path) -> None:
    detector = make_detector(yunet_path)
    assert [detector.detect(decode(frame)) for frame in pictures.empty_room()] == [[]] * 5
