"""Rollcall's own pipeline on frames of cameras that were never seen. `python rollcall_recognition.py MODELS ENGINE`"""

import itertools
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from answering import Face, answer_orders

from recognition.alignment import aligned_chip
from recognition.detection import DetectorKind, detect_close_up, make_detector
from recognition.embedding import OnnxFaceEmbedder, embed_with_mirrors
from recognition.engines import EngineKind
from recognition.frames import PHOTOGRAPH_LIMITS, decode, decode_scaled
from recognition.gallery import Gallery
from recognition.models.store import BLAZEFACE, FACE_RECOGNITION_INT8, ModelStore
from recognition.pipeline import PipelineSettings, Recogniser
from recognition.quality import pose
from recognition.types import Frame, Template
from stream_server.memory import limit_malloc

_GALLERY_PEOPLE = 1000


def main(models: str, engine: str) -> None:
    """Answer orders."""
    limit_malloc()  # as the server does, and one thread as well
    cv2.setNumThreads(1)
    store = ModelStore(Path(models))
    name = store.best_detector()
    kind = DetectorKind.BLAZEFACE if name == BLAZEFACE else DetectorKind.YUNET
    detector = make_detector(store.path(name), kind=kind, engine=EngineKind(engine))
    embedder = OnnxFaceEmbedder(store.path(FACE_RECOGNITION_INT8), model_id=store.digest(FACE_RECOGNITION_INT8))
    settings = PipelineSettings()
    recogniser = Recogniser(detector, embedder, settings=settings, clock=time.perf_counter)
    rows = np.random.default_rng(1000).normal(0, 0.1, (_GALLERY_PEOPLE, 128)).astype(np.float32)
    gallery = Gallery(
        (Template(f"t{row}", f"p{row}", embedder.model_id, embedding) for row, embedding in enumerate(rows)),
        model_id=embedder.model_id,
    )

    numbers = itertools.count()

    def recognise(data: bytes) -> int:
        # A camera that is new with each frame: whoever is in it was never seen, and every face is embedded.
        number = next(numbers)
        frame = Frame(f"camera-{number}", 1, data, datetime.now(UTC), time.monotonic())
        faces = recogniser.process(frame, recogniser.new_camera(), gallery).faces
        return sum(face.match is not None for face in faces)

    def look(data: bytes) -> list[Face]:
        # The stages of `recognise_picture` before it judges quality; its results do not hold the embeddings.
        picture = decode_scaled(data, PHOTOGRAPH_LIMITS)
        found = detect_close_up(detector, picture.image_bgr)
        chips = [aligned_chip(picture.image_bgr, detection) for detection in found]
        small = [pose(detection)[0] < settings.mirror_below_px for detection in found]
        embeddings = embed_with_mirrors(embedder, chips, small)
        boxes = [detection.box_xyxy * picture.reduction for detection in found]
        return list(zip(boxes, embeddings, strict=True))

    def portrait(data: bytes) -> dict[str, Any] | None:
        face = recogniser.embed_largest(decode(data, PHOTOGRAPH_LIMITS))
        return None if face is None else {"template": face.template.tolist(), "probe": face.probe.tolist()}

    packages = ("opencv-python-headless", "onnxruntime", "numpy")
    facts = {"versions": {name: version(name) for name in packages}, "detector": name}
    answer_orders(look, recognise=recognise, portrait=portrait, facts=facts)


if __name__ == "__main__":
    main(*sys.argv[1:3])
