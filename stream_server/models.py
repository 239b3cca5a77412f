"""From settings to recognisers: which files, verified, loaded once where they can be shared."""

import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from recognition.decision import DecisionPolicy
from recognition.detection import (
    DetectionSettings,
    DetectorKind,
    FaceDetector,
    SharedDetector,
    detector_on,
)
from recognition.embedding import FaceEmbedder, OnnxFaceEmbedder
from recognition.engines import Engine, EngineKind, make_engine
from recognition.frame_search import FrameSearch, SearchSettings
from recognition.frames import DecodeLimits
from recognition.models.store import BLAZEFACE, ModelStore
from recognition.pipeline import CameraState, PipelineSettings, Recogniser
from stream_server.model_source import DETECTOR_FILES, EMBEDDER_FILES
from stream_server.settings import Settings


@dataclass(frozen=True, slots=True)
class ChosenModels:
    """The files that the settings ask for, verified."""

    detector: str
    embedder: str
    detector_digest: str
    model_id: str
    stand_in: bool


def chosen_embedder(settings: Settings) -> tuple[str, str]:
    """Name and digest of the face network that the settings ask for, verified but not loaded. Raises ModelError."""
    name = EMBEDDER_FILES[settings.recognition.precision]
    return name, ModelStore(settings.models_dir).digest(name)


class LoadedModels:
    """Makes recognisers, one for each thread: detection networks are shared where that saves memory, and there is
    one face network for all.

    Raises ModelError when a file is missing or not the pinned one, at once and not at the first face.
    """

    def __init__(self, settings: Settings) -> None:
        recognition = settings.recognition
        store = ModelStore(settings.models_dir)
        detector = store.best_detector() if recognition.detector == "auto" else DETECTOR_FILES[recognition.detector]
        embedder = EMBEDDER_FILES[recognition.precision]
        self.chosen = ChosenModels(
            detector=detector,
            embedder=embedder,
            detector_digest=store.digest(detector),
            model_id=store.digest(embedder),
            stand_in=detector == BLAZEFACE and recognition.detector == "auto",
        )
        self.engine = EngineKind(recognition.engine)
        self.pipeline = PipelineSettings(
            decode=DecodeLimits(
                max_bytes=settings.cameras.max_frame_bytes, max_pixels=settings.cameras.max_frame_pixels
            ),
            decision=DecisionPolicy(
                accept_distance=recognition.accept_distance,
                review_distance=recognition.review_distance,
                margin=recognition.margin,
                min_evidence_frames=recognition.min_evidence_frames,
                kiosk=recognition.kiosk,
            ),
            collect_unknown=settings.unknown_faces.keep_days > 0,
            collect_chips=settings.unknown_faces.keep_days > 0 and settings.unknown_faces.crops,
        )
        # BlazeFace searches in windows that it brings to one size: it says other things of a part than of the whole.
        search = SearchSettings(whole_every_s=recognition.full_search_s)
        self._search = replace(search, part_max=0.0) if detector == BLAZEFACE else search
        self._detection = DetectionSettings(width_px=recognition.detection_width_px)
        self._store = store
        self._detectors_max = recognition.detectors
        self._detectors: deque[FaceDetector] = deque()
        self._session: Engine | None = None
        self._embedder: FaceEmbedder | None = None
        self._lock = threading.Lock()
        # Frames are searched at no more than this while it is set; photographs always at the full width.
        self.frame_width_max_px: int | None = None

    def make_recogniser(self) -> Recogniser:
        """A recogniser for the calling thread. Safe to call from several threads at once."""
        detector = self._detector()
        return Recogniser(
            detector,
            self._shared_embedder(),
            settings=self.pipeline,
            clock=time.perf_counter,
            frame_search=FrameSearch(detector, self._search, self._frame_width_px),
        )

    def release(self) -> None:
        """Let the networks go; whoever has a recogniser keeps its own. The next `make_recogniser` loads them anew."""
        with self._lock:
            self._session = self._embedder = None
            self._detectors.clear()

    def make_state(self) -> CameraState:
        """The state of a camera that has sent nothing yet."""
        return CameraState(self.pipeline)

    def _frame_width_px(self) -> int:
        return min(self._detection.width_px, self.frame_width_max_px or self._detection.width_px)

    def _detector(self) -> FaceDetector:
        """One of the thread's own on a shared ONNX Runtime session, or a turn on one of OpenCV's few networks."""
        kind = DetectorKind.BLAZEFACE if self.chosen.detector == BLAZEFACE else DetectorKind.YUNET
        with self._lock:
            if self.engine is EngineKind.ONNXRUNTIME:
                self._session = self._session or make_engine(self._store.path(self.chosen.detector), self.engine)
                return detector_on(self._session, kind=kind, settings=self._detection)
            if len(self._detectors) < self._detectors_max:
                engine = make_engine(self._store.path(self.chosen.detector), self.engine)
                self._detectors.append(SharedDetector(detector_on(engine, kind=kind, settings=self._detection)))
            self._detectors.rotate(-1)
            return self._detectors[0]

    def _shared_embedder(self) -> FaceEmbedder:
        with self._lock:
            if self._embedder is None:
                path = self._store.path(self.chosen.embedder)
                self._embedder = OnnxFaceEmbedder(path, model_id=self.chosen.model_id)
            return self._embedder
