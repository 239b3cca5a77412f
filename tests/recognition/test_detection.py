import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recognition.boxes import iou_matrix
from recognition.detection import (
    DetectionSettings,
    DetectorKind,
    SharedDetector,
    detect_close_up,
    make_detector,
)
from recognition.engines import EngineKind
from recognition.errors import ModelError
from recognition.models.photographs import photographs
from recognition.types import Detection, ImageBgr
from tests.recognition.peak_memory import measured


class NeedsMargin:
    """Finds a face only where there is something around it, as detectors do."""

    def __init__(self, face):
        self.face, self.calls = face, 0

    def detect(self, image_bgr):
        self.calls += 1
        return [self.face] if (image_bgr[0, 0] == 128).all() else []


def test_a_face_cut_close_is_found_with_a_margin_and_told_in_pixels_of_the_picture(detection):
    detector = NeedsMargin(detection(60, 50))
    (face,) = detect_close_up(detector, np.zeros((80, 100, 3), np.uint8))
    assert face.box_xyxy.tolist() == [10, 0, 110, 100]
    assert face.landmarks_xy[0].tolist() == [40, 40]
    assert detector.calls == 2


def test_a_large_picture_gets_its_margin_in_the_size_faces_are_looked_for_in(detection):
    detector = NeedsMargin(detection(400, 300))
    (face,) = detect_close_up(detector, np.zeros((960, 1280, 3), np.uint8))
    # Half the size, then 320 px of margin on each side.
    assert face.box_xyxy.tolist() == [160, -40, 360, 160]
    assert face.landmarks_xy[0].tolist() == [220, 40]


@pytest.mark.parametrize(("height", "width"), [(16, 65_535), (3000, 4000), (8000, 16)])
def test_a_second_look_at_a_picture_without_a_face_costs_little(height, width):
    # A picture of zeros takes no memory itself: its pages are only read.
    _, grown_mb = measured(f"detect_close_up(Blind(), np.zeros(({height}, {width}, 3), np.uint8))")
    assert grown_mb < 12


def test_a_picture_with_a_face_is_looked_at_once(scripted_detector, detection):
    face = detection(0, 0)
    assert detect_close_up(scripted_detector([face]), np.zeros((80, 100, 3), np.uint8)) == [face]


@pytest.mark.parametrize("kind", DetectorKind)
@pytest.mark.parametrize("engine", EngineKind)
def test_a_detector_without_its_network_is_a_clear_error(tmp_path, kind, engine):
    with pytest.raises(ModelError):
        make_detector(tmp_path / "none.onnx", kind=kind, engine=engine)


def found_of_the_sample_photographs(detector, folder):
    import cv2

    faces = found = extra = 0
    for photograph in photographs():
        image_bgr = cv2.imread(str(folder / "photographs" / photograph.name))
        truth = np.array([face.box_xyxy for face in photograph.faces], np.float32)
        boxes = np.stack([face.box_xyxy for face in detector.detect(image_bgr)])
        overlap = iou_matrix(truth, boxes)
        faces += len(truth)
        found += int((overlap.max(axis=1) > 0.3).sum())
        extra += int((overlap.max(axis=0) <= 0.3).sum())
    return faces, found, extra


@pytest.mark.models
@pytest.mark.parametrize("engine", EngineKind)
def test_blazeface_finds_the_22_faces_of_the_sample_photographs(models_dir, engine):
    detector = make_detector(models_dir / "blazeface_256.onnx", kind=DetectorKind.BLAZEFACE, engine=engine)
    assert found_of_the_sample_photographs(detector, models_dir) == (22, 22, 0)


@pytest.mark.models
@pytest.mark.parametrize("engine", EngineKind)
def test_yunet_finds_the_22_faces_of_the_sample_photographs(models_dir, yunet_path, engine):
    assert found_of_the_sample_photographs(make_detector(yunet_path, engine=engine), models_dir) == (22, 22, 0)


@pytest.mark.models
def test_the_number_of_faces_is_bounded(models_dir, yunet_path):
    import cv2

    detector = make_detector(yunet_path, settings=DetectionSettings(faces_max=2))
    image_bgr = cv2.imread(str(models_dir / "photographs" / "sample1.jpg"))
    assert len(detector.detect(image_bgr)) == 2


@pytest.mark.models
def test_a_tiny_picture_is_no_reason_to_fail(models_dir, yunet_path):
    for detector in (
        make_detector(yunet_path),
        make_detector(models_dir / "blazeface_256.onnx", kind=DetectorKind.BLAZEFACE),
    ):
        assert detector.detect(np.zeros((16, 16, 3), np.uint8)) == []
        assert detector.detect(np.zeros((16, 4000, 3), np.uint8)) == []


def test_threads_that_share_a_detector_take_turns() -> None:
    inside: list[int] = []
    most: list[int] = []

    class Counting:
        def detect(self, image_bgr: ImageBgr) -> list[Detection]:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)  # long enough for another thread to come in, if it could
            inside.pop()
            return []

    shared = SharedDetector(Counting())
    picture = np.zeros((32, 32, 3), np.uint8)
    with ThreadPoolExecutor(8) as pool:
        assert all(found == [] for found in pool.map(lambda _: shared.detect(picture), range(40)))
    assert max(most) == 1
