"""Camera views without a camera: a window that moves over a photograph, and the frames of a video file.

A view shakes, drifts, zooms and changes its light a little from frame to frame, and every frame is compressed anew,
so that no two frames of it are alike. The same seed gives the same view.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from recognition.errors import RequestError
from recognition.types import ImageBgr


class VideoUnusable(RequestError):
    """A video cannot be opened or holds no pictures."""

    code = "video_unusable"


@dataclass(frozen=True, slots=True)
class MovingView:
    """A camera that looks at a photograph. `width_px` and `height_px` are the size of its frames."""

    photograph_bgr: ImageBgr
    width_px: int = 640
    height_px: int = 480
    seed: int = 0

    def frame(self, at_s: float) -> ImageBgr:
        """The picture at a moment: uint8 (height_px, width_px, 3) BGR."""
        noise = np.random.default_rng((self.seed, round(at_s * 1000)))
        height, width = self.photograph_bgr.shape[:2]
        # The whole photograph fits the frame at scale 1; the view breathes between that and a little nearer.
        fit = min(self.width_px / width, self.height_px / height)
        phase = self.seed * 1.7
        scale = fit * (1.04 + 0.04 * math.sin(0.9 * at_s + phase))
        angle_deg = 2.5 * math.sin(0.7 * at_s + phase)
        shift_x = 0.02 * self.width_px * math.sin(1.1 * at_s + phase) + noise.normal(0, 0.8)
        shift_y = 0.02 * self.height_px * math.cos(0.8 * at_s + phase) + noise.normal(0, 0.8)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, scale)
        matrix[:, 2] += (self.width_px / 2 - width / 2 + shift_x, self.height_px / 2 - height / 2 + shift_y)
        view = cv2.warpAffine(self.photograph_bgr, matrix, (self.width_px, self.height_px), flags=cv2.INTER_AREA)
        light = 1.0 + 0.08 * math.sin(1.3 * at_s + phase)
        frame: ImageBgr = np.clip(view * light + noise.normal(0, 2.0), 0, 255).astype(np.uint8)
        return frame

    def jpeg(self, at_s: float) -> bytes:
        """The same, compressed: JPEG quality wanders between 60 and 85."""
        return encode_jpeg(self.frame(at_s), 72 + round(12 * math.sin(2.0 * at_s + self.seed)))


def encode_jpeg(image_bgr: ImageBgr, quality: int) -> bytes:
    """A picture as JPEG; quality 1..100."""
    _, data = cv2.imencode(".jpg", image_bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return data.tobytes()


def video_frames(source: str, fps: float, *, max_width_px: int = 0) -> Iterator[tuple[float, ImageBgr]]:
    """The pictures of a video file or stream address, thinned to `fps`, each with its time in seconds from the first.

    Wider pictures are made smaller to `max_width_px` (0: as they are). Raises VideoUnusable.
    """
    import av

    try:
        with av.open(source) as container:
            if not container.streams.video:
                raise VideoUnusable(f"{source} holds no video", hint="give a video file or the address of a stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            first_s, due_s = None, 0.0
            for frame in container.decode(stream):
                time_s = frame.time if frame.time is not None else due_s + (first_s or 0.0)
                first_s = time_s if first_s is None else first_s
                if time_s - first_s + 1e-6 < due_s:
                    continue
                due_s += 1.0 / fps
                width, height = frame.width, frame.height
                if max_width_px and width > max_width_px:
                    height = round(height * max_width_px / width / 2) * 2
                    width = max_width_px
                image_bgr: ImageBgr = frame.to_ndarray(format="bgr24", width=width, height=height).astype(
                    np.uint8, copy=False
                )
                yield time_s - first_s, image_bgr
    except (av.FFmpegError, OSError) as error:
        raise VideoUnusable(
            f"{source} cannot be played: {error}", hint="is it a video file or stream address?"
        ) from error
