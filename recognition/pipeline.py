"""From a frame to what is said of the faces in it: decode, detect, track, align, embed, decide."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recognition.alignment import aligned_chip
from recognition.continuity import view_signature
from recognition.decision import DecisionPolicy, decide_single, one_face_per_identity
from recognition.detection import FaceDetector, detect_close_up
from recognition.embedding import FaceEmbedder, FaceInBothRoles, embed_with_mirrors
from recognition.enrolment import Enrolment, EnrolmentRefusal, face_meant, side_px
from recognition.errors import InternalError
from recognition.evidence import TrackEvidence, most_wanting
from recognition.frame_search import FrameSearch, SceneMemory
from recognition.frames import DecodedPicture, DecodeLimits, decode_scaled
from recognition.gallery import Gallery
from recognition.quality import QualityLimits, assess, pose
from recognition.tracking import Track, Tracker, TrackingSettings
from recognition.types import (
    Detection,
    FaceResult,
    FaceState,
    Frame,
    FrameResult,
    ImageBgr,
    Match,
    Quality,
    QualityVerdict,
    UnknownFace,
)

Stage = Literal["decode", "detect", "track", "align", "embed", "decide"]


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How frames become decisions.

    At most `embeddings_per_frame_max` faces are embedded on one frame; in a crowd the rest waits for the next one.
    Faces with eyes closer than `mirror_below_px` are embedded with their mirror image, which takes twice the time.
    A person who stays in view is reported again every `sighting_interval_s`, so that "last seen" can advance.
    Faces of nobody are only given away with `collect_unknown`: each track once, after `unknown_frames_min` pictures of
    which the best has at least `unknown_quality_min`, and with its picture only with `collect_chips`.
    """

    decode: DecodeLimits = field(default_factory=DecodeLimits)
    quality: QualityLimits = field(default_factory=QualityLimits)
    enrolment_quality: QualityLimits = field(
        default_factory=lambda: QualityLimits(size_min_px=20.0, sharpness_min=0.03)
    )
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    decision: DecisionPolicy = field(default_factory=DecisionPolicy)
    embeddings_per_frame_max: int = 16
    mirror_below_px: float = 25.0
    sighting_interval_s: float = 60.0
    collect_unknown: bool = False
    collect_chips: bool = False
    unknown_frames_min: int = 4
    unknown_quality_min: float = 0.35


class CameraState:
    """What is remembered of one camera between its frames. Used by one thread at a time; owned by the caller."""

    def __init__(self, settings: PipelineSettings | None = None) -> None:
        settings = settings or PipelineSettings()
        self.tracker = Tracker(settings.tracking)
        self.scene = SceneMemory()
        self.evidence: dict[int, TrackEvidence] = {}
        self.reported_mono: dict[str, float] = {}

    def wanted_boxes(self, now_mono: float) -> list[NDArray[np.float32]]:
        """Where a face was that is not settled yet, in pixels of its picture: evidence is only of faces found anew."""
        return [
            track.detection.box_xyxy
            for track in self.tracker.tracks
            if (evidence := self.evidence.get(track.track_id)) is not None and not evidence.is_settled(now_mono)
        ]


class _StageTimer:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self.stage_ms: dict[Stage, float] = {}

    def end(self, stage: Stage) -> None:
        now = self._clock()
        self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + (now - self._last) * 1e3
        self._last = now


