"""Overlap of boxes, the suppression of boxes that mean the same face, and of those that cannot be one."""

import numpy as np
from numpy.typing import NDArray

# A face cut by the edges of a picture may be larger than the picture, but not many times as large.
_REACH_SIDES = 3.0


def iou_matrix(a_xyxy: NDArray[np.float32], b_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every box of `a_xyxy` (n, 4) with every one of `b_xyxy` (m, 4); (n, m) in 0..1."""
    top_left = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    bottom_right = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    shared = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    union = _areas(a_xyxy)[:, None] + _areas(b_xyxy)[None, :] - shared
    overlap: NDArray[np.float32] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap.astype(np.float32)


def non_maximum_suppression(
    boxes_xyxy: NDArray[np.float32], scores: NDArray[np.float32], *, overlap_max: float, count_max: int
) -> NDArray[np.intp]:
    """Indices of the boxes to keep, best score first: greedy, each kept box removes those that overlap it more.

    `boxes_xyxy` is (n, 4), `scores` (n,). At most `count_max` are kept, so the work is bounded by count_max * n.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size and len(kept) < count_max:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        overlap = iou_matrix(boxes_xyxy[best : best + 1], boxes_xyxy[rest])[0]
        order = rest[overlap <= overlap_max]
    return np.asarray(kept, dtype=np.intp)


def plausible_faces(
    boxes_xyxy: NDArray[np.float32], landmarks_xy: NDArray[np.float32], width: float, height: float
) -> NDArray[np.bool_]:
    """Which boxes (n, 4) and landmarks (n, k, 2) can be a face of a picture of this size; (n,).

    A network may say anything of a picture made to mislead it: numbers that are none, or boxes far away from it.
    """
    reach = _REACH_SIDES * max(width, height)
    near = (np.abs(boxes_xyxy) < reach).all(axis=1) & (np.abs(landmarks_xy) < reach).all(axis=(1, 2))
    x0, y0, x1, y1 = np.clip(boxes_xyxy, -reach, reach).T
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    inside = (middle_x >= 0) & (middle_x <= width) & (middle_y >= 0) & (middle_y <= height)
    plausible: NDArray[np.bool_] = near & inside & (x1 > x0) & (y1 > y0)
    return plausible


def _areas(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None)
    areas: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas
