"""YuNet: a picture to the network's input, and its twelve outputs to faces.

The formulas are those of the network's training code and of OpenCV's `FaceDetectorYN` (modules/objdetect/src/
face_detect.cpp, Apache-2.0): three strides, one anchor a cell; score = sqrt(class * objectness); the box's centre
is the cell plus an offset, its size an exponential, both in strides; landmarks are offsets from the cell.
"""

import numpy as np
from numpy.typing import NDArray

from recognition.boxes import non_maximum_suppression, plausible_faces
from recognition.detection import DetectionSettings
from recognition.engines import Engine
from recognition.types import Detection, ImageBgr, LandmarkLayout

_STRIDES = (8, 16, 32)
# Both sides of the input must be whole cells of the coarsest stride.
_MULTIPLE = 32


class YuNetDetector:
    """Finds faces from about 10 px on, with five landmarks each. Serves one thread at a time."""

    def __init__(self, engine: Engine, settings: DetectionSettings) -> None:
        self._engine = engine
        self._settings = settings
        # Kept from picture to picture: 4 MB that would be asked of the kernel, zeroed and given back for each.
        self._buffer: NDArray[np.float32] = np.empty(0, np.float32)

    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        """The faces in uint8 (height, width, 3) BGR, surest first, in pixels of the given picture."""
        blob, scale_xy, self._buffer = input_blob(image_bgr, self._settings.width_px, self._buffer)
        outputs = self._engine.run(blob)
        found = decode_outputs(outputs, blob.shape[3], self._settings.score_min)
        width, height = image_bgr.shape[1] * scale_xy[0], image_bgr.shape[0] * scale_xy[1]
        possible = plausible_faces(found[0], found[1], width, height)
        boxes, landmarks, scores = (values[possible] for values in found)
        kept = non_maximum_suppression(
            boxes, scores, overlap_max=self._settings.overlap_max, count_max=self._settings.faces_max
        )
        to_picture = np.float32(1) / scale_xy
        return [
            Detection(
                box_xyxy=boxes[i] * np.tile(to_picture, 2),
                landmarks_xy=landmarks[i] * to_picture,
                score=float(scores[i]),
                layout=LandmarkLayout.FIVE,
            )
            for i in kept
        ]


def input_blob(
    image_bgr: ImageBgr, width_px: int, buffer: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The network's input (1, 3, h, w), BGR 0..255; the scale (x, y) from picture to input; and the buffer it lies in.

    The picture lies at the top left, zeros below and right of it up to a multiple of 32. It is never enlarged. The
    input is a part of `buffer`, float32 of one dimension, or of a new one where that is too small.
    """
    import cv2

    height, width = image_bgr.shape[:2]
    scale = min(1.0, width_px / max(height, width))
    scaled_width, scaled_height = max(1, round(width * scale)), max(1, round(height * scale))
    if scale < 1:
        resized = cv2.resize(image_bgr, (scaled_width, scaled_height), interpolation=cv2.INTER_AREA)
        image_bgr = np.asarray(resized, np.uint8)
    padded_height, padded_width = (-(-side // _MULTIPLE) * _MULTIPLE for side in (scaled_height, scaled_width))
    length = 3 * padded_height * padded_width
    if buffer.size < length:
        buffer = np.empty(length, np.float32)
    blob = buffer[:length].reshape(1, 3, padded_height, padded_width)
    blob[0, :, :scaled_height, :scaled_width] = image_bgr.transpose(2, 0, 1)
    blob[0, :, scaled_height:] = 0
    blob[0, :, :, scaled_width:] = 0
    return blob, np.array([scaled_width / width, scaled_height / height], np.float32), buffer


def decode_outputs(
    outputs: dict[str, NDArray[np.float32]], input_width_px: int, score_min: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Boxes xyxy (n, 4), landmarks (n, 5, 2) and scores (n,) above `score_min`, in pixels of the network's input.

    `outputs` has, for each stride s, cls_s and obj_s (1, cells, 1), bbox_s (1, cells, 4) and kps_s (1, cells, 10).
    """
    all_boxes, all_landmarks, all_scores = [], [], []
    for stride in _STRIDES:
        confidence = np.clip(outputs[f"cls_{stride}"].ravel(), 0, 1) * np.clip(outputs[f"obj_{stride}"].ravel(), 0, 1)
        # Comparing squares first leaves a handful of cells for the rest of the arithmetic.
        cells = np.flatnonzero(confidence >= score_min**2)
        rows, columns = np.divmod(cells, input_width_px // stride)
        cell_xy = np.stack([columns, rows], axis=1).astype(np.float32)
        box = outputs[f"bbox_{stride}"].reshape(-1, 4)[cells]
        centre = (cell_xy + box[:, :2]) * stride
        half = np.exp(np.minimum(box[:, 2:], 10)) * (stride / 2)
        points = outputs[f"kps_{stride}"].reshape(-1, 5, 2)[cells]
        all_boxes.append(np.hstack([centre - half, centre + half]))
        all_landmarks.append((points + cell_xy[:, None, :]) * stride)
        all_scores.append(np.sqrt(confidence[cells]))
    return (
        np.concatenate(all_boxes).astype(np.float32),
        np.concatenate(all_landmarks).astype(np.float32),
        np.concatenate(all_scores).astype(np.float32),
    )
