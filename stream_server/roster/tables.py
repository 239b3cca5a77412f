"""Tables: the rows of a CSV file, whatever its encoding and separator, with bounded memory.

Values are text and nothing else. What a spreadsheet would take for a formula is kept as it is and never computed;
`cell_for_export` is how such a text leaves again.
"""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from recognition.errors import RequestError

LINE_BYTES_MAX = 64 * 1024
ROWS_MAX = 200_000
COLUMNS_MAX = 100

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_CHUNK = 256 * 1024


class TableUnreadable(RequestError):
    """A file that is no table."""

    code = "table_unreadable"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `number` is what an editor shows, the header being 1; `problem` is why it is unusable."""

    number: int
    cells: dict[str, str]
    problem: str = ""


@dataclass(slots=True)
class Table:
    """A table that is read as it is walked over, once. Columns have the names of `simple_name`."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[Row]
    warnings: list[str] = field(default_factory=list)


def simple_name(column: str) -> str:
    """A column's name in small letters, without blanks and signs: `Given Name`, `given_name`, `givenName` are one."""
    return "".join(letter for letter in column.lower() if letter.isalnum())


class Source(Protocol):
    """What a table is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes, or all."""

    def readline(self, size: int = -1, /) -> bytes:
        """A line, or the part of it that fits."""

    def seek(self, offset: int, /) -> int:
        """Go back."""


def read_csv(file: Source, name: str) -> Table:
    """The table in a file, which is read twice: for its encoding, and for its rows.

    Raises TableUnreadable with the row, also while the rows are walked over.
    """
    encoding, warnings = _encoding_of(file, name)
    file.seek(0)
    lines = _lines(file, encoding, name)
    first = next(lines, "")
    if not first.strip():
        raise TableUnreadable(f"{name} is empty", hint="the first line names the columns")
    separator = max(",;\t|", key=first.count)
    return table_of(_records(first, lines, separator, name), name, warnings)


def table_of(records: Iterator[tuple[int, list[str], str]], name: str, warnings: list[str]) -> Table:
    """A table of (row number, cells, problem), the first of which is the header. Raises TableUnreadable."""
    _, header, _ = next(records)
    columns = tuple(simple_name(column) for column in header)
    if len(columns) > COLUMNS_MAX:
        raise TableUnreadable(f"{name} has {len(columns)} columns; at most {COLUMNS_MAX} are taken")
    doubled = {column for column in columns if column and columns.count(column) > 1}
    if doubled:
        raise TableUnreadable(f"{name} has the column {sorted(doubled)[0]!r} twice", hint="name each column once")
    return Table(name, columns, _rows(records, columns, name), warnings)


def cell_for_export(text: str) -> str:
    """The text as a cell that no spreadsheet computes: what looks like a formula gets a leading apostrophe.

    After the OWASP advice on CSV injection.
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _rows(records: Iterator[tuple[int, list[str], str]], columns: tuple[str, ...], name: str) -> Iterator[Row]:
    for count, (number, cells, problem) in enumerate(records, 1):
        if count > ROWS_MAX:
            raise TableUnreadable(f"{name} has more than {ROWS_MAX:,} rows", hint="split it")
        if not any(cell.strip() for cell in cells) and not problem:
            continue
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            problem = problem or f"it has {len(cells)} cells, the header has {len(columns)}"
        pairs = zip(columns, cells, strict=False)
        yield Row(number, {column: _without_guard(cell.strip()) for column, cell in pairs if column}, problem)


def _without_guard(cell: str) -> str:
    # What `cell_for_export` has put there.
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell


def _records(first: str, lines: Iterator[str], separator: str, name: str) -> Iterator[tuple[int, list[str], str]]:
    def all_lines() -> Iterator[str]:
        yield first
        yield from lines

    reader = csv.reader(all_lines(), delimiter=separator, strict=True)
    number = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableUnreadable(
                f"row {number} of {name} cannot be read: {error}", hint="is a quotation mark left open there?"
            ) from error
        yield number, cells, ""
        number = reader.line_num + 1


def _lines(file: Source, encoding: str, name: str) -> Iterator[str]:
    if encoding == "utf-16":
        yield from _wide_lines(file, name)
        return
    number = 0
    while data := file.readline(LINE_BYTES_MAX):
        number += 1
        if len(data) >= LINE_BYTES_MAX:
            raise _too_long(number, name)
        # A mark at the beginning of the file is no letter of the first column's name.
        yield (data.removeprefix(codecs.BOM_UTF8) if number == 1 else data).decode(encoding)


def _wide_lines(file: Source, name: str) -> Iterator[str]:
    """Lines of UTF-16, which cannot be found by their bytes."""
    decoder = codecs.getincrementaldecoder("utf-16")()
    kept, number = "", 1
    while chunk := file.read(LINE_BYTES_MAX):
        *whole, kept = (kept + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield f"{line}\n"
            number += 1
        if len(kept) > LINE_BYTES_MAX:
            raise _too_long(number, name)
    if kept:
        yield kept


def _too_long(number: int, name: str) -> TableUnreadable:
    return TableUnreadable(
        f"row {number} of {name} has more than {LINE_BYTES_MAX:,} bytes", hint="is that a table?", code="line_too_long"
    )


def _encoding_of(file: Source, name: str) -> tuple[str, list[str]]:
    first = file.read(_CHUNK)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _check_decodes(first, file, "utf-16", name)
        return "utf-16", []
    if b"\0" in first:
        raise TableUnreadable(f"{name} is no text", hint="give a CSV file, an XLSX file or a OneRoster zip")
    try:
        _decode_all(first, file, "utf-8")
        return "utf-8", []
    except UnicodeDecodeError:
        pass
    file.seek(0)
    _check_decodes(file.read(_CHUNK), file, "cp1252", name)
    return "cp1252", [f"{name} is not UTF-8; it was read as Windows-1252: look whether letters such as é are right"]


def _check_decodes(first: bytes, file: Source, encoding: str, name: str) -> None:
    try:
        _decode_all(first, file, encoding)
    except UnicodeDecodeError as error:
        raise TableUnreadable(
            f"the encoding of {name} is unknown", hint="save it as UTF-8", code="encoding_unknown"
        ) from error


def _decode_all(first: bytes, file: Source, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    decoder.decode(first)
    while chunk := file.read(_CHUNK):
        decoder.decode(chunk)
    decoder.decode(b"", final=True)
