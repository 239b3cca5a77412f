"""The parts that the profile is made with: networks, a gallery, and recognisers with one thing switched off."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.pictures import random_templates
from recognition.detection import DetectionSettings, FaceDetector, make_detector
from recognition.embedding import FaceEmbedder, OnnxFaceEmbedder
from recognition.engines import EngineKind
from recognition.frame_search import FrameSearch, SearchSettings
from recognition.gallery import Gallery
from recognition.models.photographs import chips
from recognition.models.store import FACE_RECOGNITION_INT8, ModelStore
from recognition.pipeline import PipelineSettings, Recogniser
from recognition.types import Detection, ImageBgr, Template
from recognition.yunet import YuNetDetector

GALLERY_PEOPLE = 1000


@dataclass(frozen=True, slots=True)
class Parts:
    """Loaded networks, and the people to compare with."""

    models_dir: Path
    detectors: dict[EngineKind, FaceDetector]
    embedder: FaceEmbedder
    gallery: Gallery

    def recogniser(
        self,
        search: SearchSettings | None = None,
        *,
        engine: EngineKind = EngineKind.OPENCV,
        detector: FaceDetector | None = None,
        embedder: FaceEmbedder | None = None,
        settings: PipelineSettings | None = None,
    ) -> Recogniser:
        """As the server makes it, but for what is given."""
        detector = detector or self.detectors[engine]
        width_px = DetectionSettings().width_px
        return Recogniser(
            detector,
            embedder or self.embedder,
            settings=settings,
            clock=time.perf_counter,
            frame_search=FrameSearch(detector, search or SearchSettings(), lambda: width_px),
        )


def load(models_dir: Path) -> Parts:
    """YuNet on both engines, the face network as int8, and a gallery of 1,000 with the people of the photographs."""
    store = ModelStore(models_dir)
    detectors = {kind: make_detector(store.path(store.best_detector()), engine=kind) for kind in EngineKind}
    embedder = OnnxFaceEmbedder(store.path(FACE_RECOGNITION_INT8), model_id=store.digest(FACE_RECOGNITION_INT8))
    return Parts(models_dir, detectors, embedder, gallery_of(embedder, models_dir, GALLERY_PEOPLE))


def gallery_of(embedder: FaceEmbedder, models_dir: Path, people: int) -> Gallery:
    """The people of the photographs, and made-up ones."""
    real = embedder.embed(list(chips(models_dir)))
    rows = np.concatenate([real, random_templates(real, people - len(real))])
    templates = (Template(f"t{row}", f"p{row}", embedder.model_id, vector) for row, vector in enumerate(rows))
    return Gallery(templates, model_id=embedder.model_id)


class OneByOne:
    """A face network that is given one chip at a time."""

    def __init__(self, inner: FaceEmbedder) -> None:
        self._inner = inner

    @property
    def model_id(self) -> str:
        """That of the network."""
        return self._inner.model_id

    def embed(self, chips_bgr: Sequence[ImageBgr]) -> NDArray[np.float32]:
        """Embeddings (n, 128)."""
        return np.concatenate([self._inner.embed([chip]) for chip in chips_bgr])


class WithoutBuffer:
    """YuNet that asks for the memory of its input anew with every picture."""

    def __init__(self, inner: FaceDetector) -> None:
        self._inner = inner

    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        """The faces."""
        if isinstance(self._inner, YuNetDetector):
            self._inner._buffer = np.empty(0, np.float32)
        return self._inner.detect(image_bgr)
