"""The values that pass between the stages of a frame, and from there to storage and the server."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

ImageBgr = NDArray[np.uint8]
"""A picture: uint8 of shape (height, width, 3), channels in the order blue, green, red."""

Embedding = NDArray[np.float32]
"""A face as a vector: float32 of shape (128,). Not normalised; compared by Euclidean distance."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from one camera, however it came.

    `payload` is the encoded picture (JPEG, PNG or WebP) or an already decoded one. `sequence` counts the frames
    received from this camera from 1. `captured_at` is UTC by the server's clock, `received_mono` the same moment
    on its monotonic clock, in seconds.
    """

    camera_id: str
    sequence: int
    payload: bytes | ImageBgr
    captured_at: datetime
    received_mono: float


class LandmarkLayout(StrEnum):
    """Which points a detector gives, in the order of the picture from left to right where there are pairs."""

    FIVE = "five"  # right eye, left eye, nose tip, right mouth corner, left mouth corner (the person's own sides)
    SIX = "six"  # right eye, left eye, nose tip, mouth centre, right ear, left ear


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face found in a picture. All coordinates are pixels of the full picture, float32.

    `box_xyxy` has shape (4,), `landmarks_xy` shape (5, 2) or (6, 2) after `layout`, `score` lies in 0..1.
    """

    box_xyxy: NDArray[np.float32]
    landmarks_xy: NDArray[np.float32]
    score: float
    layout: LandmarkLayout = LandmarkLayout.FIVE


class QualityVerdict(StrEnum):
    """Whether a face is good enough to be embedded and, if not, the first reason why."""

    OK = "ok"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TURNED = "turned"


@dataclass(frozen=True, slots=True)
class Quality:
    """How useful a face is as a probe or template.

    `size_px` is the distance between the eyes. `sharpness` is dimensionless, higher is sharper. `yaw` and `pitch` are
    signed fractions, 0 is frontal (not degrees: five points do not give degrees). `score` in 0..1 sums it up.
    """

    size_px: float
    sharpness: float
    yaw: float
    pitch: float
    score: float
    verdict: QualityVerdict


class FaceState(StrEnum):
    """What Rollcall says of one face."""

    PENDING = "pending"  # a track that has not gathered enough evidence yet; never for a single picture
    KNOWN = "known"
    REVIEW = "review"  # close to somebody, but not close enough to say so
    UNKNOWN = "unknown"
    UNUSABLE = "unusable"  # too small, blurred or turned to be compared


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest person in the gallery, and the nearest other person. Distances are Euclidean, lower is closer.

    `ignored` says that the nearest is a face that is to be ignored; `person_id` then names nobody.
    """

    person_id: str
    template_id: str
    distance: float
    runner_up_person_id: str | None = None
    runner_up_distance: float | None = None
    ignored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """An enrolled embedding. `model_id` is the digest of the network that made it; others are never compared."""

    template_id: str
    person_id: str
    model_id: str
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class FaceResult:
    """What is said of one face in one picture. `person_id` is set when, and only when, `state` is KNOWN.

    `match` is kept for REVIEW and UNKNOWN too, so that a person can see how near it was. `score` is the detector's.
    `track_id` is None for a single picture; `evidence_frames` says how many pictures of the track agree.
    """

    box_xyxy: tuple[float, float, float, float]
    state: FaceState
    score: float
    quality: Quality | None = None
    person_id: str | None = None
    match: Match | None = None
    track_id: int | None = None
    evidence_frames: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A decided identity in a track: the value that becomes attendance. `sighting_id` makes storing it idempotent.

    `captured_at` is UTC by the server's clock; `evidence_frames` says how many pictures agreed.
    """

    sighting_id: UUID
    person_id: UUID
    camera_id: str
    captured_at: datetime
    distance: float
    runner_up_distance: float | None
    quality: float
    evidence_frames: int
    model_id: str


@dataclass(frozen=True, slots=True, eq=False)
class UnknownFace:
    """A track that was decided to be nobody we know. `embedding` is the mean of its pictures, `quality` in 0..1 that of
    the best; `chip_bgr` is that picture, uint8 (150, 150, 3), where it may be kept.
    """

    embedding: Embedding
    quality: float
    chip_bgr: ImageBgr | None = None


@dataclass(frozen=True, slots=True, eq=False)
class UnknownMember:
    """One face of a cluster."""

    member_id: str
    embedding: Embedding
    quality: float


@dataclass(frozen=True, slots=True, eq=False)
class UnknownCluster:
    """Faces that seem to be of one person whom nobody has named. `last_seen_at` is UTC."""

    cluster_id: str
    members: tuple[UnknownMember, ...]
    last_seen_at: datetime
    ignored: bool = False


class Searched(StrEnum):
    """How much of a frame was searched for faces."""

    WHOLE = "whole"
    PART = "part"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class FrameResult:
    """Everything that came of one frame. `newly_known` are the faces whose identity was decided on this frame,
    `newly_unknown` those that were decided to be nobody's, if they are collected.
    """

    camera_id: str
    sequence: int
    width_px: int
    height_px: int
    faces: tuple[FaceResult, ...]
    newly_known: tuple[FaceResult, ...] = ()
    newly_unknown: tuple[UnknownFace, ...] = ()
    stage_ms: dict[Literal["decode", "detect", "track", "align", "embed", "decide"], float] = field(
        default_factory=dict
    )
    searched: Searched = Searched.WHOLE
