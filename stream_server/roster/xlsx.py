"""The first sheet of an XLSX file, read in a process of its own: what a hostile one costs, it costs there.

`python -m stream_server.roster.xlsx FILE` writes one JSON document a row: number, cells, problem. Formulas are not
computed, and their rows are marked.
"""

import json
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from stream_server.roster.tables import COLUMNS_MAX, ROWS_MAX, Table, TableUnreadable, table_of

MEMORY_MAX_BYTES = 1024 * 2**20
CPU_MAX_S = 120
_CELL_MAX = 10_000


@contextmanager
def read_xlsx(path: Path, name: str) -> Iterator[Table]:
    """The table in a file that was looked through before (`archives.opened`). Raises TableUnreadable."""
    command = [sys.executable, "-m", "stream_server.roster.xlsx", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
        assert reader.stdout is not None
        try:
            documents = (json.loads(line) for line in reader.stdout)
            rows = ((int(number), list(map(str, cells)), str(problem)) for number, cells, problem in documents)
            first = next(rows, None)
            if first is None:
                raise TableUnreadable(f"{name} cannot be read", hint="is it a workbook whose first sheet has a header?")
            yield table_of(_all(first, rows, reader, name), name, [])
        finally:
            reader.kill()


def _all(
    first: tuple[int, list[str], str],
    rows: Iterator[tuple[int, list[str], str]],
    reader: "subprocess.Popen[bytes]",
    name: str,
) -> Iterator[tuple[int, list[str], str]]:
    yield first
    yield from rows
    if reader.wait() != 0:
        raise TableUnreadable(f"{name} is damaged, or too large to be read", hint="save it as CSV")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # numbers of students are numbers to a spreadsheet
    return str(value)[:_CELL_MAX]


def _write_rows(path: str) -> None:
    from openpyxl import load_workbook

    # By its bytes: a name without `.xlsx` would be refused.
    with warnings.catch_warnings(), Path(path).open("rb") as file:
        warnings.simplefilter("ignore")
        workbook = load_workbook(file, read_only=True, data_only=False, keep_links=False)
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its size may be anything
        for number, row in enumerate(sheet.iter_rows(max_row=ROWS_MAX + 2, max_col=COLUMNS_MAX + 1), 1):
            formula = any(cell.data_type == "f" for cell in row)
            problem = "it holds a formula; formulas are not computed" if formula else ""
            cells = [_cell(cell.value) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            sys.stdout.write(json.dumps([number, cells, problem]) + "\n")


def main() -> None:
    """Entry point of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_MAX_S, CPU_MAX_S))
    _write_rows(sys.argv[1])


if __name__ == "__main__":
    main()
