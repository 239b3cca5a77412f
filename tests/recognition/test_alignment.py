import math

import numpy as np
import pytest

from recognition.alignment import CHIP_SIDE_PX, aligned_chip, chip_transform, similarity_transform
from recognition.types import Detection, LandmarkLayout


def turned(points, angle, scale, shift):
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (points @ rotation.T * scale + shift).astype(np.float32)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (0.5, 2.5), (-2, 0.2), (math.pi, 1)])
def test_a_similarity_is_found_again(angle, scale):
    target = np.array([[50, 50], [100, 50], [75, 80], [55, 110], [95, 110]], float)
    matrix = similarity_transform(turned(target, angle, scale, [13, -7]), target)
    found = turned(target, angle, scale, [13, -7]) @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(found, target, atol=1e-3)


def test_points_that_do_not_fit_are_met_in_the_least_squares(detection):
    matrix = chip_transform(detection(0, 0))
    assert matrix.shape == (2, 3)
    assert matrix[0, 0] == pytest.approx(matrix[1, 1])
    assert matrix[0, 1] == pytest.approx(-matrix[1, 0])


def test_landmarks_that_fall_together_do_no_harm():
    face = Detection(np.zeros(4, np.float32), np.full((5, 2), 5, np.float32), 0.9)
    assert np.isfinite(chip_transform(face)).all()
    assert aligned_chip(np.zeros((20, 20, 3), np.uint8), face).shape == (CHIP_SIDE_PX, CHIP_SIDE_PX, 3)


def test_the_ears_of_six_landmarks_are_not_used():
    points = np.array([[30, 40], [70, 40], [50, 60], [50, 80], [0, 50], [100, 50]], np.float32)
    moved = points.copy()
    moved[4:] += 40
    box = np.array([0, 0, 100, 100], np.float32)
    one, other = (Detection(box, xy, 0.9, LandmarkLayout.SIX) for xy in (points, moved))
    assert np.array_equal(chip_transform(one), chip_transform(other))


@pytest.mark.parametrize("side", [20, 100, 600])
def test_a_face_of_any_size_gives_the_same_chip(detection, side):
    picture = np.zeros((side, side, 3), np.uint8)
    picture[: side // 2] = (200, 100, 50)
    chip = aligned_chip(picture, detection(0, 0, side))
    assert chip.shape == (150, 150, 3)
    assert chip.dtype == np.uint8
    # The eyes are in the upper, coloured half, the mouth in the lower.
    assert np.abs(chip[45, 75].astype(int) - [200, 100, 50]).max() <= 2
    assert chip[110, 75].max() <= 2


def test_a_large_face_is_shrunk_before_it_is_warped_so_that_fine_stripes_turn_grey(detection):
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    chip = aligned_chip(stripes, detection(100, 100, 1000))
    assert abs(int(chip[75, 75, 0]) - 127) < 10
    assert chip[60:90, 60:90].std() < 10


def test_what_lies_outside_of_the_picture_is_black(detection):
    chip = aligned_chip(np.full((100, 100, 3), 255, np.uint8), detection(-50, 0, 100))
    assert chip[75, 5].tolist() == [0, 0, 0]
    assert chip[75, 120].tolist() == [255, 255, 255]


def test_a_face_wholly_outside_of_the_picture_is_a_black_chip(detection):
    assert aligned_chip(np.full((100, 100, 3), 255, np.uint8), detection(900, 900, 800)).max() == 0
