"""The gallery: everybody who may be recognised, as one matrix that never changes once it is built."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InternalError
from recognition.types import Embedding, Match, Template


class Gallery:
    """Templates of one model, grouped by person. Immutable, so any number of threads may search it.

    A change of the people makes a new gallery. `generation` is a digest of the contents: two galleries with the same
    generation give the same answers.
    """

    def __init__(self, templates: Iterable[Template], *, model_id: str, ignored: Iterable[Template] = ()) -> None:
        """Build from templates in any order; none at all is fine. `ignored` are of faces that must never get a name:
        who is nearest to one of them is nobody, and who is nearly as near to one is no clear match.

        Raises InternalError if a template was made by another model than `model_id`: such distances mean nothing.
        """
        anchors = tuple(ignored)
        ordered = sorted((*templates, *anchors), key=lambda template: (template.person_id, template.template_id))
        for template in ordered:
            if template.model_id != model_id:
                raise InternalError(
                    f"template {template.template_id} belongs to model {template.model_id[:12]}, not {model_id[:12]}",
                    hint="enrol the person again with the model in use",
                    code="model_mismatch",
                )
        self.model_id = model_id
        self._template_ids = [template.template_id for template in ordered]
        self._person_of_row = [template.person_id for template in ordered]
        self._matrix: NDArray[np.float32] = (
            np.stack([template.embedding for template in ordered]).astype(np.float32)
            if ordered
            else np.zeros((0, 0), np.float32)
        )
        self._matrix.setflags(write=False)
        self._squares = np.einsum("ij,ij->i", self._matrix, self._matrix)
        self._first_rows = np.array(
            [
                row
                for row, person in enumerate(self._person_of_row)
                if row == 0 or person != self._person_of_row[row - 1]
            ],
            dtype=np.intp,
        )
        self._persons = [self._person_of_row[row] for row in self._first_rows]
        self._ignored = frozenset(template.person_id for template in anchors)
        self._person_set = frozenset(self._persons) - self._ignored
        digest = hashlib.blake2b(self._matrix.tobytes(), digest_size=16)
        for template in ordered:
            digest.update(
                f"{template.person_id}\0{template.template_id}\0{template.person_id in self._ignored}\0".encode()
            )
        self.generation = digest.hexdigest()

    def __len__(self) -> int:
        """The number of persons."""
        return len(self._person_set)

    def __contains__(self, person_id: object) -> bool:
        return person_id in self._person_set

    def search(self, embedding: Embedding) -> Match | None:
        """The nearest person to float32 (128,) and the nearest other one; None when the gallery is empty."""
        return self.search_all(embedding[None])[0]

    def search_all(self, embeddings: NDArray[np.float32]) -> list[Match | None]:
        """`search` for each row of float32 (n, 128)."""
        if not self._persons or not len(embeddings):
            return [None] * len(embeddings)
        # |a - b|^2 = |a|^2 + |b|^2 - 2ab: one matrix product. float32 leaves about 1e-3 of error at distance 0.
        squares = np.einsum("ij,ij->i", embeddings, embeddings)[:, None] + self._squares
        distances = np.sqrt(np.maximum(squares - 2 * (embeddings @ self._matrix.T), 0))
        by_person = np.minimum.reduceat(distances, self._first_rows, axis=1)
        return [self._match(distances[i], by_person[i]) for i in range(len(embeddings))]

    def _match(self, distances: NDArray[np.float32], by_person: NDArray[np.float32]) -> Match:
        best = int(by_person.argmin())
        first_row = int(self._first_rows[best])
        end_row = int(self._first_rows[best + 1]) if best + 1 < len(self._persons) else len(distances)
        row = first_row + int(distances[first_row:end_row].argmin())
        distance = float(by_person[best])
        if len(self._persons) == 1:
            return Match(
                self._persons[best], self._template_ids[row], distance, ignored=self._persons[best] in self._ignored
            )
        others = by_person.copy()
        others[best] = np.inf
        second = int(others.argmin())
        return Match(
            self._persons[best],
            self._template_ids[row],
            distance,
            None if self._persons[second] in self._ignored else self._persons[second],
            float(others[second]),
            ignored=self._persons[best] in self._ignored,
        )
