"""The open-set decision: known, perhaps, or nobody we know. "Nobody" is the commonest right answer.

Two thresholds and a margin: a face is known when somebody is nearer than `accept_distance` and the next person is at
least `margin` farther away. Up to `review_distance` a person is asked; beyond it the face is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from recognition.types import FaceState, Match


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """When a face has a name. Distances are Euclidean between embeddings, lower is closer.

    `min_evidence_frames` pictures of a track must agree, unless `kiosk` is set and the face is alone in the picture.
    At most `evidence_max` pictures of a track are kept. `break_distance` from the track's mean says that the track now
    shows somebody else. A decided face is embedded again after `refresh_s`, or when its quality score has become
    `better_quality` times as high. Why these values: docs/why/recognition.md.
    """

    accept_distance: float = 0.55
    review_distance: float = 0.60
    margin: float = 0.05
    min_evidence_frames: int = 2
    kiosk: bool = False
    evidence_max: int = 8
    break_distance: float = 0.60
    refresh_s: float = 2.0
    better_quality: float = 1.15

    def frames_needed(self, *, alone: bool) -> int:
        """How many pictures must agree; `alone` says that no other face is in the picture."""
        return 1 if self.kiosk and alone else max(2, self.min_evidence_frames)


def classify(match: Match | None, policy: DecisionPolicy) -> FaceState:
    """What one comparison with the gallery says: KNOWN, REVIEW or UNKNOWN. None (an empty gallery) is UNKNOWN, as is a
    face that is to be ignored.
    """
    if match is None or match.ignored or match.distance > policy.review_distance:
        return FaceState.UNKNOWN
    runner_up = match.runner_up_distance
    clear = runner_up is None or runner_up - match.distance >= policy.margin
    return FaceState.KNOWN if clear and match.distance <= policy.accept_distance else FaceState.REVIEW


def one_face_per_identity(states: Sequence[FaceState], matches: Sequence[Match | None]) -> list[FaceState]:
    """States in which nobody is in one picture twice: of several faces with one name the closest keeps it.

    The others become REVIEW: they do look like that person.
    """
    closest: dict[str, int] = {}
    for index, (state, match) in enumerate(zip(states, matches, strict=True)):
        if state is FaceState.KNOWN and match is not None:
            rival = closest.get(match.person_id)
            rival_match = None if rival is None else matches[rival]
            if rival_match is None or match.distance < rival_match.distance:
                closest[match.person_id] = index
    winners = set(closest.values())
    return [
        FaceState.REVIEW if state is FaceState.KNOWN and index not in winners else state
        for index, state in enumerate(states)
    ]


def decide_single(matches: Sequence[Match | None], policy: DecisionPolicy) -> list[FaceState]:
    """The states of the faces of one picture without a history, in their order."""
    return one_face_per_identity([classify(match, policy) for match in matches], matches)
