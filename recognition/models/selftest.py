"""Whether built networks compute what they should, measured on the sample photographs.

For files whose digest is not the pinned one, and for `rollcall models verify`. Each test returns the reason
why a network is no good, or None.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.models import blazeface, photographs
from recognition.models.store import BLAZEFACE, FACE_RECOGNITION_FP32, FACE_RECOGNITION_INT8

# Measured with the pinned float32 network: the distance between the two pictures of one woman, and that of
# the closest two faces of different women. Float arithmetic differs between processors from the sixth digit
# on.
_SAME_PERSON = 0.4325
_CLOSEST_OTHERS = 0.4995
_FP32_TOLERANCE = 0.002
# Measured: at most 0.065 between the int8 and the float32 embedding of a face; strangers are some 0.75 apart.
_INT8_DISTANCE_MAX = 0.10
_BLAZEFACE_SCORE_MIN = 0.5
_BLAZEFACE_FOUND_MIN = 20


def test_of(name: str) -> Callable[[Path, bytes], str | None] | None:
    """The self-test of a file: called with the model folder, where the photographs are, and its content.

    None when the file has no self-test, which means that nothing but the pinned bytes will do.
    """
    return {
        FACE_RECOGNITION_FP32: _face_recognition_fp32,
        FACE_RECOGNITION_INT8: _face_recognition_int8,
        BLAZEFACE: _blazeface,
    }.get(name)


def _face_recognition_fp32(folder: Path, content: bytes) -> str | None:
    embeddings = _embed(folder, content)
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    people = np.array([face.person for photograph in photographs.photographs() for face in photograph.faces])
    same = people[:, None] == people[None]
    same_person = float(distances[same & ~np.eye(len(people), dtype=bool)].max())
    closest_others = float(distances[~same].min())
    for measured, expected in ((same_person, _SAME_PERSON), (closest_others, _CLOSEST_OTHERS)):
        if not abs(measured - expected) <= _FP32_TOLERANCE:
            return f"a distance between faces is {measured:.4f} instead of {expected:.4f}"
    return None


def _face_recognition_int8(folder: Path, content: bytes) -> str | None:
    reference = _embed(folder, (folder / FACE_RECOGNITION_FP32).read_bytes())
    worst = float(np.linalg.norm(_embed(folder, content) - reference, axis=1).max())
    if not worst <= _INT8_DISTANCE_MAX:
        return f"an int8 embedding is {worst:.3f} from the float32 one, more than {_INT8_DISTANCE_MAX}"
    return None


def _blazeface(folder: Path, content: bytes) -> str | None:
    session = _session(content)
    found = total = 0
    for photograph in photographs.photographs():
        image = photographs.read(photograph, folder)
        for face in photograph.faces:
            total += 1
            found += _finds(session, image, face)
    return None if found >= _BLAZEFACE_FOUND_MIN else f"it finds {found} of {total} faces"


def _finds(session: Any, image: NDArray[np.uint8], face: photographs.PhotographedFace) -> bool:
    """Whether the best anchor in a square around the face is confident and centred in the face's box."""
    import cv2

    x1, y1, x2, y2 = face.box_xyxy
    reach = int(0.9 * (y2 - y1))
    left, top = max((x1 + x2) // 2 - reach, 0), max((y1 + y2) // 2 - reach, 0)
    square = image[top : (y1 + y2) // 2 + reach, left : (x1 + x2) // 2 + reach]
    side = (blazeface.SIDE_PX, blazeface.SIDE_PX)
    scores, boxes = session.run(
        ["scores", "boxes"],
        {"input": cv2.dnn.blobFromImage(square, 1 / 127.5, side, (127.5,) * 3, swapRB=True)},
    )
    best = int(scores[0].argmax())
    centre = (boxes[0, best, :2] + blazeface.anchor_centres()[best]) / blazeface.SIDE_PX
    x, y = left + centre[0] * square.shape[1], top + centre[1] * square.shape[0]
    score = 1 / (1 + np.exp(-scores[0, best]))
    return bool(score >= _BLAZEFACE_SCORE_MIN and x1 <= x <= x2 and y1 <= y <= y2)


def _embed(folder: Path, content: bytes) -> NDArray[np.float32]:
    embeddings: NDArray[np.float32] = _session(content).run(["embedding"], {"input": photographs.chips(folder)})[0]
    return embeddings


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
