"""What the cameras of the profile see: streams of frames that change in different ways. The same on every run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.pictures import HEIGHT_PX, QUALITY, RING_FPS, WIDTH_PX, picture_of_four, scenes
from recognition.frames import decode
from recognition.types import ImageBgr
from stream_server.demo.views import encode_jpeg, video_frames

_FRAMES = 60
# Of a sensor, before compression; what is left of it in a cell of 8 x 8 px is an eighth.
_GRAIN = 3.0
_WALKER_PX = 110


@dataclass(frozen=True, slots=True)
class Stream:
    """Encoded frames, `fps` a second, of 640 x 480 pixels or as the title says."""

    title: str
    frames: tuple[bytes, ...]
    fps: float = RING_FPS


def streams(models_dir: Path, faces_dir: Path | None, frames: int = _FRAMES) -> list[Stream]:
    """From a room where nothing happens to a camera that is carried about; last a film, where the test data is."""
    class_bgr = decode(picture_of_four(models_dir))
    found = [
        Stream("empty room", _of(_still(_room(), frames, seed=1))),
        Stream("four people sit", _of(_still(class_bgr, frames, seed=2))),
        Stream("one walks past three", _of(_walking(class_bgr, frames))),
        Stream("camera in the hand", scenes(models_dir)[1].frames[:frames]),
    ]
    film = None if faces_dir is None else faces_dir / "video" / "short_hamilton_clip.mp4"
    if film is not None and film.is_file():
        shown = [image_bgr for _, image_bgr in video_frames(str(film), 10.0)][:frames]
        found.append(Stream("film, with cuts, 640 x 360", _of(shown), 10.0))
    return found


def _of(pictures: list[ImageBgr]) -> tuple[bytes, ...]:
    return tuple(encode_jpeg(picture, QUALITY) for picture in pictures)


def _room() -> ImageBgr:
    """A wall with a board, a door and tables: edges, and nobody."""
    room = np.full((HEIGHT_PX, WIDTH_PX, 3), (168, 176, 182), np.uint8)
    room[60:220, 180:460] = (70, 92, 60)
    room[90:400, 520:610] = (60, 80, 120)
    for left in (20, 180, 340):
        room[330:350, left : left + 130] = (90, 130, 170)
        room[350:470, left + 10 : left + 22] = (60, 70, 80)
    return room


def _still(picture_bgr: ImageBgr, frames: int, seed: int) -> list[ImageBgr]:
    rng = np.random.default_rng(seed)
    return [_grainy(picture_bgr, rng) for _ in range(frames)]


def _walking(picture_bgr: ImageBgr, frames: int) -> list[ImageBgr]:
    """The last of the four walks to and fro in the lower part of the picture, in front of what is there."""
    rng = np.random.default_rng(3)
    height, width = picture_bgr.shape[:2]
    walker = picture_bgr[60 : 60 + _WALKER_PX, width - _WALKER_PX - 40 : width - 40].copy()
    shown = []
    for number in range(frames):
        there = picture_bgr.copy()
        way = abs((number * 12) % (2 * (width - _WALKER_PX)) - (width - _WALKER_PX))
        there[height - _WALKER_PX :, way : way + _WALKER_PX] = walker
        shown.append(_grainy(there, rng))
    return shown


def _grainy(picture_bgr: ImageBgr, rng: np.random.Generator) -> ImageBgr:
    grainy: ImageBgr = np.clip(picture_bgr + rng.normal(0, _GRAIN, picture_bgr.shape), 0, 255).astype(np.uint8)
    return grainy
