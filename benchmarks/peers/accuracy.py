"""How well a peer finds and tells apart the people of the picture sets. Pure: its answers in, figures out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.sets import Box, Labelled
from recognition.embedding import FaceInBothRoles
from recognition.evaluation import FMR_POINTS, identification, pair_distances, verification

Found = Mapping[str, Any]
"""A face of an answer: `box`, and `embedding` or None."""

# Detectors draw the box of a face differently: around the head, or from brow to chin. The same face is meant when the
# middle lies in the known box and the size, as the root of the area, is within this factor.
_SIZE_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Recall:
    """Faces found of those that are there, and boxes that are none of them."""

    faces: int
    found: int
    extra: int

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return {"faces": self.faces, "found": self.found, "extra": self.extra}


def assigned(found: Sequence[Found], known: Sequence[Box]) -> list[int | None]:
    """For each known face the index of the found one that is nearest to its middle; None where it was missed.

    A found face serves one known face only.
    """
    candidates = []
    for row, box in enumerate(known):
        for column, face in enumerate(found):
            far = _distance(face["box"], box)
            if far is not None:
                candidates.append((far, row, column))
    chosen: list[int | None] = [None] * len(known)
    taken: set[int] = set()
    for _, row, column in sorted(candidates):
        if chosen[row] is None and column not in taken:
            chosen[row] = column
            taken.add(column)
    return chosen


def recall(answers: Sequence[Sequence[Found]], pictures: Sequence[Labelled]) -> Recall:
    """Over labelled pictures, with the faces found on each."""
    faces = hits = boxes = 0
    for found, picture in zip(answers, pictures, strict=True):
        chosen = assigned(found, [box for box, _ in picture.faces])
        faces += len(chosen)
        hits += sum(column is not None for column in chosen)
        boxes += len(found)
    return Recall(faces, hits, boxes - hits)


def recall_by_count(answers: Sequence[Sequence[Found]], people: Sequence[int]) -> Recall:
    """Over pictures of which only the number of people is known; what is found beyond that number is extra."""
    hits = [min(len(found), count) for found, count in zip(answers, people, strict=True)]
    return Recall(sum(people), sum(hits), sum(map(len, answers)) - sum(hits))


def labelled_faces(
    answers: Sequence[Sequence[Found]], pictures: Sequence[Labelled]
) -> tuple[list[FaceInBothRoles | None], list[str]]:
    """The face of each labelled person, None where it was missed, and the persons."""
    faces: list[FaceInBothRoles | None] = []
    persons: list[str] = []
    for found, picture in zip(answers, pictures, strict=True):
        for column, (_, person) in zip(assigned(found, [box for box, _ in picture.faces]), picture.faces, strict=True):
            persons.append(person)
            faces.append(None if column is None else both_roles(found[column]["embedding"]))
    return faces, persons


def both_roles(embedding: Sequence[float] | None) -> FaceInBothRoles | None:
    """An embedding that is the same as template and as probe."""
    if embedding is None:
        return None
    vector = np.asarray(embedding, np.float32)
    return FaceInBothRoles(vector, vector)


def portrait_figures(
    faces: Sequence[FaceInBothRoles | None], persons: Sequence[str], distance_max: float
) -> dict[str, Any]:
    """What `rollcall evaluate` tells of labelled portraits, and how the peer's own limit does on their pairs.

    In `own_limit` a pair with a face that was not found is a pair that was not accepted.
    """
    seen = [(face, person) for face, person in zip(faces, persons, strict=True) if face is not None]
    genuine, impostor = pair_distances([face for face, _ in seen], [person for _, person in seen])
    one_to_one = verification(genuine, impostor)
    one_to_many = identification(faces, persons, enrol=1)
    return {
        "images": len(faces),
        "faces_found": len(seen),
        "people": len(set(persons)),
        "rank1": _rounded(one_to_many.rank1),
        "d_prime": _rounded(one_to_one.d_prime),
        "tar_at_fmr": {f"{fmr:g}": _rounded(one_to_one.tar_at_fmr[fmr]) for fmr in FMR_POINTS},
        "own_limit": _own_limit(genuine, impostor, persons, distance_max),
    }


def photograph_figures(
    large: Sequence[FaceInBothRoles | None],
    small: Sequence[FaceInBothRoles | None],
    persons: Sequence[str],
    distance_max: float,
) -> dict[str, Any]:
    """Faces of small pictures searched for among those of the large ones, which show the same moments.

    Rank 1 counts a missed face as not identified. Of 1:1 figures only the peer's own limit has enough pairs.
    """
    first = [_nearest(probe, large) for probe in small]
    right = sum(row is not None and persons[row] == person for row, person in zip(first, persons, strict=True))
    accepted = {True: 0, False: 0}
    pairs = {True: 0, False: 0}
    for i, template in enumerate(large):
        for j, probe in enumerate(small):
            same = persons[i] == persons[j]
            pairs[same] += 1
            near = template is not None and probe is not None and _apart(template, probe) <= distance_max
            accepted[same] += near
    return {
        "rank1": _rounded(right / len(persons)),
        "own_limit": {
            "genuine_pairs": pairs[True],
            "tar": _rounded(accepted[True] / pairs[True]),
            "impostor_pairs": pairs[False],
            "fmr": _rounded(accepted[False] / pairs[False]) if pairs[False] else None,
        },
    }


def strangers_accepted(
    strangers: Sequence[Found], enrolled: Sequence[FaceInBothRoles | None], distance_max: float
) -> int:
    """How many faces of people who are not enrolled are within the limit of somebody who is."""
    templates = [face.template for face in enrolled if face is not None]
    if not templates:
        return 0
    matrix = np.stack(templates)
    probes = [face for found in strangers if (face := both_roles(found["embedding"])) is not None]
    return sum(float(np.linalg.norm(matrix - probe.probe, axis=1).min()) <= distance_max for probe in probes)


def _own_limit(
    genuine: NDArray[np.float32], impostor: NDArray[np.float32], persons: Sequence[str], distance_max: float
) -> dict[str, Any]:
    counts = [persons.count(person) for person in set(persons)]
    genuine_pairs = sum(count * (count - 1) // 2 for count in counts)
    return {
        "genuine_pairs": genuine_pairs,
        "tar": _rounded(float((genuine <= distance_max).sum()) / genuine_pairs) if genuine_pairs else None,
        "impostor_pairs": len(impostor),
        "fmr": _rounded(float((impostor <= distance_max).mean())) if len(impostor) else None,
    }


def _nearest(probe: FaceInBothRoles | None, templates: Sequence[FaceInBothRoles | None]) -> int | None:
    """The row of the nearest template; None when there is no probe or nothing to compare it with."""
    if probe is None:
        return None
    apart = [(_apart(template, probe), row) for row, template in enumerate(templates) if template is not None]
    return min(apart)[1] if apart else None


def _apart(template: FaceInBothRoles, probe: FaceInBothRoles) -> float:
    return float(np.linalg.norm(template.template - probe.probe))


def _distance(found: Sequence[float], known: Box) -> float | None:
    x, y = (found[0] + found[2]) / 2, (found[1] + found[3]) / 2
    if not (known[0] <= x <= known[2] and known[1] <= y <= known[3]):
        return None
    size, known_size = _side(found), _side(known)
    if not known_size / _SIZE_FACTOR <= size <= known_size * _SIZE_FACTOR:
        return None
    return math.hypot(x - (known[0] + known[2]) / 2, y - (known[1] + known[3]) / 2)


def _side(box: Sequence[float]) -> float:
    return math.sqrt(max(0.0, (box[2] - box[0]) * (box[3] - box[1])))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
