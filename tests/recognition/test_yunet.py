import numpy as np
import pytest

from recognition.detection import DetectionSettings
from recognition.types import LandmarkLayout
from recognition.yunet import YuNetDetector, decode_outputs, input_blob

EMPTY = np.empty(0, np.float32)


def outputs_with(width, height, faces):
    """Network outputs that say: a face (stride, column, row, confidence), box as large as four cells."""
    outputs = {}
    for stride in (8, 16, 32):
        cells = (width // stride) * (height // stride)
        outputs[f"cls_{stride}"] = np.zeros((1, cells, 1), np.float32)
        outputs[f"obj_{stride}"] = np.zeros((1, cells, 1), np.float32)
        outputs[f"bbox_{stride}"] = np.zeros((1, cells, 4), np.float32)
        outputs[f"kps_{stride}"] = np.zeros((1, cells, 10), np.float32)
    for stride, column, row, confidence in faces:
        cell = row * (width // stride) + column
        outputs[f"cls_{stride}"][0, cell] = outputs[f"obj_{stride}"][0, cell] = confidence
        outputs[f"bbox_{stride}"][0, cell] = [0.5, 0.5, np.log(4), np.log(4)]
        outputs[f"kps_{stride}"][0, cell] = [-1, -1, 2, -1, 0.5, 0.5, -0.5, 1.5, 1.5, 1.5]
    return outputs


class ScriptedEngine:
    def __init__(self, faces):
        self.faces = faces

    def run(self, blob):
        return outputs_with(blob.shape[3], blob.shape[2], self.faces)


def test_a_cell_is_decoded_to_box_landmarks_and_score():
    boxes, landmarks, scores = decode_outputs(outputs_with(320, 256, [(16, 3, 2, 0.9)]), 320, 0.6)
    assert boxes[0].tolist() == [24, 8, 88, 72]
    assert landmarks[0, 0].tolist() == [32, 16]
    assert landmarks[0, 2].tolist() == [56, 40]
    assert scores[0] == pytest.approx(0.9)


def test_cells_below_the_score_are_left_out():
    boxes, _, _ = decode_outputs(outputs_with(320, 256, [(8, 0, 0, 0.59), (32, 1, 1, 0.61)]), 320, 0.6)
    assert len(boxes) == 1


def test_values_beyond_one_do_not_make_a_score_beyond_one():
    _, _, scores = decode_outputs(outputs_with(320, 256, [(8, 0, 0, 3.0)]), 320, 0.6)
    assert scores[0] == 1


def test_a_large_picture_is_made_smaller_and_filled_up_to_whole_cells():
    blob, scale_xy, _ = input_blob(np.full((768, 1366, 3), 7, np.uint8), 640, EMPTY)
    assert blob.shape == (1, 3, 384, 640)
    assert blob[0, 0, 359, 639] == 7
    assert blob[0, 0, 360, 0] == 0
    assert np.allclose(scale_xy, [640 / 1366, 360 / 768])


def test_a_small_picture_is_not_enlarged():
    blob, scale_xy, _ = input_blob(np.zeros((50, 40, 3), np.uint8), 640, EMPTY)
    assert blob.shape == (1, 3, 64, 64)
    assert scale_xy.tolist() == [1, 1]


def test_faces_come_back_in_pixels_of_the_picture_surest_first():
    detector = YuNetDetector(ScriptedEngine([(8, 2, 2, 0.7), (16, 20, 10, 0.95)]), DetectionSettings())
    faces = detector.detect(np.zeros((960, 1280, 3), np.uint8))
    assert [round(face.score, 2) for face in faces] == [0.95, 0.7]
    assert faces[0].layout is LandmarkLayout.FIVE
    assert faces[0].landmarks_xy.shape == (5, 2)
    assert faces[1].box_xyxy.tolist() == [8, 8, 72, 72]


def test_a_picture_without_faces_gives_none():
    assert YuNetDetector(ScriptedEngine([]), DetectionSettings()).detect(np.zeros((480, 640, 3), np.uint8)) == []


def test_the_buffer_of_one_picture_serves_the_next_and_leaves_nothing_of_it() -> None:
    first, _, buffer = input_blob(np.full((480, 640, 3), 255, np.uint8), 640, EMPTY)
    second, _, same = input_blob(np.full((100, 90, 3), 7, np.uint8), 640, buffer)
    assert same is buffer
    assert np.shares_memory(first, second)
    assert set(np.unique(second)) == {0.0, 7.0}
    assert second[0, :, 100:].max() == second[0, :, :, 90:].max() == 0
    _, _, larger = input_blob(np.zeros((960, 1280, 3), np.uint8), 1280, buffer)
    assert larger.size > buffer.size


@pytest.mark.parametrize("nonsense", [1e4, -1e4, 1e30, np.nan])
def test_whatever_the_network_says_of_a_hostile_picture_is_a_face_in_it_or_nothing(nonsense):
    class Hostile(ScriptedEngine):
        def run(self, blob):
            outputs = super().run(blob)
            for values in (outputs["bbox_8"], outputs["kps_16"]):
                values[...] = nonsense
            return outputs

    detector = YuNetDetector(Hostile([(8, 2, 2, 0.7), (16, 20, 10, 0.95)]), DetectionSettings())
    assert detector.detect(np.zeros((480, 640, 3), np.uint8)) == []
