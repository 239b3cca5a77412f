"""How well faces are told apart: the figures of ISO/IEC 19795-1 on a folder of labelled pictures or a list of pairs.

Pure: embeddings and labels in, figures out. What the figures mean is told in docs/reference/evaluation.md.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.embedding import FaceInBothRoles
from recognition.errors import RequestError

FMR_POINTS = (0.01, 0.001)
FPIR_POINTS = (0.01,)

# All pairs of n pictures are n^2 / 2 distances; above this many pictures an even choice of them is paired.
_PAIRED_MAX = 6000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two picture files, and whether they show the same person."""

    path_a: Path
    path_b: Path
    same: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """1:1 figures. None where there are too few comparisons to say anything.

    `d_prime` is the distance of the means in pooled deviations. `tar_at_fmr` is the part of genuine pairs accepted at
    the threshold where the part of impostor pairs accepted is at most the key.
    """

    d_prime: float | None
    tar_at_fmr: dict[float, float | None]


@dataclass(frozen=True, slots=True)
class Identification:
    """1:N figures over the probes, failures to find a face included; None where there is nothing to count.

    `fnir_at_fpir` comes from searching each probe once in the whole gallery and once in the gallery without its person.
    """

    rank1: float | None
    fnir_at_fpir: dict[float, float | None]


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a CSV file `file_a,file_b,same`; names are relative to the file. A line of titles may come first.

    Raises RequestError with the number of the line that is wrong.
    """
    truth = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    pairs = []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for number, row in enumerate(csv.reader(stream), start=1):
                if not row or (number == 1 and row[-1].strip().lower() == "same"):
                    continue
                if len(row) != 3 or row[2].strip().lower() not in truth:
                    raise RequestError(f"line {number} of {path} is not `file_a,file_b,same`", hint="same is 1 or 0")
                file_a, file_b, same = (cell.strip() for cell in row)
                pairs.append(Pair(path.parent / file_a, path.parent / file_b, truth[same.lower()]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{path} cannot be read: {error}", hint="give a CSV file of UTF-8 text") from error
    if not pairs:
        raise RequestError(f"there are no pairs in {path}", hint="each line is `file_a,file_b,same`")
    return pairs


def verification(genuine: NDArray[np.float32], impostor: NDArray[np.float32]) -> Verification:
    """1:1 figures from the distances of genuine and of impostor pairs, each (n,)."""
    d_prime = None
    if len(genuine) > 1 and len(impostor) > 1:
        pooled = float(np.sqrt((genuine.var() + impostor.var()) / 2))
        d_prime = float(impostor.mean() - genuine.mean()) / pooled if pooled > 0 else None
    return Verification(d_prime, {fmr: _accepted_at(genuine, impostor, fmr) for fmr in FMR_POINTS})


def pair_distances(
    faces: Sequence[FaceInBothRoles], persons: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The distances of all genuine and of all impostor pairs; of each pair the earlier face is the template."""
    if len(faces) > _PAIRED_MAX:
        chosen = np.linspace(0, len(faces) - 1, _PAIRED_MAX).astype(int)
        faces, persons = [faces[i] for i in chosen], [persons[i] for i in chosen]
    genuine, impostor = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    if faces:
        templates = np.stack([face.template for face in faces])
        labels = np.unique(np.asarray(persons), return_inverse=True)[1]
        for i in range(1, len(faces)):
            distances = np.linalg.norm(templates[:i] - faces[i].probe, axis=1)
            same = labels[:i] == labels[i]
            genuine.append(distances[same])
            impostor.append(distances[~same])
    return np.concatenate(genuine), np.concatenate(impostor)


def identification(faces: Sequence[FaceInBothRoles | None], persons: Sequence[str], *, enrol: int) -> Identification:
    """1:N figures; the first `enrol` pictures of each person are enrolled, the others are probes.

    A face is None where none was found. Such a probe counts as not identified.
    """
    is_template = _first_of_each(persons, enrol)
    templates = [
        (face.template, person)
        for face, person, first in zip(faces, persons, is_template, strict=True)
        if first and face is not None
    ]
    probes = [(face, person) for face, person, first in zip(faces, persons, is_template, strict=True) if not first]
    if not templates or not probes:
        return Identification(None, dict.fromkeys(FPIR_POINTS))
    matrix = np.stack([embedding for embedding, _ in templates])
    owners = np.array([person for _, person in templates])
    # Distance when the right person came first, else infinite; and the nearest of all others.
    mated = np.full(len(probes), np.inf, np.float32)
    stranger: list[float] = []
    for i, (face, person) in enumerate(probes):
        if face is None:
            continue
        distances = np.linalg.norm(matrix - face.probe, axis=1)
        own = owners == person
        nearest_own = float(distances[own].min()) if own.any() else np.inf
        nearest_other = float(distances[~own].min()) if not own.all() else np.inf
        if nearest_own < nearest_other:
            mated[i] = nearest_own
        if np.isfinite(nearest_other):
            stranger.append(nearest_other)
    non_mated = np.asarray(stranger, np.float32)
    fnir: dict[float, float | None] = {}
    for fpir in FPIR_POINTS:
        accepted = _accepted_at(mated, non_mated, fpir)
        fnir[fpir] = None if accepted is None else 1 - accepted
    return Identification(float(np.isfinite(mated).mean()), fnir)


def _accepted_at(wanted: NDArray[np.float32], unwanted: NDArray[np.float32], rate: float) -> float | None:
    """The part of `wanted` below the threshold that lets in at most `rate` of `unwanted`."""
    if not len(wanted) or not len(unwanted):
        return None
    threshold = np.sort(unwanted)[int(rate * len(unwanted))]
    return float((wanted < threshold).mean())


def _first_of_each(persons: Sequence[str], count: int) -> list[bool]:
    seen: dict[str, int] = {}
    first = []
    for person in persons:
        seen[person] = seen.get(person, 0) + 1
        first.append(seen[person] <= count)
    return first
