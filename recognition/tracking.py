"""Following faces from frame to frame, so that a face is embedded once and evidence can gather.

A track is predicted with its own velocity and joined to the nearest detection in reach. Reach is measured in widths of
the face and grows with the time that passed, so the same settings serve 30 and 2 frames a second. Time is passed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recognition.boxes import iou_matrix
from recognition.types import Detection


@dataclass(frozen=True, slots=True)
class TrackingSettings:
    """How far and how long a face is followed. Lengths are in widths of the face.

    Between two frames a face may be `reach` off its predicted place, plus `reach_per_s` for each second between them,
    but never more than `reach_max`. `size_ratio_max` bounds the change of size. A track not seen for `lost_after_s`
    ends. At most `tracks_max` are kept, those in the picture first.
    """

    reach: float = 0.6
    reach_per_s: float = 2.0
    reach_max: float = 2.0
    size_ratio_max: float = 1.8
    lost_after_s: float = 2.0
    tracks_max: int = 128


@dataclass(slots=True, eq=False)
class Track:
    """One face followed over time. `disturbed` says that on the last frame another face might have been this one."""

    track_id: int
    detection: Detection
    seen_mono: float
    velocity_xy: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    disturbed: bool = False


class Tracker:
    """The tracks of one camera. Used by one thread at a time. Track ids count up from 1 and are never used again."""

    def __init__(self, settings: TrackingSettings | None = None) -> None:
        self._settings = settings or TrackingSettings()
        self._tracks: list[Track] = []
        self._next_id = 1

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks that have not ended, also those not seen on the last frame."""
        return tuple(self._tracks)

    def update(self, detections: Sequence[Detection], now_mono: float) -> list[Track]:
        """Take in the faces of one frame; returns the track of each, in their order.

        `now_mono` is in seconds and may not fall; a frame that comes late is taken as simultaneous with the last one.
        """
        settings = self._settings
        self._tracks = [track for track in self._tracks if now_mono - track.seen_mono <= settings.lost_after_s]
        assigned = self._assign(detections, now_mono)
        result: list[Track] = []
        for index, detection in enumerate(detections):
            track = assigned.get(index)
            if track is None:
                track = Track(self._next_id, detection, now_mono)
                self._next_id += 1
                self._tracks.append(track)
            else:
                _move(track, detection, now_mono)
            result.append(track)
        if len(self._tracks) > settings.tracks_max:
            # The longest unseen go first; whoever is in the picture now stays.
            self._tracks.sort(key=lambda track: track.seen_mono, reverse=True)
            del self._tracks[max(settings.tracks_max, len(detections)) :]
        return result

    def _assign(self, detections: Sequence[Detection], now_mono: float) -> dict[int, Track]:
        """The track of each detection that has one, by index; the cheapest pairs first."""
        if not detections or not self._tracks:
            return {}
        cost = self._costs(detections, now_mono)
        possible = np.isfinite(cost)
        # Where a second pairing was nearly as good, the label may have changed hands.
        rivals_of_track, rivals_of_face = possible.sum(axis=1) > 1, possible.sum(axis=0) > 1
        assigned: dict[int, Track] = {}
        taken: set[int] = set()
        rows, columns = np.nonzero(possible)
        for pair in np.argsort(cost[rows, columns], kind="stable"):
            row, column = int(rows[pair]), int(columns[pair])
            if row in taken or column in assigned:
                continue
            taken.add(row)
            assigned[column] = self._tracks[row]
            self._tracks[row].disturbed = bool(
                (rivals_of_track[row] and _nearly(cost[row], column))
                or (rivals_of_face[column] and _nearly(cost[:, column], row))
            )
        return assigned

    def _costs(self, detections: Sequence[Detection], now_mono: float) -> NDArray[np.float64]:
        """Cost of joining each track (rows) to each detection (columns); infinite where it is out of the question."""
        settings = self._settings
        new = np.stack([detection.box_xyxy for detection in detections]).astype(np.float64)
        old = np.stack([track.detection.box_xyxy for track in self._tracks]).astype(np.float64)
        elapsed = np.array([max(0.0, now_mono - track.seen_mono) for track in self._tracks])
        # A person rarely keeps a course for long: the prediction stops after half a second.
        shift = np.stack([track.velocity_xy for track in self._tracks]) * np.minimum(elapsed, 0.5)[:, None]
        predicted = old + np.tile(shift, 2)
        old_size, new_size = _sizes(old), _sizes(new)
        size = np.sqrt(old_size[:, None] * new_size[None, :])
        gap = np.linalg.norm(_centres(predicted)[:, None] - _centres(new)[None], axis=2) / size
        reach = np.minimum(settings.reach + settings.reach_per_s * elapsed, settings.reach_max)
        ratio = np.maximum(old_size[:, None] / new_size, new_size / old_size[:, None])
        overlap = iou_matrix(predicted.astype(np.float32), new.astype(np.float32))
        possible = ((gap <= reach[:, None]) | (overlap > 0.3)) & (ratio <= settings.size_ratio_max)
        return np.where(possible, gap + (1 - overlap) + np.log(ratio), np.inf)


def _move(track: Track, detection: Detection, now_mono: float) -> None:
    elapsed = now_mono - track.seen_mono
    if elapsed > 0:
        step = _centres(detection.box_xyxy[None].astype(np.float64)) - _centres(
            track.detection.box_xyxy[None].astype(np.float64)
        )
        track.velocity_xy = 0.5 * track.velocity_xy + 0.5 * step[0] / elapsed
    track.detection = detection
    track.seen_mono = max(track.seen_mono, now_mono)


def _nearly(costs: NDArray[np.float64], chosen: int) -> bool:
    others = np.delete(costs, chosen)
    return bool(others.size) and float(others.min()) < costs[chosen] + 1.0


def _centres(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2


def _sizes(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 1.0)
    sizes: NDArray[np.float64] = np.sqrt(sides[:, 0] * sides[:, 1])
    return sizes
