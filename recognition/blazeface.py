"""BlazeFace, the stand-in where YuNet cannot be had: six landmarks, of which alignment uses four.

After MediaPipe's short-range face detector and its port in @vladmandic/human (src/face/blazeface.ts): 896 anchors,
two a cell of 16 px and six a cell of 32 px on an input of 256 px; offsets in pixels from the anchor's centre; sigmoid
scores.

The network sees only 256 px and misses faces below about 14 of them, so larger pictures are searched a second time
in overlapping tiles. Their number is bounded, and with it the time: one run takes about 10 ms on one thread.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recognition.boxes import iou_matrix, non_maximum_suppression, plausible_faces
from recognition.detection import DetectionSettings
from recognition.engines import Engine
from recognition.types import Detection, ImageBgr, LandmarkLayout

_SIDE_PX = 256
# A tile overlaps the next by this part, so that a face on the seam is whole in one of them.
_OVERLAP = 0.25
# The working width is cut into tiles of about this size; below it the whole picture is enough.
_TILE_PX = 384
# A face above this part of the picture's longer side is looked at again, in a window of so many face sides.
_CLOSE_UP_PART = 0.3
_SECOND_LOOK_SIDES = 4.0
_SAME_FACE_OVERLAP = 0.3

Window = tuple[int, int, int, int]


class BlazeFaceDetector:
    """Finds faces with six landmarks each. Serves one thread at a time."""

    def __init__(self, engine: Engine, settings: DetectionSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._anchors = anchor_centres()

    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        """The faces in uint8 (height, width, 3) BGR, surest first, in pixels of the given picture."""
        height, width = image_bgr.shape[:2]
        faces = self._search(image_bgr, search_windows(width, height, self._settings.width_px))
        again = [self._looked_at_again(image_bgr, face) for face in faces]
        if not again:
            return again
        # Two boxes that seemed to be two faces may have become the same one.
        return self._merged(
            np.stack([face.box_xyxy for face in again]),
            np.stack([face.landmarks_xy for face in again]),
            np.array([face.score for face in again], np.float32),
        )

    def _search(self, image_bgr: ImageBgr, windows: list[Window]) -> list[Detection]:
        boxes, landmarks, scores = [], [], []
        for window_xyxy in windows:
            blob, scale = input_blob(image_bgr, window_xyxy)
            found = decode_outputs(self._engine.run(blob), self._anchors, self._settings.score_min)
            corner = np.array(window_xyxy[:2], np.float32)
            in_picture = found[0] / scale + np.tile(corner, 2), found[1] / scale + corner
            keep = _whole_in_window(found[0] / scale, window_xyxy, image_bgr.shape)
            keep &= plausible_faces(*in_picture, image_bgr.shape[1], image_bgr.shape[0])
            boxes.append(in_picture[0][keep])
            landmarks.append(in_picture[1][keep])
            scores.append(found[2][keep])
        return self._merged(np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(scores))

    def _looked_at_again(self, image_bgr: ImageBgr, face: Detection) -> Detection:
        """A face that fills much of the picture, seen from farther away: the network's landmarks are poor close up.

        Such a face leaves room for few others, so this is done once or twice a picture at most.
        """
        x0, y0, x1, y1 = (float(value) for value in face.box_xyxy)
        side = max(x1 - x0, y1 - y0)
        if side < _CLOSE_UP_PART * max(image_bgr.shape[:2]):
            return face
        half = side * _SECOND_LOOK_SIDES / 2
        centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
        window = tuple(round(value) for value in (centre_x - half, centre_y - half, centre_x + half, centre_y + half))
        again = self._search(image_bgr, [(window[0], window[1], window[2], window[3])])
        if not again:
            return face
        overlap = iou_matrix(face.box_xyxy[None], np.stack([other.box_xyxy for other in again]))[0]
        best = int(overlap.argmax())
        return replace(again[best], score=face.score) if overlap[best] > _SAME_FACE_OVERLAP else face

    def _merged(
        self, boxes: NDArray[np.float32], landmarks: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> list[Detection]:
        kept = non_maximum_suppression(
            boxes, scores, overlap_max=self._settings.overlap_max, count_max=self._settings.faces_max
        )
        return [
            Detection(box_xyxy=boxes[i], landmarks_xy=landmarks[i], score=float(scores[i]), layout=LandmarkLayout.SIX)
            for i in kept
        ]


def anchor_centres() -> NDArray[np.float32]:
    """The centres of the anchors in pixels of the input, (896, 2), in the order of the network's outputs."""
    centres = []
    for cell_px, anchors_a_cell in ((16, 2), (32, 6)):
        cells = _SIDE_PX // cell_px
        rows, columns = np.divmod(np.arange(cells * cells), cells)
        cell_centres = (np.stack([columns, rows], axis=1) + 0.5) * cell_px
        centres.append(np.repeat(cell_centres, anchors_a_cell, axis=0))
    return np.concatenate(centres).astype(np.float32)


