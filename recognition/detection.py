"""Finding faces: the interface, its settings, and the choice among detectors."""

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np

from recognition.engines import Engine, EngineKind, make_engine
from recognition.types import Detection, ImageBgr

# With its margin a picture of this size is twice as large; up to that working width the detector loses nothing by it.
_CLOSE_UP_PX = 640


class DetectorKind(StrEnum):
    """The detectors to choose from."""

    YUNET = "yunet"
    BLAZEFACE = "blazeface"


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How faces are looked for.

    A picture is made smaller until its longer side is `width_px`; faces below about 10 px are lost by that.
    `score_min` is the detector's own confidence, 0..1. Two boxes that overlap by more than `overlap_max`
    (intersection over union) are one face. At most `faces_max` come back, the surest first.
    """

    width_px: int = 640
    score_min: float = 0.6
    overlap_max: float = 0.3
    faces_max: int = 100


class FaceDetector(Protocol):
    """Finds faces in one picture. An object serves one thread at a time."""

    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        """The faces in uint8 (height, width, 3) BGR, surest first; empty when there are none."""
        ...


class SharedDetector:
    """A detector shared by several threads, which take turns.

    OpenCV keeps about 27 MB for every loaded YuNet at 640x480; waiting for a turn is cheaper than another one.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._turn = threading.Lock()

    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        """The faces in uint8 (height, width, 3) BGR, surest first; empty when there are none."""
        with self._turn:
            return self._detector.detect(image_bgr)


def make_detector(
    path: Path,
    *,
    kind: DetectorKind = DetectorKind.YUNET,
    engine: EngineKind = EngineKind.OPENCV,
    settings: DetectionSettings | None = None,
) -> FaceDetector:
    """A detector from the network in `path`. Make one for each worker thread.

    Raises ModelError if the file cannot be loaded.
    """
    return detector_on(make_engine(path, engine), kind=kind, settings=settings)


def detector_on(
    engine: Engine, *, kind: DetectorKind = DetectorKind.YUNET, settings: DetectionSettings | None = None
) -> FaceDetector:
    """A detector on a network that is loaded already, and that several detectors may share."""
    settings = settings or DetectionSettings()
    if kind is DetectorKind.YUNET:
        from recognition.yunet import YuNetDetector

        return YuNetDetector(engine, settings)
    from recognition.blazeface import BlazeFaceDetector

    return BlazeFaceDetector(engine, settings)


def detect_close_up(detector: FaceDetector, image_bgr: ImageBgr) -> list[Detection]:
    """The faces of a single picture; one that is cut close around a face is looked at again with a margin.

    For photographs, not for streams, where an empty frame is the rule and may not cost twice. The second look is at no
    more than 1,280 x 1,280 pixels, whatever the picture's size and shape.
    """
    import cv2

    found = detector.detect(image_bgr)
    if found:
        return found
    height, width = image_bgr.shape[:2]
    scale = min(1.0, _CLOSE_UP_PX / max(height, width))
    small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image_bgr, (small_width, small_height), interpolation=cv2.INTER_AREA) if scale < 1 else image_bgr
    margin = max(small_height, small_width) // 2
    padded = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    to_picture = np.array([width / small_width, height / small_height], np.float32)
    return [
        replace(
            face,
            box_xyxy=(face.box_xyxy - np.float32(margin)) * np.tile(to_picture, 2),
            landmarks_xy=(face.landmarks_xy - np.float32(margin)) * to_picture,
        )
        for face in detector.detect(np.asarray(padded, np.uint8))
    ]
