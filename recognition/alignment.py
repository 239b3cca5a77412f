"""Aligned chips: a face turned upright and scaled so that its landmarks lie where the face network expects them.

The similarity (rotation, one scale, shift) is the least-squares one. In complex numbers it has a closed form:
with centred points p and q, the factor a that minimises |a p - q|^2 is sum(conj(p) q) / sum(|p|^2).
"""

import math

import numpy as np
from numpy.typing import NDArray

from recognition.types import Detection, ImageBgr, LandmarkLayout

CHIP_SIDE_PX = 150

# Fractions of the chip after dlib's mean face: eyes, nose tip, mouth corners (see docs/why/recognition.md).
_EYES_NOSE_MOUTH = np.array([[0.317, 0.311], [0.670, 0.311], [0.493, 0.510], [0.336, 0.687], [0.651, 0.687]])


def _scaled(points: NDArray[np.float64], *, scale: float, shift_up: float) -> NDArray[np.float64]:
    return (0.5 + (points - 0.5) * scale - [0.0, shift_up]) * CHIP_SIDE_PX


# Scale and shift gave the best separation of persons among those tried; figures in docs/why/recognition.md.
_TEMPLATE_FIVE = _scaled(_EYES_NOSE_MOUTH, scale=1.10, shift_up=0.03)
_TEMPLATE_FOUR = _scaled(np.vstack([_EYES_NOSE_MOUTH[:3], _EYES_NOSE_MOUTH[3:].mean(axis=0)]), scale=1.05, shift_up=0.0)


def similarity_transform(source_xy: NDArray[np.float32], target_xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarity, as a (2, 3) matrix, that maps `source_xy` (n, 2) nearest to `target_xy` (n, 2)."""
    source = source_xy.astype(np.float64) @ [1, 1j]
    target = target_xy @ [1, 1j]
    source_mean, target_mean = source.mean(), target.mean()
    centred = source - source_mean
    spread = float((centred * centred.conj()).real.sum())
    # All landmarks in one point: no face, but no reason to divide by zero either.
    factor = (centred.conj() * (target - target_mean)).sum() / max(spread, 1e-9)
    shift = target_mean - factor * source_mean
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]], dtype=np.float64)


def chip_transform(detection: Detection) -> NDArray[np.float64]:
    """The (2, 3) matrix from the picture to the chip. Of six landmarks the two ears are not used: they are guesses."""
    if detection.layout is LandmarkLayout.FIVE:
        return similarity_transform(detection.landmarks_xy, _TEMPLATE_FIVE)
    return similarity_transform(detection.landmarks_xy[:4], _TEMPLATE_FOUR)


def aligned_chip(image_bgr: ImageBgr, detection: Detection) -> ImageBgr:
    """The chip of a face: uint8 (150, 150, 3) BGR. What lies outside of the picture is black."""
    import cv2

    matrix = chip_transform(detection)
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 0.5:
        image_bgr, matrix = _shrunk_around(image_bgr, matrix, scale)
    chip = cv2.warpAffine(image_bgr, matrix, (CHIP_SIDE_PX, CHIP_SIDE_PX), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, np.uint8)


def _shrunk_around(
    image_bgr: ImageBgr, matrix: NDArray[np.float64], scale: float
) -> tuple[ImageBgr, NDArray[np.float64]]:
    """The part of the picture under the chip, made smaller by a whole factor, and the matrix that fits it.

    A warp reads four pixels for each of its own: below half size it would skip pixels, and fine texture turns to noise.
    """
    import cv2

    factor = int(min(1 / max(scale, 1e-6), 64))
    corners = np.array([[0, 0, 1], [CHIP_SIDE_PX, 0, 1], [0, CHIP_SIDE_PX, 1], [CHIP_SIDE_PX, CHIP_SIDE_PX, 1]])
    inverse = cv2.invertAffineTransform(matrix)
    covered = corners @ inverse.T
    height, width = image_bgr.shape[:2]
    x0, y0 = np.clip(np.floor(covered.min(axis=0)) - factor, 0, [width - 1, height - 1]).astype(int)
    x1, y1 = np.clip(np.ceil(covered.max(axis=0)) + factor, [x0 + 1, y0 + 1], [width, height]).astype(int)
    part = image_bgr[y0:y1, x0:x1]
    small_size = (max(1, part.shape[1] // factor), max(1, part.shape[0] // factor))
    small = cv2.resize(part, small_size, interpolation=cv2.INTER_AREA)
    ratio_x, ratio_y = part.shape[1] / small_size[0], part.shape[0] / small_size[1]
    # Pixel centres: a point u of the small part lies at (u + 1/2) * ratio - 1/2 + x0 of the picture.
    back = np.array(
        [[ratio_x, 0, x0 + ratio_x / 2 - 0.5], [0, ratio_y, y0 + ratio_y / 2 - 0.5], [0, 0, 1]],
        dtype=np.float64,
    )
    return np.asarray(small, np.uint8), matrix @ back
