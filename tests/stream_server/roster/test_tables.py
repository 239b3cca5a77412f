import io

import pytest

from recognition.errors import RequestError
from stream_server.roster.tables import LINE_BYTES_MAX, cell_for_export, read_csv


def rows(data: bytes) -> list[dict[str, str]]:
    return [row.cells for row in read_csv(io.BytesIO(data), "table").rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_read_in_every_usual_form(encoding: str, separator: str, end: str) -> None:
    text = end.join(separator.join(row) for row in (("External ID", "Name"), ("1", "Zoë"), ("2", '"Li, Wei"'))) + end
    read = rows(text.encode(encoding))
    assert read == [{"externalid": "1", "name": "Zoë"}, {"externalid": "2", "name": "Li, Wei"}]


def test_windows_text_is_read_with_a_warning() -> None:
    table = read_csv(io.BytesIO("id,name\n1,Zoë\n".encode("cp1252")), "table")
    assert [row.cells["name"] for row in table.rows] == ["Zoë"]
    assert "Windows-1252" in table.warnings[0]


def test_rows_have_the_numbers_that_an_editor_shows() -> None:
    table = read_csv(io.BytesIO(b'id,name\n1,"two\nlines"\n\n3,c\n'), "table")
    assert [(row.number, row.cells["id"]) for row in table.rows] == [(2, "1"), (5, "3")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "table_unreadable"),
        (b"\n\n", "table_unreadable"),
        (b"id,name\n\x00,x\n", "table_unreadable"),
        (b"id,name\n1,\x81\n", "encoding_unknown"),
        (b'id,name\n1,"never closed\n', "table_unreadable"),
        (b"id,id\n1,2\n", "table_unreadable"),
        (b"id,name\n1," + b"x" * 10_000_000 + b"\n", "line_too_long"),
        (("id,name\n1," + "x" * 10_000_000).encode("utf-16"), "line_too_long"),
        (b"id" + b",x" * 200 + b"\n", "table_unreadable"),
        (b'id,name\n1,"' + b"x\n" * 100_000, "table_unreadable"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(RequestError) as refused:
        rows(data)
    assert refused.value.code == code


def test_a_line_of_ten_megabytes_is_not_read_to_its_end() -> None:
    class Counting(io.BytesIO):
        longest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            data = super().readline(size)
            self.longest = max(self.longest, len(data))
            return data

    file = Counting(b"id,name\n1," + b"x" * 10_000_000)
    with pytest.raises(RequestError):
        list(read_csv(file, "table").rows)
    assert file.longest <= LINE_BYTES_MAX


def test_a_row_with_too_many_cells_is_marked() -> None:
    first, second = read_csv(io.BytesIO(b"id,name\n1,a,,\n2,b,c\n"), "table").rows
    assert first.problem == ""
    assert "3 cells" in second.problem


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_what_looks_like_a_formula_leaves_as_text_and_comes_back_as_it_was(text: str) -> None:
    cell = cell_for_export(text)
    assert cell == f"'{text}"
    assert rows(f'id,name\n1,"{cell}"\n'.encode())[0]["name"] == text


def test_an_ordinary_text_leaves_as_it_is() -> None:
    assert [cell_for_export(text) for text in ("Ada", "O'Hara", "'t Hooft")] == ["Ada", "O'Hara", "'t Hooft"]
