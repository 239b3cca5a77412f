import io
import json
import pickle
from typing import Any

import numpy as np
import pytest

from recognition.old_encodings import EncodingsPickled, EncodingsUnusable, read_encodings


def face(seed: int = 1, length: float = 1.4) -> list[float]:
    values = np.random.default_rng(seed).normal(size=128)
    return [float(value) for value in values / np.linalg.norm(values) * length]


def as_csv(*rows: str, head: str = "name,external_id") -> bytes:
    return "\r\n".join([head + "," + ",".join(f"e{number}" for number in range(128)), *rows]).encode()


def numbers(values: list[float]) -> str:
    return ",".join(map(repr, values))


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (json.dumps({"names": ["Ada", "Bob"], "encodings": [face(1), face(2)]}).encode(), None),
        (json.dumps({"Ada": [face(1)], "Bob": face(2)}).encode(), None),
        (json.dumps([{"name": "Ada", "encoding": face(1)}, {"name": "Bob", "encoding": face(2)}]).encode(), None),
        (b"\xef\xbb\xbf" + json.dumps({"Ada": [face(1)], "Bob": [face(2)]}).encode(), None),
        (as_csv(f"Ada,,{numbers(face(1))}", f"Bob,,{numbers(face(2))}", ""), None),
        (npy(np.array([face(1), face(2)])), ["Ada", "Bob"]),
        (npy(np.array([face(1), face(2)], np.float32)), ["Ada", "Bob"]),
    ],
)
def test_each_format_gives_the_same_faces(content: bytes, names: list[str] | None) -> None:
    found = read_encodings(content, names)
    assert [(one.row, one.name, one.problem) for one in found] == [(1, "Ada", ""), (2, "Bob", "")]
    for one, expected in zip(found, (face(1), face(2)), strict=True):
        assert one.embedding is not None
        assert one.embedding.dtype == np.float32
        assert np.allclose(one.embedding, expected, atol=1e-6)


def test_external_ids_are_read_where_they_are_given() -> None:
    (one,) = read_encodings(as_csv(f"s-1,Ada,{numbers(face())}", head="external_id,name"))
    assert (one.name, one.external_id) == ("Ada", "s-1")
    (one,) = read_encodings(json.dumps([{"external_id": "s-1", "encoding": face()}]).encode())
    assert (one.name, one.external_id) == ("", "s-1")


class Runs:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("the pickle was run",))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("what", [{"names": ["Ada"]}, [1, 2], Runs()], ids=["dict", "list", "program"])
def test_a_pickle_is_refused_with_the_way_out_and_never_run(protocol: int, what: object) -> None:
    with pytest.raises(EncodingsPickled) as error:
        read_encodings(pickle.dumps(what, protocol))
    assert "json.dump" in error.value.hint


def test_a_pickle_inside_of_an_array_is_refused_as_well() -> None:
    with pytest.raises(EncodingsPickled):
        read_encodings(npy(np.array([Runs()], object), allow_pickle=True), ["Ada"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (face()[:127], "127 numbers instead of 128"),
        (face() * 4, "512 numbers"),
        ([], "0 numbers"),
        ([float("nan"), *face()[1:]], "finite"),
        ([1e300, *face()[1:]], "finite"),
        (face(length=1.0), "normalised"),
        (face(length=0.2), "length is 0.2"),
        (face(length=14.0), "length is 14"),
        (["x"] * 128, "no list of numbers"),
        ([None] * 128, "no list of numbers"),
        ([True] * 128, "no list of numbers"),
        ([[1.0]] * 128, "no list of numbers"),
        (None, "no list of numbers"),
        ([10**400] * 128, "no list of numbers"),
    ],
)
def test_a_row_that_is_no_encoding_says_why_and_leaves_the_others(values: Any, words: str) -> None:
    content = json.dumps([{"name": "Bad", "encoding": values}, {"name": "Good", "encoding": face()}]).encode()
    bad, good = read_encodings(content)
    assert bad.embedding is None
    assert words in bad.problem
    assert good.embedding is not None


def test_a_row_without_a_person_or_with_too_many_cells_is_refused() -> None:
    nobody, long = read_encodings(as_csv(f",,{numbers(face())}", f"Ada,,{numbers(face())},1.0"))
    assert nobody.problem == "it names nobody"
    assert "129 numbers" in long.problem


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"", None),
        (b"{", None),
        (b"[" * 100_000, None),
        (b"[]", None),
        (b'{"names": ["Ada"], "encodings": []}', None),
        (b'{"Ada": 3}', None),
        (b"a,b\r\n1,2", None),
        (b"\xff\xfe\x00", None),
        (b"\x93NUMPY\x01\x00", ["Ada"]),
        (npy(np.zeros((3, 64))), ["a", "b", "c"]),
        (npy(np.zeros((3, 128), int)), ["a", "b", "c"]),
        (npy(np.zeros((3, 128))), ["a"]),
        (npy(np.zeros((3, 128))), None),
        (b'{"Ada": [[1]]}', ["Ada"]),
    ],
)
def test_a_file_that_holds_no_encodings_is_refused_as_a_whole(content: bytes, names: list[str] | None) -> None:
    with pytest.raises(EncodingsUnusable):
        read_encodings(content, names)


def test_a_quotation_that_never_ends_is_a_row_that_is_told_of() -> None:
    (row,) = read_encodings(b'name,e\r\n"Ada')
    assert "0 numbers" in row.problem
