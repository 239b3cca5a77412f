"""Evidence about one track: several pictures of a face, weighed together. One frame never decides."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recognition.continuity import is_same_view
from recognition.decision import DecisionPolicy, classify
from recognition.gallery import Gallery
from recognition.types import Embedding, FaceState, ImageBgr, Match, Quality, UnknownFace


@dataclass(slots=True, eq=False)
class _Observation:
    embedding: Embedding
    weight: float
    match: Match | None = None


class TrackEvidence:
    """What has been seen of one track. All times are monotonic seconds and passed in.

    `match` is the gallery's answer for the quality-weighted mean of the pictures kept. It is only as fresh as the
    gallery it was asked of: `rematch` must be called when the gallery's generation changes.
    """

    def __init__(self, policy: DecisionPolicy) -> None:
        self._policy = policy
        self._observations: deque[_Observation] = deque(maxlen=policy.evidence_max)
        self._looked_mono = -np.inf
        self._best_score = 0.0
        self._best_size_px = 0.0
        self.match: Match | None = None
        self.quality: Quality | None = None
        self.generation: str | None = None
        self.state = FaceState.PENDING
        self._signature: NDArray[np.float32] | None = None
        self._doubted = False
        self.chip_bgr: ImageBgr | None = None
        self._was_known = False
        self._collected = False

    @property
    def frames(self) -> int:
        """The number of pictures kept."""
        return len(self._observations)

    def follow(self, signature: NDArray[np.float32], *, disturbed: bool) -> None:
        """Take in what the box looks like on this frame (`continuity.view_signature`), before anything else.

        If the view jumped, or the tracker reports that another face was as near, all that is known is in doubt: nothing
        is said of the face until a usable picture has confirmed it.
        """
        jumped = self._signature is not None and not is_same_view(self._signature, signature)
        self._signature = signature
        if self._observations and (jumped or disturbed):
            self._doubted = True

    def wants_look(self, size_px: float, now_mono: float) -> bool:
        """Whether the face should be aligned and judged on this frame; a settled face that stands still should not."""
        return (
            self.state is not FaceState.KNOWN
            or self._doubted
            or self._is_stale(now_mono)
            or size_px > self._best_size_px * self._policy.better_quality
        )

    def is_settled(self, now_mono: float) -> bool:
        """Whether another picture of the same face, standing still, would add nothing; so it is before the first one,
        when the face cannot be compared as it is.
        """
        if self.frames == 0:
            return True
        decided = self.state is FaceState.KNOWN or self.frames >= self._policy.evidence_max
        return decided and not self._doubted and not self._is_stale(now_mono)

    def wants_embedding(self, quality: Quality, now_mono: float) -> bool:
        """Whether a picture of this quality would add anything worth the time of embedding it."""
        undecided = self.state is not FaceState.KNOWN and self.frames < self._policy.evidence_max
        better = quality.score > self._best_score * self._policy.better_quality
        return undecided or self._doubted or better or self._is_stale(now_mono)

    def add(
        self,
        embedding: Embedding,
        quality: Quality,
        gallery: Gallery,
        now_mono: float,
        chip_bgr: ImageBgr | None = None,
    ) -> None:
        """Take in one more picture. If it plainly shows somebody else, all earlier evidence is forgotten.

        Of the chips that are given the best is kept, in `chip_bgr`.
        """
        match = gallery.search(embedding)
        if self._observations and self._is_break(embedding, match):
            self.forget()
        self._doubted = False
        self._observations.append(_Observation(embedding, max(quality.score, 0.05), match))
        self.quality = quality
        self._looked_mono = now_mono
        if chip_bgr is not None and not self._collected and quality.score > self._best_score:
            self.chip_bgr = chip_bgr
        self._best_score = max(self._best_score, quality.score)
        self._best_size_px = max(self._best_size_px, quality.size_px)
        self.match = self._without_shrinkage(gallery.search(self._mean()))
        self.generation = gallery.generation

    def rematch(self, gallery: Gallery) -> None:
        """Ask a changed gallery again: somebody may have been enrolled, or have withdrawn consent."""
        self.generation = gallery.generation
        if not self._observations:
            self.match = None
            return
        rows = np.stack([*(observation.embedding for observation in self._observations), self._mean()])
        *singles, match = gallery.search_all(rows)
        self.match = self._without_shrinkage(match)
        for observation, match in zip(self._observations, singles, strict=True):
            observation.match = match

    def decide(self, *, alone: bool) -> FaceState:
        """The state after all evidence; `alone` says that no other face is in the picture. Kept in `state`."""
        self.state = self._decide(self._policy.frames_needed(alone=alone))
        self._was_known = self._was_known or self.state is FaceState.KNOWN
        return self.state

    def collect_unknown(self, frames_min: int, quality_min: float) -> UnknownFace | None:
        """The face, once, when it has been decided with that many pictures that it is nobody's, and is to be kept.

        Never one that is to be ignored, nor one that had a name a moment ago: its owner may have taken consent back.
        """
        if (
            self._collected
            or self._was_known
            or self.state is not FaceState.UNKNOWN
            or self.frames < frames_min
            or self._best_score < quality_min
            or (self.match is not None and self.match.ignored and self.match.distance <= self._policy.review_distance)
        ):
            return None
        self._collected = True
        chip_bgr, self.chip_bgr = self.chip_bgr, None
        return UnknownFace(self._mean(), self._best_score, chip_bgr)

    def forget(self) -> None:
        """Begin anew."""
        self._observations.clear()
        self._best_score = self._best_size_px = 0.0
        self._doubted = self._was_known = self._collected = False
        self.chip_bgr = None
        self.match = None
        self.state = FaceState.PENDING

    def agreeing(self) -> int:
        """How many of the pictures, each taken alone, point at the person the mean points at."""
        if self.match is None:
            return 0
        return sum(
            observation.match is not None
            and observation.match.person_id == self.match.person_id
            and observation.match.distance <= self._policy.review_distance
            for observation in self._observations
        )

    def _decide(self, needed: int) -> FaceState:
        if self._doubted:
            return FaceState.PENDING
        if self.state is FaceState.KNOWN:
            # Somebody walking up to a lone, decided face does not make the decision undone.
            needed = min(needed, self.frames) or needed
        if self.frames < needed:
            return FaceState.PENDING
        state = classify(self.match, self._policy)
        if state is not FaceState.KNOWN:
            return state
        agreeing = self.agreeing()
        if agreeing >= needed and agreeing * 2 > self.frames:
            return FaceState.KNOWN
        return FaceState.PENDING if self.frames < self._policy.evidence_max else FaceState.REVIEW

    def _is_stale(self, now_mono: float) -> bool:
        return now_mono - self._looked_mono >= self._policy.refresh_s

    def _is_break(self, embedding: Embedding, match: Match | None) -> bool:
        # A face in doubt has to confirm what was known; otherwise only a plainly different one ends it.
        far = self._doubted or float(np.linalg.norm(embedding - self._mean())) > self._policy.break_distance
        agrees = (
            self.match is not None
            and match is not None
            and match.person_id == self.match.person_id
            and match.distance <= self._policy.review_distance
        )
        return far and not agrees

    def _mean(self) -> Embedding:
        weights, rows = self._weighted()
        return (weights @ rows).astype(np.float32)

    def _weighted(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weights = np.array([observation.weight for observation in self._observations], np.float32)
        return weights / weights.sum(), np.stack([observation.embedding for observation in self._observations])

    def _without_shrinkage(self, match: Match | None) -> Match | None:
        """The match of the mean, with distances that may be held against the limits for single pictures.

        A mean of different pictures lies nearer to everybody, strangers too. Adding the pictures' spread back gives the
        root mean square of their own distances: |m - t|^2 + E|x - m|^2 = E|x - t|^2.
        """
        if match is None:
            return None
        weights, rows = self._weighted()
        spread = float(weights @ ((rows - weights @ rows) ** 2).sum(axis=1))
        runner_up = match.runner_up_distance
        return replace(
            match,
            distance=math.sqrt(match.distance**2 + spread),
            runner_up_distance=None if runner_up is None else math.sqrt(runner_up**2 + spread),
        )


def most_wanting(evidence: Sequence[TrackEvidence], count_max: int) -> list[int]:
    """Indices of those to embed when there is only time for `count_max`: the least known first."""
    order = sorted(range(len(evidence)), key=lambda index: evidence[index].frames)
    return sorted(order[:count_max])
