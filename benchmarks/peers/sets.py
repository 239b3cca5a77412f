"""The pictures that every peer is shown: made from the sample photographs, and test data where there is any.

They lie in a temporary folder and nothing of them is kept: what is written down are numbers.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.pictures import HEIGHT_PX, QUALITY, WIDTH_PX, empty_room
from recognition.models.photographs import FOLDER, Photograph, photographs, read
from recognition.picture_files import pictures_of_people
from recognition.types import ImageBgr
from stream_server.demo.views import encode_jpeg

if TYPE_CHECKING:
    import cv2

Box = tuple[float, float, float, float]

# Of people who are known to be on them: the folder `scenes` of test data beside the project.
SCENES = {"bbt1.jpg": 4, "bbt3.jpg": 5, "bbt4.jpg": 6, "solvay1927.jpg": 29}
STRANGERS = "solvay1927.jpg"

# Timed are four faces that every peer finds, so that all of them do the same work: those of the sixth photograph.
_TIMED = "sample6.jpg"
_TIMED_XYXY = (130, 0, 1770, 1230)
# The whole photograph, small in the middle of a frame: eyes 23 px apart.
_FAR_WIDTH_PX = 448


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture, and the box and the person of each face on it."""

    path: Path
    faces: tuple[tuple[Box, str], ...]


@dataclass(frozen=True, slots=True)
class PictureSets:
    """Everything that is shown.

    `timed` are single pictures by name. `large` and `small` are the same photographs at full size and 640 px wide.
    `portraits` are (file, person), `scenes` (file, number of people); both are empty without test data.
    """

    timed: dict[str, Path]
    large: tuple[Labelled, ...]
    small: tuple[Labelled, ...]
    portraits: tuple[tuple[Path, str], ...] = ()
    scenes: tuple[tuple[Path, int], ...] = field(default=())


def picture_sets(models_dir: Path, faces_dir: Path | None, folder: Path) -> PictureSets:
    """All pictures; what has to be made is written into `folder`. ModelError when the photographs are not there."""
    import cv2

    four = next(photograph for photograph in photographs() if photograph.name == _TIMED)
    timed = {"four": _near(four, models_dir), "small": _far(four, models_dir), "empty": empty_room()[0]}
    large, small = [], []
    for photograph in photographs():
        faces = tuple((_floats(face.box_xyxy), face.person) for face in photograph.faces)
        large.append(Labelled((models_dir / FOLDER / photograph.name).resolve(), faces))
        scale = WIDTH_PX / photograph.width_px
        size = (WIDTH_PX, round(photograph.height_px * scale))
        scaled = cv2.resize(read(photograph, models_dir), size, interpolation=cv2.INTER_AREA)
        path = _written(folder, f"small-{photograph.name}", _jpeg(scaled))
        boxes = tuple((_scaled(box, scale), person) for box, person in faces)
        small.append(Labelled(path, boxes))
    return PictureSets(
        {name: _written(folder, f"{name}.jpg", data) for name, data in timed.items()},
        tuple(large),
        tuple(small),
        _portraits(faces_dir),
        _scenes(faces_dir),
    )


def _near(photograph: Photograph, models_dir: Path) -> bytes:
    """The part of it around its faces as a JPEG of 640x480 pixels: eyes 38 px apart."""
    import cv2

    x0, y0, x1, y1 = _TIMED_XYXY
    part = read(photograph, models_dir)[y0:y1, x0:x1]
    return _jpeg(cv2.resize(part, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA))


def _far(photograph: Photograph, models_dir: Path) -> bytes:
    """All of it on grey ground, as a JPEG of 640x480 pixels."""
    import cv2

    size = (_FAR_WIDTH_PX, round(photograph.height_px * _FAR_WIDTH_PX / photograph.width_px))
    small = cv2.resize(read(photograph, models_dir), size, interpolation=cv2.INTER_AREA)
    frame = np.full((HEIGHT_PX, WIDTH_PX, 3), 128, np.uint8)
    left, top = (WIDTH_PX - size[0]) // 2, (HEIGHT_PX - size[1]) // 2
    frame[top : top + size[1], left : left + size[0]] = small
    return _jpeg(frame)


def _jpeg(image_bgr: "cv2.typing.MatLike | ImageBgr") -> bytes:
    return encode_jpeg(np.asarray(image_bgr, np.uint8), QUALITY)


def _portraits(faces_dir: Path | None) -> tuple[tuple[Path, str], ...]:
    folder = None if faces_dir is None else faces_dir / "bbt"
    if folder is None or not folder.is_dir():
        return ()
    return tuple((picture.path.resolve(), picture.person) for picture in pictures_of_people(folder, single_files=False))


def _scenes(faces_dir: Path | None) -> tuple[tuple[Path, int], ...]:
    paths = {} if faces_dir is None else {(faces_dir / "scenes" / name).resolve(): n for name, n in SCENES.items()}
    return tuple((path, people) for path, people in paths.items() if path.is_file())


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path.resolve()


def _floats(box: tuple[int, int, int, int]) -> Box:
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])


def _scaled(box: Box, scale: float) -> Box:
    return box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale
