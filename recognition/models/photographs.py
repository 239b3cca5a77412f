"""The six sample photographs in the model folder, and where their 22 faces are.

They calibrate the int8 network and give the demo somebody to recognise. One woman is on two of them:
`same_person`.
"""

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import ModelError
from recognition.types import ImageBgr

FOLDER = "photographs"
CHIP_SIDE_PX = 150

# Right eye, left eye, nose tip, right and left corner of the mouth, as fractions of the chip. The template
# of dlib's face chips with 0.25 padding, scaled 1.10 about the centre and shifted up by 0.03, which a plain
# least-squares alignment measured best with. Kept apart from `recognition.alignment`, which may be tuned: a
# change here would change the calibrated file, and with it the model that every stored template belongs to.
_TEMPLATE = np.array([(0.317, 0.311), (0.670, 0.311), (0.493, 0.510), (0.336, 0.687), (0.651, 0.687)])
_TEMPLATE_SCALE = 1.10
_TEMPLATE_SHIFT = (0.0, -0.03)


@dataclass(frozen=True, slots=True)
class PhotographedFace:
    """One face. Coordinates are pixels of the photograph; landmarks are ordered as `LandmarkLayout.FIVE`.

    `person` is a made-up name, the same wherever the same woman is seen.
    """

    person: str
    box_xyxy: tuple[int, int, int, int]
    landmarks_xy: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph and its faces from left to right. `name` is a file name within `photographs/`."""

    name: str
    width_px: int
    height_px: int
    faces: tuple[PhotographedFace, ...]


@cache
def photographs() -> tuple[Photograph, ...]:
    """All six, in order."""
    document = tomllib.loads(files(__package__).joinpath("photographs.toml").read_text("utf-8"))
    return tuple(
        Photograph(
            entry["name"],
            entry["width_px"],
            entry["height_px"],
            tuple(
                PhotographedFace(
                    face["person"], tuple(face["box_xyxy"]), tuple((x, y) for x, y in face["landmarks_xy"])
                )
                for face in entry["face"]
            ),
        )
        for entry in document["photograph"]
    )


def same_person() -> tuple[tuple[Photograph, PhotographedFace], tuple[Photograph, PhotographedFace]]:
    """The woman who is on two photographs: (first, right-most) and (third, middle)."""
    seen: dict[str, tuple[Photograph, PhotographedFace]] = {}
    for photograph in photographs():
        for face in photograph.faces:
            if face.person in seen:
                return seen[face.person], (photograph, face)
            seen[face.person] = (photograph, face)
    raise AssertionError("photographs.toml names nobody twice")


def read(photograph: Photograph, folder: Path) -> ImageBgr:
    """The picture, from the `photographs` folder within `folder`.

    ModelError `model_missing` when it is not there, `photograph_unusable` when it is another picture.
    """
    import cv2

    path = folder / FOLDER / photograph.name
    if not path.is_file():
        raise ModelError(
            f"The photograph {photograph.name} is not in the model folder.",
            hint="Run `rollcall models build`.",
            code="model_missing",
        )
    # From bytes, because OpenCV cannot open every path on every system; its orientation tag is none.
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape != (photograph.height_px, photograph.width_px, 3):
        raise ModelError(
            f"The photograph {photograph.name} is not the one that its faces were measured on.",
            hint="Delete it and run `rollcall models build`.",
            code="photograph_unusable",
        )
    return image  # type: ignore[return-value]  # OpenCV's stubs do not say uint8


def chips(folder: Path) -> NDArray[np.uint8]:
    """All 22 faces, aligned, as the face network takes them: uint8 (22, 150, 150, 3), blue-green-red."""
    return np.stack(
        [
            chip(image, face)
            for photograph in photographs()
            for image in [read(photograph, folder)]
            for face in photograph.faces
        ]
    )


def chip(image_bgr: ImageBgr, face: PhotographedFace) -> ImageBgr:
    """One face, aligned: uint8 (150, 150, 3).

    Least-squares similarity and bilinear sampling, written with operations whose result does not depend on
    the processor, so that calibration sees the same pixels everywhere.
    """
    template = (((_TEMPLATE - 0.5) * _TEMPLATE_SCALE + 0.5 + _TEMPLATE_SHIFT) * CHIP_SIDE_PX).tolist()
    turn, shift = _similarity([complex(*point) for point in template], [complex(*point) for point in face.landmarks_xy])
    steps = np.arange(CHIP_SIDE_PX, dtype=np.float64)
    x = turn.real * steps[None, :] - turn.imag * steps[:, None] + shift.real
    y = turn.imag * steps[None, :] + turn.real * steps[:, None] + shift.imag
    return _sample(image_bgr, x, y)


def _similarity(source: list[complex], target: list[complex]) -> tuple[complex, complex]:
    """Least squares for target = turn * source + shift, with points of the plane as complex numbers."""
    source_mean, target_mean = _mean(source), _mean(target)
    centred = [(a - source_mean, b - target_mean) for a, b in zip(source, target, strict=True)]
    spread = math.fsum(a.real * a.real + a.imag * a.imag for a, _ in centred)
    turn = complex(
        math.fsum(a.real * b.real + a.imag * b.imag for a, b in centred) / spread,
        math.fsum(a.real * b.imag - a.imag * b.real for a, b in centred) / spread,
    )
    return turn, target_mean - turn * source_mean


def _mean(points: list[complex]) -> complex:
    return complex(math.fsum(p.real for p in points), math.fsum(p.imag for p in points)) / len(points)


def _sample(image_bgr: ImageBgr, x: NDArray[np.float64], y: NDArray[np.float64]) -> ImageBgr:
    height, width = image_bgr.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.minimum(x.astype(np.intp), width - 2), np.minimum(y.astype(np.intp), height - 2)
    right_part, lower_part = (x - left)[..., None], (y - top)[..., None]
    upper = image_bgr[top, left] * (1 - right_part) + image_bgr[top, left + 1] * right_part
    lower = image_bgr[top + 1, left] * (1 - right_part) + image_bgr[top + 1, left + 1] * right_part
    sampled: ImageBgr = np.rint(upper * (1 - lower_part) + lower * lower_part).astype(np.uint8)
    return sampled
