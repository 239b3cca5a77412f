import numpy as np

from recognition.boxes import iou_matrix, non_maximum_suppression

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
