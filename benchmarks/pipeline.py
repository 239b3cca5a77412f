"""How long one picture takes on one thread: decode, detect, align, embed, search, and all of it.

Nothing is rebuilt here: the real `Recogniser` runs, with a detector, a face network and a gallery that tell how long
they took. What is left of the total is alignment, and with it quality and decision.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Advance, Measurement, median, percentile, rounded
from benchmarks.pictures import picture_of_four, picture_of_four_small, random_templates
from recognition.detection import DetectorKind, FaceDetector, make_detector
from recognition.embedding import FaceEmbedder, OnnxFaceEmbedder
from recognition.engines import EngineKind
from recognition.errors import InternalError
from recognition.frames import decode
from recognition.gallery import Gallery
from recognition.models.photographs import chips
from recognition.models.store import BLAZEFACE, FACE_RECOGNITION_FP32, FACE_RECOGNITION_INT8, ModelStore
from recognition.pipeline import Recogniser
from recognition.types import Detection, FaceState, ImageBgr, Match, Template

GALLERY_PEOPLE = 1000
FACES = 4
AIM_TOTAL_MS = {EngineKind.OPENCV: 35.0, EngineKind.ONNXRUNTIME: 20.0}
AIM_EMBEDDING_MS = 2.5
_ENGINE_NAMES = {EngineKind.OPENCV: "OpenCV DNN", EngineKind.ONNXRUNTIME: "ONNX Runtime"}
_STAGES = ("decode", "detect", "align", "embed", "search")
_WARM_UP = 10

T = TypeVar("T")


class Laps:
    """Milliseconds by stage, for the picture in work."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = defaultdict(float)

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """Run `work` and add its time to a stage."""
        began = time.perf_counter()
        result = work()
        self.ms[stage] += (time.perf_counter() - began) * 1e3
        return result


class _TimedDetector:
    def __init__(self, inner: FaceDetector, laps: Laps) -> None:
        self._inner, self._laps = inner, laps

    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        return self._laps.timed("detect", lambda: self._inner.detect(image_bgr))


class _TimedEmbedder:
    def __init__(self, inner: FaceEmbedder, laps: Laps) -> None:
        self._inner, self._laps = inner, laps

    @property
    def model_id(self) -> str:
        return self._inner.model_id

    def embed(self, chips_bgr: Sequence[ImageBgr]) -> NDArray[np.float32]:
        return self._laps.timed("embed", lambda: self._inner.embed(chips_bgr))


class _TimedGallery(Gallery):
    laps: Laps

    def search_all(self, embeddings: NDArray[np.float32]) -> list[Match | None]:
        return self.laps.timed("search", lambda: super(_TimedGallery, self).search_all(embeddings))


