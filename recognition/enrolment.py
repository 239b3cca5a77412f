"""What comes of a photograph that somebody wants to be enrolled with: a template's embedding, or a reason why not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from recognition.types import Detection, Embedding, ImageBgr, Quality

# A bystander's face is smaller than this part of the largest one's side; above it nobody can tell who is meant.
_BYSTANDER_SIDE_MAX = 0.5


class EnrolmentRefusal(StrEnum):
    """Why a photograph cannot become a template."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TURNED = "turned"


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """Either `embedding` is set, or `refusal`.

    `chip_bgr` is the aligned face, uint8 (150, 150, 3), from which a later model can enrol again where consent allows.
    """

    refusal: EnrolmentRefusal | None = None
    embedding: Embedding | None = None
    quality: Quality | None = None
    box_xyxy: tuple[float, float, float, float] | None = None
    chip_bgr: ImageBgr | None = None


def face_meant(detections: Sequence[Detection]) -> Detection | EnrolmentRefusal:
    """The face a photograph is of: the only large one."""
    if not detections:
        return EnrolmentRefusal.NO_FACE
    by_side = sorted(detections, key=side_px, reverse=True)
    if len(by_side) > 1 and side_px(by_side[1]) > _BYSTANDER_SIDE_MAX * side_px(by_side[0]):
        return EnrolmentRefusal.SEVERAL_FACES
    return by_side[0]


def side_px(detection: Detection) -> float:
    """The side of a square of the face's area, in pixels."""
    x0, y0, x1, y1 = (float(value) for value in detection.box_xyxy)
    return math.sqrt(max(0.0, (x1 - x0) * (y1 - y0)))
