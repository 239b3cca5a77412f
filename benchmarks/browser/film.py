"""What the fake camera shows: groups of people by turns, and an empty room between them, over and over.

A strip at the lower edge of each picture says in black and white which scene it is, so that the page that shows the
film can tell when a scene began, without knowing anything of files.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.pictures import HEIGHT_PX, RING_FPS, Scene, empty_room
from recognition.types import ImageBgr
from stream_server.demo.views import encode_jpeg

# Chromium plays a file of pictures at this pace.
FILM_FPS = 30
SCENE_S = 5.0
# Longer than a track is kept without its face, so that everybody who walks in is looked at anew.
GAP_S = 2.5
# The long one at the beginning: meanwhile people are enrolled anew.
PAUSE_S = 15.0
GAP, PAUSE = 0, 7

_SIGNS = 3
_BLOCK_PX = 32
_QUALITY = 85

# Notes in `window.scenes` each change of the scene as [number, Date.now() of the moment its first picture was taken].
WATCH_THE_STRIP = f"""() => {{
  window.scenes = [];
  const video = document.querySelector('video');
  const canvas = new OffscreenCanvas({_SIGNS + 2}, 1);
  const context = canvas.getContext('2d', {{willReadFrequently: true}});
  const look = (now, {{captureTime, presentationTime}}) => {{
    const height = video.videoHeight;
    context.drawImage(video, 0, height - {_BLOCK_PX}, {(_SIGNS + 2) * _BLOCK_PX}, {_BLOCK_PX}, 0, 0, {_SIGNS + 2}, 1);
    const {{data}} = context.getImageData(0, 0, {_SIGNS + 2}, 1);
    const signs = Array.from({{length: {_SIGNS + 2}}}, (_, at) => Number(data[4 * at] > 127));
    // A white and a black block before the signs: anything else is no strip.
    if (signs[0] === 1 && signs[1] === 0) {{
      const number = signs.slice(2).reduce((sum, sign) => 2 * sum + sign, 0);
      const last = window.scenes[window.scenes.length - 1];
      const at = Date.now() - (performance.now() - (captureTime ?? presentationTime));
      if (!last || last[0] !== number) window.scenes.push([number, at]);
    }}
    video.requestVideoFrameCallback(look);
  }};
  video.requestVideoFrameCallback(look);
}}"""


def write_film(path: Path, scenes: Sequence[Scene]) -> Path:
    """An MJPEG file: the long empty room, then each scene (numbered from 1) with a short one behind it."""
    if len(scenes) >= PAUSE:
        raise ValueError(f"{_SIGNS} signs tell no more than {PAUSE - 1} scenes apart")
    with path.open("wb") as film:
        film.writelines(_turn(empty_room(), PAUSE, PAUSE_S))
        for number, scene in enumerate(scenes, start=1):
            film.writelines(_turn(scene.frames, number, SCENE_S))
            film.writelines(_turn(empty_room(), GAP, GAP_S))
    return path


def _turn(frames: Sequence[bytes], number: int, seconds: float) -> list[bytes]:
    """The pictures of one scene; each is shown for as long as a picture of the ring lasts."""
    signed = [encode_jpeg(with_strip(_decoded(frame), number), _QUALITY) for frame in frames]
    each = round(FILM_FPS / RING_FPS)
    return [signed[count // each % len(signed)] for count in range(round(seconds * FILM_FPS))]


def with_strip(image_bgr: ImageBgr, number: int) -> ImageBgr:
    """A copy of the picture with the number of its scene: white, black, and the signs of the number."""
    signs = [1, 0, *(number >> shift & 1 for shift in reversed(range(_SIGNS)))]
    image = image_bgr.copy()
    for at, sign in enumerate(signs):
        image[HEIGHT_PX - _BLOCK_PX :, at * _BLOCK_PX : (at + 1) * _BLOCK_PX] = 255 * sign
    return image


def _decoded(jpeg: bytes) -> ImageBgr:
    image: ImageBgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[assignment]
    return image
