"""The gallery: everybody who may be recognised, as one matrix that never changes once it is built."""

import hashlib
from collections.abc import Collection, Iterable, Sequence

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
            _check_model(template, model_id)
        self._hold(
            model_id,
            [template.template_id for template in ordered],
            [template.person_id for template in ordered],
            _stacked(ordered),
            frozenset(template.person_id for template in anchors),
        )

    def replaced(self, person_ids: Collection[str], templates: Iterable[Template]) -> "Gallery":
        """This gallery, but what it holds of these people is `templates` and nothing else. The same as one built anew,
        and a tenth of the work when they are few among many.

        Raises InternalError as building does, and for a template of somebody else.
        """
        new = sorted(templates, key=lambda template: (template.person_id, template.template_id))
        for template in new:
            _check_model(template, self.model_id)
            if template.person_id not in person_ids or template.person_id in self._ignored:
                raise InternalError(f"template {template.template_id} is of nobody who is to be replaced")
        wanted = set(person_ids) - self._ignored
        kept = [row for row, person in enumerate(self._person_of_row) if person not in wanted]
        ids = [*(self._template_ids[row] for row in kept), *(template.template_id for template in new)]
        persons = [*(self._person_of_row[row] for row in kept), *(template.person_id for template in new)]
        order = sorted(range(len(ids)), key=lambda row: (persons[row], ids[row]))
        parts = [part for part in (self._matrix[kept], _stacked(new)) if len(part)]
        gallery = Gallery.__new__(Gallery)
        gallery._hold(
            self.model_id,
            [ids[row] for row in order],
            [persons[row] for row in order],
            np.concatenate(parts)[order] if parts else np.zeros((0, 0), np.float32),
            self._ignored,
        )
        return gallery

    def _hold(
        self,
        model_id: str,
        template_ids: list[str],
        person_of_row: list[str],
        matrix: NDArray[np.float32],
        ignored: frozenset[str],
    ) -> None:
        self.model_id = model_id
        self._template_ids = template_ids
        self._person_of_row = person_of_row
        self._matrix = matrix
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
        self._ignored = ignored
        self._person_set = frozenset(self._persons) - self._ignored
        digest = hashlib.blake2b(self._matrix.tobytes(), digest_size=16)
        for person, template_id in zip(self._person_of_row, self._template_ids, strict=True):
            digest.update(f"{person}\0{template_id}\0{person in ignored}\0".encode())
        self.generation = digest.hexdigest()

    def __len__(self) -> int:
        """The number of persons."""
        return len(self._person_set)

    @property
    def template_count(self) -> int:
        """The number of their templates."""
        if not self._ignored:
            return len(self._person_of_row)
        return sum(person not in self._ignored for person in self._person_of_row)

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


def _stacked(templates: Sequence[Template]) -> NDArray[np.float32]:
    if not templates:
        return np.zeros((0, 0), np.float32)
    return np.stack([template.embedding for template in templates]).astype(np.float32)


def _check_model(template: Template, model_id: str) -> None:
    if template.model_id != model_id:
        raise InternalError(
            f"template {template.template_id} belongs to model {template.model_id[:12]}, not {model_id[:12]}",
            hint="enrol the person again with the model in use",
            code="model_mismatch",
        )
