"""How useful a face is to the face network: size, sharpness and pose, from its landmarks and its chip.

The limits throw away what cannot be compared, not what is merely poor: the score weighs that. They were set by
looking at real and at artificially blurred, shrunk and turned faces; the figures are in docs/why/recognition.md.
"""

import math
from dataclasses import dataclass

import numpy as np

from recognition.alignment import CHIP_SIDE_PX
from recognition.types import Detection, ImageBgr, LandmarkLayout, Quality, QualityVerdict

# Between the eyes of an aligned chip, in px (0.353 of the chip, template scale 1.10).
_CHIP_EYES_PX = 0.353 * 1.10 * CHIP_SIDE_PX
# Sharpness is measured with this distance between the eyes, so that it does not depend on the size of the face.
_SHARPNESS_EYES_PX = 24.0
# Beyond these more size or sharpness makes no better embedding.
_FULL_SIZE_PX = 40.0
_FULL_SHARPNESS = 0.2
# Nose tip between eyes (0) and mouth (1) on a frontal face: (0.510 - 0.311) / (0.687 - 0.311) of the template.
_FRONTAL_NOSE_HEIGHT = 0.529


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """The poorest face that is still compared. Units as in `recognition.types.Quality`."""

    size_min_px: float = 10.0
    sharpness_min: float = 0.015
    yaw_max: float = 0.55
    pitch_max: float = 0.40


def assess(detection: Detection, chip_bgr: ImageBgr, limits: QualityLimits) -> Quality:
    """The quality of a face from its landmarks and its chip, uint8 (150, 150, 3) BGR."""
    size_px, yaw, pitch = pose(detection)
    sharpness = chip_sharpness(chip_bgr, size_px)
    verdict = QualityVerdict.OK
    if size_px < limits.size_min_px:
        verdict = QualityVerdict.TOO_SMALL
    elif abs(yaw) > limits.yaw_max or abs(pitch) > limits.pitch_max:
        verdict = QualityVerdict.TURNED
    elif sharpness < limits.sharpness_min:
        verdict = QualityVerdict.BLURRED
    size_score = min(1.0, size_px / _FULL_SIZE_PX)
    sharpness_score = min(1.0, max(0.0, sharpness / _FULL_SHARPNESS) ** 0.5)
    pose_score = max(0.0, 1 - abs(yaw) / (2 * limits.yaw_max)) * max(0.0, 1 - abs(pitch) / (2 * limits.pitch_max))
    score = (size_score * sharpness_score * pose_score) ** (1 / 3)
    return Quality(size_px, sharpness, yaw, pitch, score, verdict)


def pose(detection: Detection) -> tuple[float, float, float]:
    """Distance between the eyes in px, and yaw and pitch as fractions.

    Yaw is the nose tip's way off the middle of the eyes along the line of the eyes, in eye distances; positive to the
    picture's right. Pitch is its way off the usual height between eyes and mouth; positive downwards.
    """
    points = detection.landmarks_xy.astype(np.float64) @ [1, 1j]
    right_eye, left_eye, nose = points[:3]
    mouth = points[3:5].mean() if detection.layout is LandmarkLayout.FIVE else points[3]
    eyes = left_eye - right_eye
    size_px = abs(eyes)
    if size_px < 1e-6:
        return 0.0, 9.0, 9.0
    middle = (left_eye + right_eye) / 2
    nose_turned, mouth_turned = (nose - middle) / eyes, (mouth - middle) / eyes
    # The mouth's height is bounded below: seen from far above or below it falls onto the eyes.
    pitch = nose_turned.imag / max(mouth_turned.imag, 0.1) - _FRONTAL_NOSE_HEIGHT
    return float(size_px), float(nose_turned.real), float(pitch)


def chip_sharpness(chip_bgr: ImageBgr, size_px: float) -> float:
    """How much fine detail a face shows in the direction that shows the least; dimensionless, higher is sharper.

    The chip is first brought to one size for all faces, or to the face's own size where that is smaller: enlarging a
    small face must not count as blur. Of the gradient of its Laplacian the weaker principal direction counts, because
    motion blurs in one direction only. Dividing by the variance of brightness takes out contrast and exposure.
    """
    import cv2

    side = max(16, round(CHIP_SIDE_PX * min(size_px, _SHARPNESS_EYES_PX) / _CHIP_EYES_PX))
    grey = cv2.cvtColor(chip_bgr, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    # The middle of the chip: eyes to mouth, without hair and background.
    edge = side // 5
    inner = slice(edge, side - edge)
    detail = cv2.Laplacian(small, cv2.CV_32F)
    gradient_x = cv2.Sobel(detail, cv2.CV_32F, 1, 0, ksize=1)[inner, inner] / 2
    gradient_y = cv2.Sobel(detail, cv2.CV_32F, 0, 1, ksize=1)[inner, inner] / 2
    xx, yy = float((gradient_x**2).mean()), float((gradient_y**2).mean())
    xy = float((gradient_x * gradient_y).mean())
    weaker = (xx + yy) / 2 - math.hypot((xx - yy) / 2, xy)
    return weaker / max(float(small[inner, inner].var()), 1.0)