def measure(models_dir: Path, *, quick: bool, advance: Advance) -> list[Measurement]:
    """Both engines, and the face network in both precisions."""
    cv2.setNumThreads(1)  # as the server does
    count = 30 if quick else 300
    store = ModelStore(models_dir)
    embedder = _embedder(store, FACE_RECOGNITION_INT8)
    near, far = picture_of_four(models_dir), picture_of_four_small(models_dir)
    results: list[Measurement] = []
    for step, engine in enumerate(_ENGINE_NAMES):
        laps = Laps()
        recogniser = _recogniser(store, engine, embedder, laps)
        gallery = _gallery(models_dir, embedder, laps)
        results += _engine(engine, _pictures(near, recogniser, gallery, laps, count), store.best_detector())
        small_ms = [ms["total"] for ms in _pictures(far, recogniser, gallery, laps, count // 3)]
        results.append(
            Measurement(
                f"picture.{engine}.small_faces_total",
                rounded(median(small_ms)),
                "ms",
                detail={"p95": rounded(percentile(small_ms, 95)), "pictures": len(small_ms)},
                title=f"{_ENGINE_NAMES[engine]}: total, small faces (each embedded twice)",
            )
        )
        advance((step + 1) / 3)
    return results + _embedding(store, models_dir, embedder, count)


def _engine(engine: EngineKind, pictures: list[dict[str, float]], detector: str) -> list[Measurement]:
    results = []
    for stage in (*_STAGES, "total"):
        values = [ms[stage] for ms in pictures]
        detail = {
            "p95": rounded(percentile(values, 95)),
            "pictures": len(values),
            "faces": FACES,
            "gallery": GALLERY_PEOPLE,
            "detector": detector,
        }
        aim = AIM_TOTAL_MS[engine] if stage == "total" else None
        title = f"{_ENGINE_NAMES[engine]}: {stage}"
        results.append(
            Measurement(f"picture.{engine}.{stage}", rounded(median(values)), "ms", aim, detail, title=title)
        )
    return results


def _pictures(jpeg: bytes, recogniser: Recogniser, gallery: Gallery, laps: Laps, count: int) -> list[dict[str, float]]:
    """The milliseconds of each stage and in total, for each of `count` times that the picture is recognised."""
    taken = []
    for number in range(-_WARM_UP, count):
        laps.ms.clear()
        began = time.perf_counter()
        image_bgr = laps.timed("decode", lambda: decode(jpeg))
        faces = recogniser.recognise_picture(image_bgr, gallery)
        laps.ms["total"] = (time.perf_counter() - began) * 1e3
        laps.ms["align"] = laps.ms["total"] - sum(laps.ms[stage] for stage in _STAGES if stage != "align")
        if [face.state for face in faces] != [FaceState.KNOWN] * FACES:
            raise InternalError(f"the four people were not all recognised: {[face.state.value for face in faces]}")
        if number >= 0:
            taken.append(dict(laps.ms))
    return taken


def _embedding(store: ModelStore, models_dir: Path, int8: FaceEmbedder, count: int) -> list[Measurement]:
    """One face, with both precisions in turn, so that noise of the machine falls on both."""
    networks = {"int8": int8, "fp32": _embedder(store, FACE_RECOGNITION_FP32)}
    faces = list(chips(models_dir))
    ms: dict[str, list[float]] = {name: [] for name in networks}
    for number in range(-_WARM_UP, count):
        for name, network in networks.items():
            began = time.perf_counter()
            network.embed([faces[number % len(faces)]])
            if number >= 0:
                ms[name].append((time.perf_counter() - began) * 1e3)
    results = [
        Measurement(
            f"embedding.{name}",
            rounded(median(values)),
            "ms",
            AIM_EMBEDDING_MS if name == "int8" else None,
            {"p95": rounded(percentile(values, 95)), "faces": len(values)},
            title=f"Embedding one face, {name}",
        )
        for name, values in ms.items()
    ]
    ratio = median(ms["fp32"]) / median(ms["int8"])
    results.append(Measurement("embedding.ratio", rounded(ratio), "x", title="Embedding, fp32 to int8"))
    return results


def _recogniser(store: ModelStore, engine: EngineKind, embedder: FaceEmbedder, laps: Laps) -> Recogniser:
    name = store.best_detector()
    kind = DetectorKind.BLAZEFACE if name == BLAZEFACE else DetectorKind.YUNET
    detector = make_detector(store.path(name), kind=kind, engine=engine)
    return Recogniser(_TimedDetector(detector, laps), _TimedEmbedder(embedder, laps), clock=time.perf_counter)


def _embedder(store: ModelStore, name: str) -> FaceEmbedder:
    return OnnxFaceEmbedder(store.path(name), model_id=store.digest(name))


def _gallery(models_dir: Path, embedder: FaceEmbedder, laps: Laps) -> Gallery:
    """A thousand people: those of the photographs, the four of the picture among them, and made-up ones."""
    real = embedder.embed(list(chips(models_dir)))
    rows = np.concatenate([real, random_templates(real, GALLERY_PEOPLE - len(real))])
    gallery = _TimedGallery(
        (Template(f"t{row}", f"p{row}", embedder.model_id, embedding) for row, embedding in enumerate(rows)),
        model_id=embedder.model_id,
    )
    gallery.laps = laps
    return gallery
