"""A report as an Excel workbook, in constant memory: rows go to a temporary file as they come.

XlsxWriter is imported when the first one is made (3 MB).
"""

import tempfile
from collections.abc import AsyncIterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from storage.database import Record
from storage.reports import Column, Kind

# Excel takes 1,048,576 with the head.
ROWS_MAX = 1_000_000
_WIDTHS = {Kind.ID: 38, Kind.TEXT: 28, Kind.WORD: 12, Kind.DAY: 12, Kind.TIME: 20, Kind.COUNT: 10}
_FORMATS = {Kind.DAY: "yyyy-mm-dd", Kind.TIME: "yyyy-mm-dd hh:mm:ss"}


class Workbook:
    """A workbook that is being written. `write` and `close` block, and are called one after the other."""

    def __init__(self, path: Path, columns: Sequence[Column], title: str) -> None:
        """Begin a file with a head that stays in view."""
        import xlsxwriter

        self._columns = columns
        options = {
            "constant_memory": True,
            "tmpdir": str(path.parent),
            # Whatever somebody has typed is text: no formula, no link, no number.
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        self._book = xlsxwriter.Workbook(str(path), options)
        self._sheet = self._book.add_worksheet(_sheet_name(title))
        self._formats = {kind: self._book.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
        bold = self._book.add_format({"bold": True})
        for number, column in enumerate(columns):
            self._sheet.set_column(number, number, _WIDTHS[column.kind])
            self._sheet.write_string(0, number, column.name, bold)
        self._sheet.freeze_panes(1, 0)
        self._row = 0

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the file."""
        self._sheet.autofilter(0, 0, self._row, len(self._columns) - 1)
        self._book.close()

    def write(self, batch: Sequence[Record]) -> None:
        """Add rows."""
        for row in batch:
            self._row += 1
            for number, column in enumerate(self._columns):
                self._write(number, column.kind, row[number])

    def _write(self, number: int, kind: Kind, value: Any) -> None:
        if value is None:
            return
        if kind is Kind.COUNT:
            self._sheet.write_number(self._row, number, value)
        elif kind in _FORMATS:
            self._sheet.write_datetime(self._row, number, value, self._formats[kind])
        else:
            self._sheet.write_string(self._row, number, str(value))


async def write_workbook(
    folder: Path, columns: Sequence[Column], title: str, batches: AsyncIterable[Sequence[Record]]
) -> Path:
    """Write rows to a new file in the folder and return its path."""
    import asyncio

    path = Path(tempfile.mkstemp(dir=folder, suffix=".xlsx")[1])
    book = await asyncio.to_thread(Workbook, path, columns, title)
    async for batch in batches:
        await asyncio.to_thread(book.write, batch)
    await asyncio.to_thread(book.__exit__, None, None, None)
    return path


def _sheet_name(title: str) -> str:
    # Excel forbids these, more than 31 letters, and apostrophes at the ends.
    return "".join(letter for letter in title if letter not in r"[]:*?/\ ".strip())[:31].strip("' ") or "Report"