def search_windows(width: int, height: int, working_width_px: int) -> list[Window]:
    """The parts of a picture to look at, as xyxy: the whole, and overlapping tiles where it is large enough.

    At the default working width of 640 px there are at most 2 x 2 tiles, or 3 x 1 and the like.
    """
    windows = [(0, 0, width, height)]
    scale = min(1.0, working_width_px / max(width, height))
    if max(width, height) * scale <= _TILE_PX:
        return windows
    tile = _TILE_PX / scale
    columns, rows = _starts(width, tile), _starts(height, tile)
    windows += [(x, y, min(width, x + round(tile)), min(height, y + round(tile))) for y in rows for x in columns]
    return windows


def input_blob(image_bgr: ImageBgr, window_xyxy: Window) -> tuple[NDArray[np.float32], float]:
    """The network's input (1, 3, 256, 256), RGB -1..1, and the scale from picture to input.

    The window lies at the top left; grey fills the rest, and what of the window is outside of the picture.
    """
    import cv2

    x0, y0, x1, y1 = window_xyxy
    height, width = image_bgr.shape[:2]
    scale = _SIDE_PX / max(y1 - y0, x1 - x0)
    inside = image_bgr[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)]
    size = (max(1, round(inside.shape[1] * scale)), max(1, round(inside.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(inside, size, interpolation=interpolation)
    left, top = round(max(0, -x0) * scale), round(max(0, -y0) * scale)
    blob = np.zeros((1, 3, _SIDE_PX, _SIDE_PX), np.float32)
    placed = blob[0, :, top : top + size[1], left : left + size[0]]
    placed[...] = small[: placed.shape[1], : placed.shape[2], ::-1].transpose(2, 0, 1) / np.float32(127.5) - 1
    return blob, scale


def decode_outputs(
    outputs: dict[str, NDArray[np.float32]], anchors: NDArray[np.float32], score_min: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Boxes xyxy (n, 4), landmarks (n, 6, 2) and scores (n,) above `score_min`, in pixels of the network's input.

    `outputs` has scores (1, 896) before the sigmoid and boxes (1, 896, 16).
    """
    logits = outputs["scores"].ravel()
    cells = np.flatnonzero(logits >= np.log(score_min / (1 - score_min)))
    values = outputs["boxes"].reshape(-1, 8, 2)[cells]
    centre = values[:, 0] + anchors[cells]
    half = values[:, 1] / 2
    landmarks = values[:, 2:] + anchors[cells][:, None]
    scores = 1 / (1 + np.exp(-logits[cells]))
    return np.hstack([centre - half, centre + half]), landmarks, scores.astype(np.float32)


def _starts(length: int, tile: float) -> list[int]:
    if length <= tile:
        return [0]
    count = int(np.ceil((length - tile * _OVERLAP) / (tile * (1 - _OVERLAP))))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def _whole_in_window(boxes_xyxy: NDArray[np.float32], window_xyxy: Window, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which boxes do not touch an edge of the window inside of the picture; a cut face is whole in another tile."""
    x0, y0, x1, y1 = window_xyxy
    height, width = shape[:2]
    low_x, low_y = (-np.inf if start <= 0 else 0.0 for start in (x0, y0))
    high_x = np.inf if x1 >= width else x1 - x0
    high_y = np.inf if y1 >= height else y1 - y0
    return (
        (boxes_xyxy[:, 0] >= low_x)
        & (boxes_xyxy[:, 1] >= low_y)
        & (boxes_xyxy[:, 2] <= high_x)
        & (boxes_xyxy[:, 3] <= high_y)
    )
