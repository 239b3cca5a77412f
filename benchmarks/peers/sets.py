"""The pictures that every peer is shown: made from the sample photographs, and test data where there is any.

They lie in a temporary folder and nothing of them is kept: what is written down are numbers.
"""

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.pictures import QUALITY, WIDTH_PX, empty_room, picture_of_four, picture_of_four_small
from recognition.models.photographs import FOLDER, photographs, read
from recognition.picture_files import pictures_of_people
from stream_server.views import encode_jpeg

Box = tuple[float, float, float, float]

# Of people who are known to be on them: the folder `scenes` of test data beside the project.
SCENES = {"bbt1.jpg": 4, "bbt3.jpg": 5, "bbt4.jpg": 6, "solvay1927.jpg": 29}
STRANGERS = "solvay1927.jpg"


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

    timed = {"four": picture_of_four(models_dir), "small": picture_of_four_small(models_dir), "empty": empty_room()[0]}
    large, small = [], []
    for photograph in photographs():
        faces = tuple((_floats(face.box_xyxy), face.person) for face in photograph.faces)
        large.append(Labelled((models_dir / FOLDER / photograph.name).resolve(), faces))
        scale = WIDTH_PX / photograph.width_px
        size = (WIDTH_PX, round(photograph.height_px * scale))
        scaled = cv2.resize(read(photograph, models_dir), size, interpolation=cv2.INTER_AREA)
        path = _written(folder, f"small-{photograph.name}", encode_jpeg(scaled, QUALITY))  # type: ignore[arg-type]
        boxes = tuple((_scaled(box, scale), person) for box, person in faces)
        small.append(Labelled(path, boxes))
    return PictureSets(
        {name: _written(folder, f"{name}.jpg", data) for name, data in timed.items()},
        tuple(large),
        tuple(small),
        _portraits(faces_dir),
        _scenes(faces_dir),
    )


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
