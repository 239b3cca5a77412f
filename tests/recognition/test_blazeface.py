import numpy as np
import pytest

from recognition.blazeface import BlazeFaceDetector, anchor_centres, decode_outputs, input_blob, search_windows
from recognition.detection import DetectionSettings
from recognition.types import LandmarkLayout


def outputs_with(anchor, size, score=0.9):
    outputs = {"scores": np.full((1, 896), -20, np.float32), "boxes": np.zeros((1, 896, 16), np.float32)}
    outputs["scores"][0, anchor] = np.log(score / (1 - score))
    outputs["boxes"][0, anchor, 2:4] = size
    return outputs


class ScriptedEngine:
    """Sees one face in the middle of every window."""

    def __init__(self, size=30):
        self.size, self.runs = size, 0

    def run(self, blob):
        self.runs += 1
        return outputs_with(2 * (8 * 16 + 8), self.size)


def test_anchors_lie_in_the_middle_of_their_cells():
    anchors = anchor_centres()
    assert anchors.shape == (896, 2)
    assert anchors[0].tolist() == anchors[1].tolist() == [8, 8]
    assert anchors[2].tolist() == [24, 8]
    assert anchors[512].tolist() == anchors[517].tolist() == [16, 16]
    assert anchors[895].tolist() == [240, 240]


def test_an_anchor_is_decoded_to_box_landmarks_and_score():
    boxes, landmarks, scores = decode_outputs(outputs_with(2, 20), anchor_centres(), 0.6)
    assert boxes[0].tolist() == [14, -2, 34, 18]
    assert landmarks.shape == (1, 6, 2)
    assert scores[0] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("width", "height", "count"), [(320, 240, 1), (384, 384, 1), (640, 480, 5), (1280, 720, 3), (4000, 3000, 5)]
)
def test_large_pictures_are_searched_in_tiles_and_their_number_is_bounded(width, height, count):
    windows = search_windows(width, height, 640)
    assert len(windows) == count
    covered = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in windows[1:] or windows:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        covered[y0:y1, x0:x1] = True
    assert covered.all()


def test_a_window_that_reaches_beyond_the_picture_is_filled_with_grey():
    blob, scale = input_blob(np.full((100, 100, 3), 255, np.uint8), (-50, -50, 150, 150))
    assert scale == 256 / 200
    assert blob[0, 0, 0, 0] == 0
    assert blob[0, 0, 128, 128] == 1


def test_a_face_seen_in_two_windows_is_one_face():
    engine = ScriptedEngine()
    faces = BlazeFaceDetector(engine, DetectionSettings()).detect(np.zeros((300, 300, 3), np.uint8))
    assert len(faces) == 1
    assert faces[0].layout is LandmarkLayout.SIX
    assert faces[0].landmarks_xy.shape == (6, 2)
    assert engine.runs == 1


def test_a_face_that_fills_the_picture_is_looked_at_again_from_farther_away():
    engine = ScriptedEngine(size=150)
    faces = BlazeFaceDetector(engine, DetectionSettings()).detect(np.zeros((300, 300, 3), np.uint8))
    assert len(faces) == 1
    assert engine.runs == 2


@pytest.mark.parametrize("offset", [0, -500, 500, 5000, -1e6])
@pytest.mark.parametrize("size", [100, -100, 1e4, 1e9, np.nan])
def test_whatever_the_network_says_of_a_hostile_picture_is_a_face_in_it_or_nothing(offset, size):
    class Hostile:
        def run(self, blob):
            outputs = outputs_with(400, size)
            outputs["boxes"][0, 400, :2] = offset
            return outputs

    for shape in ((480, 640, 3), (32, 640, 3)):
        for face in BlazeFaceDetector(Hostile(), DetectionSettings()).detect(np.zeros(shape, np.uint8)):
            assert np.isfinite(face.box_xyxy).all()
            assert 0 <= face.box_xyxy[0::2].mean() <= shape[1]
            assert 0 <= face.box_xyxy[1::2].mean() <= shape[0]