class Recogniser:
    """The stages put together. Holds no state of a camera; make one for each thread (detectors serve one each).

    `clock` gives monotonic seconds; it is only used to tell how long the stages took. Frames are searched by
    `frame_search`; without it each is searched whole.
    """

    def __init__(
        self,
        detector: FaceDetector,
        embedder: FaceEmbedder,
        *,
        settings: PipelineSettings | None = None,
        clock: Callable[[], float],
        frame_search: FrameSearch | None = None,
    ) -> None:
        self._detector = detector
        self._frame_search = frame_search or FrameSearch(detector)
        self._embedder = embedder
        self._settings = settings or PipelineSettings()
        self._clock = clock

    @property
    def model_id(self) -> str:
        """The digest of the face network; a gallery must be of the same."""
        return self._embedder.model_id

    def new_camera(self) -> CameraState:
        """The state for a camera that has sent nothing yet."""
        return CameraState(self._settings)

    def process(self, frame: Frame, state: CameraState, gallery: Gallery) -> FrameResult:
        """Take in the next frame of a camera. Boxes are in pixels of the frame as it was sent.

        Raises ImageError if the frame cannot be decoded; the camera's state is then as before. Raises InternalError if
        the gallery belongs to another face network.
        """
        self._check(gallery)
        timer = _StageTimer(self._clock)
        payload = frame.payload
        picture = (
            _as_it_is(payload) if isinstance(payload, np.ndarray) else decode_scaled(payload, self._settings.decode)
        )
        image_bgr = picture.image_bgr
        timer.end("decode")
        now_mono = frame.received_mono
        wanted = state.wanted_boxes(now_mono)
        detections, searched = self._frame_search.faces(image_bgr, state.scene, now_mono, wanted)
        timer.end("detect")
        tracks = state.tracker.update(detections, now_mono)
        alive = {track.track_id for track in state.tracker.tracks}
        state.evidence = {track_id: kept for track_id, kept in state.evidence.items() if track_id in alive}
        for track in tracks:
            state.evidence.setdefault(track.track_id, TrackEvidence(self._settings.decision))
        timer.end("track")
        qualities = self._gather_evidence(image_bgr, tracks, state, gallery, now_mono, timer)
        faces = _in_sent_pixels(self._decide_tracks(tracks, qualities, state, gallery), picture.reduction)
        newly_known = tuple(face for face in faces if self._is_to_report(face, state, now_mono))
        newly_unknown = self._unknown_of(tracks, state) if self._settings.collect_unknown else ()
        timer.end("decide")
        return FrameResult(
            frame.camera_id,
            frame.sequence,
            picture.width_px,
            picture.height_px,
            tuple(faces),
            newly_known,
            newly_unknown,
            stage_ms=timer.stage_ms,
            searched=searched,
        )

    def recognise_picture(self, image_bgr: ImageBgr, gallery: Gallery, *, reduction: int = 1) -> list[FaceResult]:
        """What is said of each face of a single picture, surest detection first; there is no PENDING here.

        `reduction` is that of the `DecodedPicture`; boxes are then in pixels of the picture as it was sent.
        Raises InternalError if the gallery belongs to another face network.
        """
        self._check(gallery)
        detections = detect_close_up(self._detector, image_bgr)
        chips = [aligned_chip(image_bgr, detection) for detection in detections]
        qualities = [
            assess(detection, chip, self._settings.quality) for detection, chip in zip(detections, chips, strict=True)
        ]
        usable = [i for i, quality in enumerate(qualities) if quality.verdict is QualityVerdict.OK]
        found = gallery.search_all(self._embed([chips[i] for i in usable], [qualities[i] for i in usable]))
        matches: list[Match | None] = [None] * len(detections)
        states = [FaceState.UNUSABLE] * len(detections)
        for i, match, face_state in zip(usable, found, decide_single(found, self._settings.decision), strict=True):
            matches[i], states[i] = match, face_state
        faces = [
            _face_result(detection, face_state, quality, match)
            for detection, face_state, quality, match in zip(detections, states, qualities, matches, strict=True)
        ]
        return _in_sent_pixels(faces, reduction)

    def enrol(self, image_bgr: ImageBgr) -> Enrolment:
        """The embedding of the one face a photograph is of, or the reason why there is none.

        The box is in pixels of `image_bgr`.
        """
        meant = face_meant(detect_close_up(self._detector, image_bgr))
        if isinstance(meant, EnrolmentRefusal):
            return Enrolment(refusal=meant)
        chip_bgr = aligned_chip(image_bgr, meant)
        quality = assess(meant, chip_bgr, self._settings.enrolment_quality)
        if quality.verdict is not QualityVerdict.OK:
            return Enrolment(EnrolmentRefusal(quality.verdict.value), None, quality, _box(meant), chip_bgr)
        embedding = embed_with_mirrors(self._embedder, [chip_bgr], [True])[0]
        return Enrolment(None, embedding, quality, _box(meant), chip_bgr)

    def _embed(self, chips: list[ImageBgr], qualities: list[Quality]) -> NDArray[np.float32]:
        small = [quality.size_px < self._settings.mirror_below_px for quality in qualities]
        return embed_with_mirrors(self._embedder, chips, small)

    def embed_largest(self, image_bgr: ImageBgr) -> FaceInBothRoles | None:
        """The largest face as template and as probe, whatever its quality, or None; for `recognition.evaluation`."""
        detections = detect_close_up(self._detector, image_bgr)
        if not detections:
            return None
        largest = max(detections, key=side_px)
        chip_bgr = aligned_chip(image_bgr, largest)
        size_px, _, _ = pose(largest)
        probe_mirrored = size_px < self._settings.mirror_below_px
        template, probe = embed_with_mirrors(self._embedder, [chip_bgr, chip_bgr], [True, probe_mirrored])
        return FaceInBothRoles(template, probe)

    def _check(self, gallery: Gallery) -> None:
        if gallery.model_id != self._embedder.model_id:
            raise InternalError(
                f"the gallery is of model {gallery.model_id[:12]}, the face network is {self._embedder.model_id[:12]}",
                hint="build the gallery from templates of the network in use",
                code="model_mismatch",
            )

    def _gather_evidence(
        self,
        image_bgr: ImageBgr,
        tracks: list[Track],
        state: CameraState,
        gallery: Gallery,
        now_mono: float,
        timer: _StageTimer,
    ) -> dict[int, Quality]:
        """Embed the faces worth it, and ask a changed gallery anew. Returns the quality of each face looked at."""
        qualities: dict[int, Quality] = {}
        wanting: list[tuple[Track, TrackEvidence, ImageBgr, Quality]] = []
        for track in tracks:
            evidence = state.evidence[track.track_id]
            evidence.follow(view_signature(image_bgr, track.detection.box_xyxy), disturbed=track.disturbed)
            size_px, _, _ = pose(track.detection)
            if not evidence.wants_look(size_px, now_mono):
                continue
            chip_bgr = aligned_chip(image_bgr, track.detection)
            quality = qualities[track.track_id] = assess(track.detection, chip_bgr, self._settings.quality)
            if quality.verdict is QualityVerdict.OK and evidence.wants_embedding(quality, now_mono):
                wanting.append((track, evidence, chip_bgr, quality))
        chosen = most_wanting([evidence for _, evidence, _, _ in wanting], self._settings.embeddings_per_frame_max)
        timer.end("align")
        embeddings = self._embed([wanting[i][2] for i in chosen], [wanting[i][3] for i in chosen])
        timer.end("embed")
        for evidence in state.evidence.values():
            if evidence.generation != gallery.generation:
                evidence.rematch(gallery)
        for i, embedding in zip(chosen, embeddings, strict=True):
            _, evidence, chip_bgr, quality = wanting[i]
            evidence.add(embedding, quality, gallery, now_mono, chip_bgr if self._settings.collect_chips else None)
        return qualities

    def _decide_tracks(
        self, tracks: list[Track], qualities: dict[int, Quality], state: CameraState, gallery: Gallery
    ) -> list[FaceResult]:
        kept = [state.evidence[track.track_id] for track in tracks]
        states = [evidence.decide(alone=len(tracks) == 1) for evidence in kept]
        states = one_face_per_identity(states, [evidence.match for evidence in kept])
        faces = []
        for track, evidence, face_state in zip(tracks, kept, states, strict=True):
            quality = qualities.get(track.track_id, evidence.quality)
            if evidence.frames == 0 and quality is not None and quality.verdict is not QualityVerdict.OK:
                face_state = FaceState.UNUSABLE
            face = _face_result(track.detection, face_state, quality, evidence.match)
            faces.append(replace(face, track_id=track.track_id, evidence_frames=evidence.agreeing()))
        # Whoever has left the gallery may be reported at once when enrolled again.
        for person_id in [person_id for person_id in state.reported_mono if person_id not in gallery]:
            del state.reported_mono[person_id]
        return faces

    def _unknown_of(self, tracks: list[Track], state: CameraState) -> tuple[UnknownFace, ...]:
        settings = self._settings
        found = (
            state.evidence[track.track_id].collect_unknown(settings.unknown_frames_min, settings.unknown_quality_min)
            for track in tracks
        )
        return tuple(face for face in found if face is not None)

    def _is_to_report(self, face: FaceResult, state: CameraState, now_mono: float) -> bool:
        if face.person_id is None:
            return False
        last_mono = state.reported_mono.get(face.person_id)
        if last_mono is not None and now_mono - last_mono < self._settings.sighting_interval_s:
            return False
        state.reported_mono[face.person_id] = now_mono
        return True


def _face_result(
    detection: Detection,
    state: FaceState,
    quality: Quality | None,
    match: Match | None,
    track_id: int | None = None,
) -> FaceResult:
    return FaceResult(
        box_xyxy=_box(detection),
        state=state,
        score=detection.score,
        quality=quality,
        person_id=match.person_id if match is not None and state is FaceState.KNOWN else None,
        match=match,
    )


def _as_it_is(image_bgr: ImageBgr) -> DecodedPicture:
    return DecodedPicture(image_bgr, 1, image_bgr.shape[1], image_bgr.shape[0])


def _in_sent_pixels(faces: list[FaceResult], reduction: int) -> list[FaceResult]:
    """Faces with their boxes in pixels of the picture that was sent; it was decoded smaller by `reduction`."""
    if reduction == 1:
        return faces
    sent = []
    for face in faces:
        x0, y0, x1, y1 = face.box_xyxy
        sent.append(replace(face, box_xyxy=(x0 * reduction, y0 * reduction, x1 * reduction, y1 * reduction)))
    return sent


def _box(detection: Detection) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in detection.box_xyxy)
    return x0, y0, x1, y1
