"""The gallery: everybody who may be recognised, as one matrix that never changes once it is built."""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InternalError
from recognition.types import Embedding, Match, Template

_DIGEST_BYTES = 16
_DIGESTS = 1 << 8 * _DIGEST_BYTES


class Gallery:
    """Templates of one model, grouped by person. Immutable, so any number of threads may search it.

    A change of the people makes a new gallery. `generation` is a digest of the contents: two galleries with the same
    generation give the same answers. It is the sum of a digest for each row, so that a few rows can be taken out and
    put in without a look at all others; it tells galleries apart and is no defence against forged ones.
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
        self._digest = self._digest_of(range(len(ordered)))

    def replaced(self, person_ids: Collection[str], templates: Iterable[Template]) -> "Gallery":
        """This gallery, but what it holds of these people is `templates` and nothing else. The same as one built anew,
        and a twentieth of the work when they are few among many.

        Raises InternalError as building does, and for a template of somebody else.
        """
        new = sorted(templates, key=lambda template: (template.person_id, template.template_id))
        for template in new:
            _check_model(template, self.model_id)
            if template.person_id not in person_ids or template.person_id in self._ignored:
                raise InternalError(f"template {template.template_id} is of nobody who is to be replaced")
        new_of = {person: list(own) for person, own in groupby(new, key=lambda template: template.person_id)}
        ids: list[str] = []
        persons: list[str] = []
        parts: list[NDArray[np.float32]] = []
        gone: list[int] = []
        put_in: list[int] = []
        row = 0
        # The rows between those of these people are taken over in one piece each.
        for person in sorted(set(person_ids) - self._ignored):
            first = bisect_left(self._person_of_row, person, row)
            end = bisect_right(self._person_of_row, person, first)
            gone += range(first, end)
            ids += self._template_ids[row:first]
            persons += self._person_of_row[row:first]
            parts.append(self._matrix[row:first])
            row = end
            own = new_of.get(person, [])
            put_in += range(len(ids), len(ids) + len(own))
            ids += (template.template_id for template in own)
            persons += (template.person_id for template in own)
            parts.append(_stacked(own))
        ids += self._template_ids[row:]
        persons += self._person_of_row[row:]
        parts = [part for part in (*parts, self._matrix[row:]) if len(part)]
        gallery = Gallery.__new__(Gallery)
        matrix = np.concatenate(parts) if parts else _stacked(())
        gallery._hold(self.model_id, ids, persons, matrix, self._ignored)
        gallery._digest = (self._digest - self._digest_of(gone) + gallery._digest_of(put_in)) % _DIGESTS
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

    def _digest_of(self, rows: Iterable[int]) -> int:
        total = 0
        for row in rows:
            person = self._person_of_row[row]
            named = f"{person}\0{self._template_ids[row]}\0{person in self._ignored}\0".encode()
            digest = hashlib.blake2b(named, digest_size=_DIGEST_BYTES)
            digest.update(self._matrix[row])
            total += int.from_bytes(digest.digest())
        return total % _DIGESTS

    @property
    def generation(self) -> str:
        """A digest of the contents."""
        return f"{self._digest:0{2 * _DIGEST_BYTES}x}"

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
