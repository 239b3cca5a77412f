"""What the cameras of the soak see: an empty room, and one person each who walks in again and again."""

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.pictures import HEIGHT_PX, WIDTH_PX, empty_room
from recognition.models.photographs import PhotographedFace, photographs, read
from recognition.types import ImageBgr
from stream_server.demo.views import MovingView, encode_jpeg

FPS = 15
# Longer than a track is kept without its face, so that whoever walks in is looked at anew.
EMPTY_S, PRESENT_S = 4.0, 6.0
LOOP_S = EMPTY_S + PRESENT_S
_QUALITY = 75


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, a photograph to enrol, and the loop of a camera that looks at the place where this person comes by."""

    name: str
    photo: bytes
    frames: tuple[bytes, ...]


def people(models_dir: Path) -> list[tuple[str, bytes, ImageBgr]]:
    """Everybody on the photographs, the largest face first: name, photograph to enrol, and what a camera sees."""
    found: dict[str, tuple[int, bytes, ImageBgr]] = {}
    for photograph in photographs():
        image_bgr = read(photograph, models_dir)
        for face in photograph.faces:
            side = max(face.box_xyxy[2] - face.box_xyxy[0], face.box_xyxy[3] - face.box_xyxy[1])
            if face.person not in found or found[face.person][0] < side:
                photo = encode_jpeg(_around(image_bgr, face, 0.35), 90)
                found[face.person] = (side, photo, _around(image_bgr, face, 0.6))
    ordered = sorted(found.items(), key=lambda item: -item[1][0])
    return [(name, photo, seen_bgr) for name, (_, photo, seen_bgr) in ordered]


def loop_of(seen_bgr: ImageBgr, seed: int) -> tuple[bytes, ...]:
    """JPEG frames for LOOP_S at FPS: the empty room, then the person."""
    room = empty_room()
    empty = [room[number % len(room)] for number in range(round(EMPTY_S * FPS))]
    # Somebody across the room and not before the lens: a face of about 150 pixels.
    height, width = seen_bgr.shape[:2]
    wide = cv2.copyMakeBorder(
        seen_bgr, height // 3, height // 3, width // 2, width // 2, cv2.BORDER_CONSTANT, value=(128, 128, 128)
    )
    view = MovingView(np.asarray(wide, np.uint8), WIDTH_PX, HEIGHT_PX, seed=seed)
    present = [encode_jpeg(view.frame(number / FPS), _QUALITY) for number in range(round(PRESENT_S * FPS))]
    return (*empty, *present)


def record(frames: tuple[bytes, ...], path: Path, seconds: float) -> None:
    """Write the loop as H.264, for so many seconds; it is encoded once and its packets are repeated."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "30", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.gop_size = FPS
        stream.time_base = stream.codec_context.time_base = Fraction(1, FPS)
        packets = []
        for number, jpeg in enumerate(frames):
            with av.open(io.BytesIO(jpeg), format="mjpeg") as picture:
                frame = next(picture.decode(video=0)).reformat(WIDTH_PX, HEIGHT_PX, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        again = [(bytes(packet), packet.pts, packet.is_keyframe) for packet in packets]
        for turn in range(max(1, round(seconds / LOOP_S))):
            for data, pts, is_keyframe in again:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, FPS)
                packet.pts = packet.dts = (pts or 0) + turn * len(frames)
                packet.is_keyframe = is_keyframe
                out.mux(packet)


def _around(image_bgr: ImageBgr, face: PhotographedFace, margin: float) -> ImageBgr:
    x1, y1, x2, y2 = face.box_xyxy
    grow = round(margin * max(x2 - x1, y2 - y1))
    return image_bgr[max(0, y1 - grow) : y2 + grow, max(0, x1 - grow) : x2 + grow]
