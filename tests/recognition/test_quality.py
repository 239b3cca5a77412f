import cv2
import numpy as np
import pytest

from recognition.quality import QualityLimits, assess, chip_sharpness, pose
from recognition.types import Detection, LandmarkLayout, QualityVerdict

BOX = np.array([0, 0, 100, 100], np.float32)


@pytest.fixture
def chip():
    noise = np.random.default_rng(3).integers(0, 255, (30, 30, 3), dtype=np.uint8)
    return cv2.resize(noise, (150, 150), interpolation=cv2.INTER_CUBIC)


def face(nose_x=50.0, nose_y=59.9, eyes_px=40.0):
    points = np.array([[50 - eyes_px / 2, 40], [50 + eyes_px / 2, 40], [nose_x, nose_y], [35, 77.6], [65, 77.6]])
    return Detection(BOX, points.astype(np.float32), 0.9)


def test_a_frontal_face_has_no_yaw_and_no_pitch():
    size_px, yaw, pitch = pose(face())
    assert size_px == pytest.approx(40)
    assert yaw == pytest.approx(0, abs=1e-3)
    assert pitch == pytest.approx(0, abs=1e-2)


def test_yaw_follows_the_nose_to_the_side_and_pitch_downwards():
    assert pose(face(nose_x=70))[1] == pytest.approx(0.5)
    assert pose(face(nose_x=30))[1] == pytest.approx(-0.5)
    assert pose(face(nose_y=70))[2] > 0.2


def test_turning_the_picture_changes_neither_yaw_nor_pitch():
    points = face(nose_x=60).landmarks_xy
    rotated = Detection(BOX, (points @ np.array([[0, 1], [-1, 0]], np.float32)), 0.9)
    assert pose(rotated) == pytest.approx(pose(face(nose_x=60)), abs=1e-4)


def test_six_landmarks_serve_as_well_as_five():
    five = face(nose_x=60).landmarks_xy
    six = np.vstack([five[:3], five[3:].mean(axis=0), five[:1], five[:1]]).astype(np.float32)
    assert pose(Detection(BOX, six, 0.9, LandmarkLayout.SIX)) == pytest.approx(pose(face(nose_x=60)))


def test_eyes_in_one_point_are_turned_too_far(chip):
    points = np.full((5, 2), 5, np.float32)
    assert assess(Detection(BOX, points, 0.9), chip, QualityLimits(size_min_px=0)).verdict is QualityVerdict.TURNED


@pytest.mark.parametrize(
    ("detection", "verdict"),
    [
        (face(), QualityVerdict.OK),
        (face(eyes_px=6), QualityVerdict.TOO_SMALL),
        (face(nose_x=90), QualityVerdict.TURNED),
        (face(nose_y=78), QualityVerdict.TURNED),
    ],
)
def test_the_first_reason_against_a_face_is_its_verdict(chip, detection, verdict):
    assert assess(detection, chip, QualityLimits()).verdict is verdict


def test_a_blurred_face_is_told_from_a_sharp_one(chip):
    blurred = cv2.GaussianBlur(chip, (0, 0), 8)
    assert assess(face(), blurred, QualityLimits()).verdict is QualityVerdict.BLURRED
    assert chip_sharpness(chip, 40) > 20 * chip_sharpness(blurred, 40)


@pytest.mark.parametrize("axis", [0, 1])
def test_blur_in_one_direction_only_counts_too(chip, axis):
    kernel = np.zeros((41, 41), np.float32)
    kernel[20, :] = 1 / 41
    moved = cv2.filter2D(chip, -1, kernel if axis == 0 else kernel.T)
    assert chip_sharpness(moved, 40) < 0.1 * chip_sharpness(chip, 40)


def test_contrast_and_brightness_do_not_count_as_sharpness(chip):
    pale = (chip * 0.3 + 120).astype(np.uint8)
    assert chip_sharpness(pale, 40) == pytest.approx(chip_sharpness(chip, 40), rel=0.1)


def test_enlarging_a_small_face_does_not_count_as_blur(chip):
    small = cv2.resize(cv2.resize(chip, (40, 40), interpolation=cv2.INTER_AREA), (150, 150))
    assert chip_sharpness(small, 15) > chip_sharpness(small, 40)


def test_a_flat_chip_has_no_sharpness():
    assert chip_sharpness(np.full((150, 150, 3), 90, np.uint8), 40) == 0


def test_the_score_falls_with_size_turn_and_blur(chip):
    best = assess(face(), chip, QualityLimits()).score
    assert 0 < best <= 1
    assert assess(face(eyes_px=15), chip, QualityLimits()).score < best
    assert assess(face(nose_x=65), chip, QualityLimits()).score < best
    assert assess(face(), cv2.GaussianBlur(chip, (0, 0), 5), QualityLimits()).score < best
