"""Overlap of boxes, and the suppression of boxes that mean the same face."""

import numpy as np
from numpy.typing import NDArray


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


def _areas(boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None)
    areas: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas
