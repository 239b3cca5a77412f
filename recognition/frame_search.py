"""Where in a frame to look for faces: in all of it now and then, and in between only where the picture has changed.

Finding faces is most of what a frame costs, and most frames of a camera on a wall look like the one before. A frame is
compared with the picture that was last searched, cell by cell. Where nothing has changed, what was found there stands;
what has changed is searched by itself, and all of it when that is much. A face can therefore only be missed where the
picture did not change visibly, and never for longer than until the next frame that is searched whole.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recognition.detection import FaceDetector
from recognition.types import Detection, ImageBgr, Searched

_CELL_PX = 8
# Both sides of a part and its place are multiples of the detector's coarsest stride: its cells then lie on those of the
# whole picture, and it says the same of a face.
_STRIDE_PX = 32
# So much around what has changed: a detector needs to see what is beside a face.
_AROUND_PX = 32.0
_AROUND_FACE = 0.5
# A face that comes so near to the edge of a part may have been cut by it.
_CUT_PX = 3.0


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """When a frame is searched whole.

    At the latest `whole_every_s` after the last time; 0 for every frame. Also when what has changed, with its
    surroundings, is more than `part_max` of the picture; 0 where parts may not be searched by themselves. A cell of
    8 x 8 px has changed when the mean of a colour differs by more than `change_min`, of 255.
    """

    whole_every_s: float = 1.0
    part_max: float = 0.5
    change_min: int = 6


EVERY_FRAME_WHOLE = SearchSettings(whole_every_s=0.0)


class Part(NamedTuple):
    """A rectangle in whole pixels; x1 and y1 lie outside of it."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(slots=True, eq=False)
class SceneMemory:
    """What is known of the picture of one camera: its cells when they were last searched, and the faces found then."""

    cells_bgr: NDArray[np.uint8] | None = None
    shape: tuple[int, ...] = ()
    whole_mono: float = -math.inf
    faces: list[Detection] = field(default_factory=list)


class FrameSearch:
    """Finds the faces of the frames of a camera. Holds no state of it; serves one thread at a time.

    The longer side of what is searched has at most `width_px` pixels; where it gives None, the detector decides.
    """

    def __init__(
        self,
        detector: FaceDetector,
        settings: SearchSettings = EVERY_FRAME_WHOLE,
        width_px: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._detector = detector
        self._settings = settings
        self._width_px = width_px

    def faces(
        self, image_bgr: ImageBgr, scene: SceneMemory, now_mono: float, wanted: Sequence[NDArray[np.float32]] = ()
    ) -> tuple[list[Detection], Searched]:
        """The faces in uint8 (height, width, 3) BGR, surest first, in pixels of it, and how much was searched for them.

        Boxes xyxy in `wanted` are searched in any case. `now_mono` is in seconds; if it falls, all is searched.
        """
        small_bgr, to_picture = _shrunk(image_bgr, self._width_px())
        if self._settings.whole_every_s <= 0:
            found, searched = self._detector.detect(small_bgr), Searched.WHOLE
        else:
            found, searched = self._search(
                small_bgr, scene, now_mono, [_scaled(box, np.float32(1) / to_picture) for box in wanted]
            )
        if small_bgr is image_bgr:
            return list(found), searched
        return [_enlarged(face, to_picture) for face in found], searched

    def _search(
        self, image_bgr: ImageBgr, scene: SceneMemory, now_mono: float, wanted: Sequence[NDArray[np.float32]]
    ) -> tuple[list[Detection], Searched]:
        import cv2

        cells_bgr = _cells(image_bgr)
        due = not 0 <= now_mono - scene.whole_mono < self._settings.whole_every_s
        if scene.cells_bgr is None or scene.shape != image_bgr.shape or due:
            return self._whole(image_bgr, cells_bgr, scene, now_mono)
        changed = cv2.absdiff(cells_bgr, scene.cells_bgr).max(axis=2) > self._settings.change_min
        if not changed.any() and not wanted:
            return scene.faces, Searched.NOTHING
        part = _part(changed, wanted, scene.faces, image_bgr.shape)
        if _area(part) > self._settings.part_max * image_bgr.shape[0] * image_bgr.shape[1]:
            return self._whole(image_bgr, cells_bgr, scene, now_mono)
        corner = np.array([part.x0, part.y0], np.float32)
        inside = [
            _moved(face, corner) for face in self._detector.detect(image_bgr[part.y0 : part.y1, part.x0 : part.x1])
        ]
        if any(_is_cut(face.box_xyxy, part, image_bgr.shape) for face in inside):
            return self._whole(image_bgr, cells_bgr, scene, now_mono)
        outside = [face for face in scene.faces if not _meets(part, face.box_xyxy)]
        scene.faces = sorted([*outside, *inside], key=lambda face: -face.score)
        rows = slice(part.y0 // _CELL_PX, -(-part.y1 // _CELL_PX))
        columns = slice(part.x0 // _CELL_PX, -(-part.x1 // _CELL_PX))
        scene.cells_bgr[rows, columns] = cells_bgr[rows, columns]
        return scene.faces, Searched.PART

    def _whole(
        self, image_bgr: ImageBgr, cells_bgr: NDArray[np.uint8], scene: SceneMemory, now_mono: float
    ) -> tuple[list[Detection], Searched]:
        scene.faces = self._detector.detect(image_bgr)
        scene.cells_bgr, scene.shape, scene.whole_mono = cells_bgr, image_bgr.shape, now_mono
        return scene.faces, Searched.WHOLE


def _shrunk(image_bgr: ImageBgr, width_px: int | None) -> tuple[ImageBgr, NDArray[np.float32]]:
    """The picture, its longer side at most `width_px`, and the scale (x, y) from there to the picture."""
    height, width = image_bgr.shape[:2]
    if width_px is None or max(height, width) <= width_px:
        return image_bgr, np.ones(2, np.float32)
    import cv2

    scale = width_px / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small_bgr = np.asarray(cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small_bgr, np.array([width / size[0], height / size[1]], np.float32)


def _cells(image_bgr: ImageBgr) -> NDArray[np.uint8]:
    """The mean colour of each cell of 8 x 8 px: uint8 (rows, columns, 3). Means take out noise and compression."""
    import cv2

    height, width = image_bgr.shape[:2]
    size = max(1, -(-width // _CELL_PX)), max(1, -(-height // _CELL_PX))
    return np.asarray(cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def _part(
    changed: NDArray[np.bool_],
    wanted: Sequence[NDArray[np.float32]],
    faces: Sequence[Detection],
    shape: tuple[int, ...],
) -> Part:
    """The rectangle around what has changed and is wanted, in which no known face is cut."""
    height, width = shape[:2]
    boxes = [_around_face(box) for box in wanted]
    if changed.any():
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32) * _CELL_PX
        boxes.append(edges + np.array([-_AROUND_PX, -_AROUND_PX, _AROUND_PX, _AROUND_PX], np.float32))
    around = np.stack(boxes)
    part = _snapped(around[:, :2].min(axis=0), around[:, 2:].max(axis=0), height, width)
    left = [_around_face(face.box_xyxy) for face in faces]
    # Each time at least one face is taken in, so this ends.
    while meeting := [box for box in left if _meets(part, box)]:
        left = [box for box in left if not _meets(part, box)]
        around = np.stack([np.array(part, np.float32), *meeting])
        part = _snapped(around[:, :2].min(axis=0), around[:, 2:].max(axis=0), height, width)
    return part


def _around_face(box_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = box_xyxy[2:] - box_xyxy[:2]
    return np.concatenate([box_xyxy[:2] - sides * _AROUND_FACE, box_xyxy[2:] + sides * _AROUND_FACE])


def _snapped(low_xy: NDArray[np.float32], high_xy: NDArray[np.float32], height: int, width: int) -> Part:
    x0, y0 = (max(0, math.floor(value / _STRIDE_PX)) * _STRIDE_PX for value in map(float, low_xy))
    x1, y1 = (math.ceil(value / _STRIDE_PX) * _STRIDE_PX for value in map(float, high_xy))
    # What is wanted may lie beside the picture; a part of it is never empty.
    x0, y0 = min(x0, (width - 1) // _STRIDE_PX * _STRIDE_PX), min(y0, (height - 1) // _STRIDE_PX * _STRIDE_PX)
    return Part(x0, y0, min(max(x1, x0 + _STRIDE_PX), width), min(max(y1, y0 + _STRIDE_PX), height))


def _meets(part: Part, box_xyxy: NDArray[np.float32]) -> bool:
    x0, y0, x1, y1 = map(float, box_xyxy)
    return x0 < part.x1 and x1 > part.x0 and y0 < part.y1 and y1 > part.y0


def _is_cut(box_xyxy: NDArray[np.float32], part: Part, shape: tuple[int, ...]) -> bool:
    """Whether a face reaches an edge of the part that is none of the picture."""
    x0, y0, x1, y1 = map(float, box_xyxy)
    return (
        (part.x0 > 0 and x0 < part.x0 + _CUT_PX)
        or (part.y0 > 0 and y0 < part.y0 + _CUT_PX)
        or (part.x1 < shape[1] and x1 > part.x1 - _CUT_PX)
        or (part.y1 < shape[0] and y1 > part.y1 - _CUT_PX)
    )


def _area(part: Part) -> int:
    return (part.x1 - part.x0) * (part.y1 - part.y0)


def _moved(face: Detection, corner_xy: NDArray[np.float32]) -> Detection:
    return replace(face, box_xyxy=face.box_xyxy + np.tile(corner_xy, 2), landmarks_xy=face.landmarks_xy + corner_xy)


def _enlarged(face: Detection, scale_xy: NDArray[np.float32]) -> Detection:
    return replace(face, box_xyxy=_scaled(face.box_xyxy, scale_xy), landmarks_xy=face.landmarks_xy * scale_xy)


def _scaled(box_xyxy: NDArray[np.float32], scale_xy: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (box_xyxy * np.tile(scale_xy, 2)).astype(np.float32)
    return scaled
