"""Encodings of `face_recognition` installations: 128 numbers a face, read from JSON, CSV or npy.

Pickle is refused whatever it holds: reading one runs the program that is in it.

What is read is checked by what dlib's network gives: 128 finite numbers with a Euclidean length about 1.4 (on the 22
faces of the sample photographs 1.40 to 1.54). Vectors of length 1 were normalised, or are another network's.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.embedding import EMBEDDING_LENGTH
from recognition.errors import RequestError
from recognition.types import Embedding

ROWS_MAX = 100_000
LENGTH_MIN, LENGTH_MAX = 1.1, 1.9
_NORMALISED_WITHIN = 0.001

HOW_TO_CONVERT = (
    'convert it on the machine where you made it, and only if you made it: python -c "import json, pickle; '
    "d = pickle.load(open('encodings.pickle', 'rb')); json.dump({'names': list(d['names']), "
    "'encodings': [[float(x) for x in e] for e in d['encodings']]}, open('encodings.json', 'w'))\""
)


class EncodingsUnusable(RequestError):
    """A file of encodings cannot be read at all."""

    code = "encodings_unusable"


class EncodingsPickled(RequestError):
    """The file is a pickle."""

    code = "encodings_pickled"


@dataclass(frozen=True, slots=True, eq=False)
class OldEncoding:
    """One face. `problem` says why it cannot be used; `embedding` is then None. `row` counts from 1."""

    row: int
    name: str
    external_id: str | None
    embedding: Embedding | None
    problem: str = ""


def read_encodings(content: bytes, names: Sequence[str] | None = None) -> list[OldEncoding]:
    """All rows of a file, good and bad. `names` belong to the rows of an npy array, which has none.

    JSON: `{"names": […], "encodings": [[…], …]}`, `{"Ada": [[…], …]}`, or `[{"name": …, "external_id": …,
    "encoding": […]}]`. CSV: a head with `name`, `external_id` or both, then 128 columns of numbers. npy: (n, 128).
    Raises EncodingsPickled and EncodingsUnusable.
    """
    begin = content[:16].lstrip()
    if content[:6] == b"\x93NUMPY":
        rows = _of_npy(content, names)
    elif _is_pickle(content):
        raise EncodingsPickled("this is a pickle, which is a program and not data", hint=HOW_TO_CONVERT)
    elif names is not None:
        raise EncodingsUnusable("names are given beside the file", hint="only an npy array needs that")
    elif begin[:1] in (b"{", b"[") or begin[:4] == b"\xef\xbb\xbf{":
        rows = _of_json(content)
    else:
        rows = _of_csv(content)
    found = []
    for number, (name, external_id, values) in enumerate(rows, start=1):
        if number > ROWS_MAX:
            raise EncodingsUnusable(f"there are more than {ROWS_MAX:,} rows", hint="split the file")
        found.append(_checked(number, name, external_id, values))
    if not found:
        raise EncodingsUnusable("the file holds no encodings")
    return found


_Row = tuple[str, str | None, object]


def _is_pickle(content: bytes) -> bool:
    # Protocols 2 to 5 begin with PROTO; older ones begin a tuple, list or dictionary or import something, and all of
    # them end with STOP.
    return content[:1] == b"\x80" or (content[:1] in (b"(", b"]", b"}", b"c") and content[-1:] == b".")


def _of_npy(content: bytes, names: Sequence[str] | None) -> Iterator[_Row]:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            raise EncodingsPickled("this array holds pickled objects", hint=HOW_TO_CONVERT) from None
        raise EncodingsUnusable("the npy file is damaged") from error
    if array.ndim != 2 or array.shape[1] != EMBEDDING_LENGTH or array.dtype.kind != "f":
        raise EncodingsUnusable(
            f"the array has shape {array.shape} and type {array.dtype}", hint="floating point (n, 128) is expected"
        )
    if names is None or len(names) != len(array):
        given = "none" if names is None else str(len(names))
        raise EncodingsUnusable(
            f"there are {len(array)} encodings and {given} names", hint="--names FILE has one name a line, in order"
        )
    yield from ((name, None, row) for name, row in zip(names, array, strict=True))


def _of_json(content: bytes) -> Iterator[_Row]:
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise EncodingsUnusable("the file is no JSON", hint="is it cut short?") from error
    match document:
        case {"names": list(names), "encodings": list(encodings)}:
            if len(names) != len(encodings):
                raise EncodingsUnusable(f"there are {len(names)} names and {len(encodings)} encodings")
            yield from ((_text(name), None, values) for name, values in zip(names, encodings, strict=True))
        case dict():
            for name, of_person in document.items():
                if not isinstance(of_person, list):
                    raise EncodingsUnusable("a name has no list of encodings", hint="see docs/how-to/backup.md")
                several = of_person if of_person and isinstance(of_person[0], list) else [of_person]
                yield from ((name, None, values) for values in several)
        case list():
            for item in document:
                entry = item if isinstance(item, dict) else {}
                external_id = entry.get("external_id")
                yield _text(entry.get("name")), _text(external_id) or None, entry.get("encoding")
        case _:
            raise EncodingsUnusable("the JSON holds no encodings", hint="see docs/how-to/backup.md")


def _of_csv(content: bytes) -> Iterator[_Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EncodingsUnusable("the file is no JSON, CSV in UTF-8, or npy") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        if not {"name", "external_id"} & set(head):
            raise EncodingsUnusable(
                "the first line of the CSV names no column `name` or `external_id`", hint="see docs/how-to/backup.md"
            )
        for cells in reader:
            if not any(cells):
                continue
            known = dict(zip(head, cells, strict=False))
            values = [cell for title, cell in zip(head, cells, strict=False) if title not in ("name", "external_id")]
            # Cells beyond the head count too: a row that is too long is wrong.
            yield (
                known.get("name", "").strip(),
                known.get("external_id", "").strip() or None,
                values + cells[len(head) :],
            )
    except csv.Error as error:
        raise EncodingsUnusable(f"line {reader.line_num} of the CSV cannot be read") from error


def _checked(row: int, name: str, external_id: str | None, values: object) -> OldEncoding:
    def unusable(problem: str) -> OldEncoding:
        return OldEncoding(row, name, external_id, None, problem)

    if not name and not external_id:
        return unusable("it names nobody")
    embedding = _vector(values)
    if embedding is None:
        return unusable("it is no list of numbers")
    if embedding.shape != (EMBEDDING_LENGTH,):
        return unusable(f"it has {embedding.size} numbers instead of {EMBEDDING_LENGTH}")
    if not np.isfinite(embedding).all():
        return unusable("not all of its numbers are finite")
    length = float(np.linalg.norm(embedding))
    if abs(length - 1) < _NORMALISED_WITHIN:
        return unusable("its length is 1: it was normalised, or is another network's")
    if not LENGTH_MIN <= length <= LENGTH_MAX:
        return unusable(
            f"its length is {length:.3g}, that of dlib's encodings lies between {LENGTH_MIN} and {LENGTH_MAX}"
        )
    return OldEncoding(row, name, external_id, embedding)


def _vector(values: object) -> NDArray[np.float32] | None:
    if isinstance(values, np.ndarray):
        return values.astype(np.float32)
    if not isinstance(values, list) or any(isinstance(value, bool | list | dict) for value in values):
        return None
    try:
        # Numbers beyond float32 become infinite, which is told as such.
        with np.errstate(over="ignore"):
            return np.array([float(value) for value in values], np.float64).astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
