"""The pictures of the benchmarks, made from the sample photographs of the model folder. The same on every run."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.models.photographs import Photograph, photographs, read
from recognition.types import ImageBgr
from stream_server.demo.views import MovingView, encode_jpeg

WIDTH_PX, HEIGHT_PX = 640, 480
QUALITY = 80
RING_FPS = 5.0
_RING_FRAMES = 40
_CROP_MARGIN = 0.35

# The part of the fourth photograph around its four faces, in the proportions of a frame: there the eyes of each are
# 35 to 40 pixels apart, as of somebody two or three metres in front of a camera.
_FOUR_FACES = "sample4.jpg"
_FOUR_FACES_XYXY = (188, 0, 1508, 990)
# What the four cameras of the load see: 16 people, nobody twice.
_STREAMED = ("sample2.jpg", "sample4.jpg", "sample5.jpg", "sample6.jpg")


@dataclass(frozen=True, slots=True)
class Scene:
    """What one camera sees: encoded frames to be shown in turn, and a photograph to enrol each person in it with."""

    frames: tuple[bytes, ...]
    people: dict[str, bytes]


def picture_of_four(models_dir: Path) -> bytes:
    """A JPEG of 640x480 pixels with four faces."""
    return _scaled_jpeg(_crop(models_dir, _FOUR_FACES, _FOUR_FACES_XYXY))


def picture_of_four_small(models_dir: Path) -> bytes:
    """The same four people farther away: the whole photograph, eyes about 23 pixels apart."""
    photograph = _photograph(_FOUR_FACES)
    height = round(photograph.width_px * HEIGHT_PX / WIDTH_PX)
    return _scaled_jpeg(_crop(models_dir, _FOUR_FACES, (0, 0, photograph.width_px, height)))


def random_templates(real: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Templates of people who do not exist: (count, 128), with mean and spread of the `real` ones (n, 128)."""
    drawn = np.random.default_rng(1000).normal(real.mean(axis=0), real.std(axis=0), (count, real.shape[1]))
    return drawn.astype(np.float32)


@cache
def scenes(models_dir: Path) -> tuple[Scene, ...]:
    """What the four cameras see: moving views of photographs."""
    return tuple(_scene(models_dir, name, seed) for seed, name in enumerate(_STREAMED, start=1))


@cache
def empty_room() -> tuple[bytes, ...]:
    """Frames without a face: a wall with some grain."""
    noise = np.random.default_rng(0)
    shade = np.linspace(90, 170, WIDTH_PX)[None, :, None]
    walls = [shade + noise.normal(0, 4, (HEIGHT_PX, WIDTH_PX, 1)) for _ in range(5)]
    return tuple(encode_jpeg(np.repeat(np.clip(wall, 0, 255), 3, axis=2).astype(np.uint8), QUALITY) for wall in walls)


def _scene(models_dir: Path, name: str, seed: int) -> Scene:
    photograph = _photograph(name)
    view = MovingView(read(photograph, models_dir), WIDTH_PX, HEIGHT_PX, seed=seed)
    forth = [encode_jpeg(view.frame(number / RING_FPS), QUALITY) for number in range(_RING_FRAMES)]
    people = {}
    for face in photograph.faces:
        x1, y1, x2, y2 = face.box_xyxy
        margin = round(_CROP_MARGIN * max(x2 - x1, y2 - y1))
        around = (max(0, x1 - margin), max(0, y1 - margin), x2 + margin, y2 + margin)
        people[face.person] = encode_jpeg(_crop(models_dir, name, around), 90)
    # Forth and back: a loop would jump at its end, and a view that jumps is looked at anew.
    return Scene((*forth, *forth[-2:0:-1]), people)


def _photograph(name: str) -> Photograph:
    return next(photograph for photograph in photographs() if photograph.name == name)


def _crop(models_dir: Path, name: str, box_xyxy: tuple[int, int, int, int]) -> ImageBgr:
    x1, y1, x2, y2 = box_xyxy
    return read(_photograph(name), models_dir)[y1:y2, x1:x2]


def _scaled_jpeg(image_bgr: ImageBgr) -> bytes:
    import cv2

    scaled = cv2.resize(image_bgr, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return encode_jpeg(scaled, QUALITY)  # type: ignore[arg-type]  # OpenCV's stubs do not say uint8
