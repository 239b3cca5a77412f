"""Pictures of people in files of one's own: which there are, whom they show, and their pixels.

For the commands that work on a folder; the server takes pictures from its callers.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.errors import ImageError, RequestError
from recognition.frames import DecodedPicture, DecodeLimits, decode_scaled
from recognition.types import ImageBgr

_ENCODED_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
# Formats of data sets, which nobody can send to the server.
_BARE_SUFFIXES = frozenset({".pgm", ".ppm", ".bmp"})

_FILE_LIMITS = DecodeLimits(
    max_bytes=64 * 1024 * 1024, max_pixels=100_000_000, max_pixels_whole=50_000_000, working_pixels=25_000_000
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file and the person whom it shows."""

    path: Path
    person: str

    @property
    def is_sendable(self) -> bool:
        """Whether the server takes the file as it is: JPEG, PNG or WebP."""
        return self.path.suffix.lower() in _ENCODED_SUFFIXES


def pictures_of_people(folder: Path, *, single_files: bool = True) -> list[Picture]:
    """The pictures `folder`/NAME/* and, with `single_files`, `folder`/NAME.jpg, by person, in the order people count.

    Pictures are JPEG, PNG, WebP, PGM, PPM and BMP, by the endings of their names; hidden files are passed over.
    Raises RequestError `no_people` when there are none.
    """
    shape = "NAME/*.jpg, or NAME.jpg" if single_files else "NAME/*.jpg"
    if not folder.is_dir():
        raise RequestError(f"{folder} is no folder", hint=f"give a folder of pictures: {shape}", code="no_people")
    pictures = []
    for entry in _visible(folder):
        if entry.is_dir():
            pictures += [Picture(path, entry.name) for path in _visible(entry) if _is_picture(path)]
        elif single_files and _is_picture(entry):
            pictures.append(Picture(entry, entry.stem))
    if not pictures:
        raise RequestError(f"there are no pictures in {folder}", hint=f"it must hold {shape}", code="no_people")
    return sorted(pictures, key=lambda picture: picture.person)


def read_picture(path: Path) -> ImageBgr:
    """The pixels of a picture file, uint8 (height, width, 3) BGR. Raises ImageError."""
    return read_picture_scaled(path).image_bgr


def read_picture_scaled(path: Path) -> DecodedPicture:
    """A picture file: whatever `frames.decode_scaled` takes, and PGM, PPM and BMP. Raises ImageError."""
    import cv2

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", hint="check the name") from error
    if path.suffix.lower() not in _BARE_SUFFIXES:
        return decode_scaled(data, _FILE_LIMITS)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise ImageError(f"{path} cannot be decoded", hint="the file is damaged")
    return DecodedPicture(np.asarray(image, np.uint8), 1, image.shape[1], image.shape[0])


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_natural)


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _ENCODED_SUFFIXES | _BARE_SUFFIXES


def _natural(path: Path) -> tuple[int, str, str]:
    """Orders 2.jpg before 10.jpg."""
    digits = "".join(character for character in path.stem if character.isdigit())
    return (int(digits[:18] or 0), path.stem, path.suffix)
