import numpy as np
import pytest

from recognition.boxes import iou_matrix, non_maximum_suppression, plausible_faces

BOXES = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [5, 5, 5, 5]], np.float32)


def test_overlap_is_shared_area_over_joint_area():
    overlap = iou_matrix(BOXES[:2], BOXES)
    assert overlap.shape == (2, 4)
    assert overlap[0, 0] == 1
    assert np.isclose(overlap[0, 1], 81 / 119)
    assert overlap[0, 2] == 0
    assert overlap[0, 3] == 0


def test_a_box_without_area_overlaps_nothing_not_even_itself():
    assert iou_matrix(BOXES[3:], BOXES[3:])[0, 0] == 0


def test_of_overlapping_boxes_the_surest_is_kept():
    kept = non_maximum_suppression(BOXES[:3], np.array([0.5, 0.9, 0.7], np.float32), overlap_max=0.3, count_max=10)
    assert kept.tolist() == [1, 2]


def test_the_number_of_boxes_is_bounded():
    kept = non_maximum_suppression(BOXES[:3], np.array([0.5, 0.9, 0.7], np.float32), overlap_max=0.9, count_max=2)
    assert kept.tolist() == [1, 2]


def test_no_boxes_are_no_boxes():
    empty = np.zeros((0, 4), np.float32)
    assert non_maximum_suppression(empty, np.zeros(0, np.float32), overlap_max=0.3, count_max=5).tolist() == []
    assert iou_matrix(empty, BOXES).shape == (0, 4)


@pytest.mark.parametrize(
    ("box", "landmark", "plausible"),
    [
        ((10, 10, 50, 50), (30, 30), True),
        ((-40, -40, 60, 60), (-20, 10), True),  # cut by the edge of the picture
        ((-60, -40, 20, 60), (10, 10), False),  # its middle is outside
        ((500, 10, 540, 50), (30, 30), False),
        ((50, 50, 10, 10), (30, 30), False),  # inside out
        ((-900, -900, 1000, 1000), (30, 30), False),
        ((10, 10, 50, 50), (1e9, 30), False),
        ((10, 10, np.inf, 50), (30, 30), False),
        ((10, 10, 50, 50), (30, np.nan), False),
    ],
)
def test_a_face_must_lie_in_its_picture_with_its_middle(box, landmark, plausible):
    boxes, landmarks = np.array([box], np.float32), np.array([[landmark]], np.float32)
    assert plausible_faces(boxes, landmarks, 100, 80).tolist() == [plausible]
