"""Which kind of roster a file is, and its rows. Runs in a thread: it reads a file from end to end."""

from pathlib import Path
from typing import IO

from storage.roster_rows import RosterBatch
from stream_server.roster.archives import Archive, ArchiveLimits, opened
from stream_server.roster.oneroster import MANIFEST, read_oneroster
from stream_server.roster.plain import read_plain
from stream_server.roster.tables import TableUnreadable, read_csv
from stream_server.roster.xlsx import read_xlsx

_ZIP = b"PK"
_WORKBOOK = "xl/workbook.xml"


def read_roster(path: Path) -> RosterBatch:
    """The rows of a CSV, XLSX or OneRoster file; what it is, its bytes say.

    Raises RequestError (`table_unreadable`, `archive_refused` and others), and refuses single rows in the batch.
    """
    with path.open("rb") as file:
        if not _is_zip(file):
            return read_plain(read_csv(file, "the table"))
        with opened(file, ArchiveLimits()) as archive:
            if _WORKBOOK in archive.names:
                with read_xlsx(path, "the workbook") as table:
                    return read_plain(table)
            return _oneroster(archive)


def _oneroster(archive: Archive) -> RosterBatch:
    if MANIFEST not in archive.names and not any(name.endswith(".csv") for name in archive.names):
        raise TableUnreadable(
            "the archive is neither a workbook nor a OneRoster export", hint="it needs a manifest.csv at its top"
        )
    return read_oneroster(archive)


def _is_zip(file: IO[bytes]) -> bool:
    start = file.read(2)
    file.seek(0)
    return start == _ZIP
