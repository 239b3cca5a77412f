"""Reports as they are made: which format, how many at a time, and piece by piece.

Each holds a database connection outside the pool for as long as its reader takes, so that a slow download takes none
from the cameras; therefore there are only so many, and each only for so long.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from recognition.errors import RequestError, UnavailableError
from storage import reports
from storage.database import Connection, Database
from storage.reports import COLUMNS, Layout, ReportFilter
from storage.visibility import Visible
from stream_server.reports import page, xlsx
from stream_server.site import Site

REPORT_MAX_S = 1800.0
_FILE_PIECE_BYTES = 64 * 1024


class Format(StrEnum):
    """How a report is written."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.HTML: "text/html; charset=utf-8",
}


class TooManyReports(UnavailableError):
    """As many reports are being made as are allowed."""

    code = "too_many_reports"


class ReportTooLarge(RequestError):
    """The format cannot hold so many rows."""

    code = "report_too_large"


class ReportMaker:
    """Makes reports, a few at a time."""

    def __init__(self, database: Database, site: Site, *, at_once: int, now: Callable[[], datetime]) -> None:
        self._database = database
        self._site = site
        self._places = asyncio.Semaphore(at_once)
        self._now = now

    def checked(self, wanted: ReportFilter) -> ReportFilter:
        """The filter, about today when it names nothing. Raises RequestError `period_invalid` or `day_invalid`."""
        today = self._now().astimezone(self._site.zone).date()
        return reports.checked_filter(wanted, today, self._site.zone)

    async def pieces(
        self, visible: Visible, layout: Layout, wanted: ReportFilter, format_: Format, *, bom: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """The file, piece by piece; closing the generator gives its place and connection back.

        Raises TooManyReports, ReportTooLarge, and StorageUnavailable, which alone may come after the first piece.
        """
        if self._places.locked():
            raise TooManyReports("other reports are being made", hint="try again in a while")
        async with (
            self._places,
            self._connection() as connection,
            aclosing(self._written(connection, visible, layout, wanted, format_, bom=bom)) as written,
        ):
            async for piece in written:
                yield piece

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with self._database.apart() as connection:
            # The server ends what outlives its reader, whatever happens here.
            await connection.execute(f"SET statement_timeout = {int(REPORT_MAX_S * 1000)}")
            await connection.execute(f"SET idle_in_transaction_session_timeout = {int(REPORT_MAX_S * 1000)}")
            yield connection

    def _written(
        self,
        connection: Connection,
        visible: Visible,
        layout: Layout,
        wanted: ReportFilter,
        format_: Format,
        *,
        bom: bool,
    ) -> AsyncGenerator[bytes, None]:
        match format_:
            case Format.CSV:
                return self._csv(connection, visible, layout, wanted, bom=bom)
            case Format.JSON:
                return self._json(connection, visible, layout, wanted)
            case Format.XLSX:
                return self._xlsx(connection, visible, layout, wanted)
            case Format.HTML:
                return self._html(connection, visible, layout, wanted)

    async def _csv(
        self, connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter, *, bom: bool
    ) -> AsyncGenerator[bytes, None]:
        head = ",".join(column.name for column in COLUMNS[layout]) + "\r\n"
        # Excel takes a file without the mark for one in the language's old encoding.
        begin = head.encode("utf-8-sig" if bom else "utf-8")
        async with aclosing(reports.csv_lines(connection, visible, layout, wanted, self._site.zone)) as lines:
            async for text in lines:
                yield begin + text.encode()
                begin = b""
        if begin:
            yield begin

    async def _json(
        self, connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter
    ) -> AsyncGenerator[bytes, None]:
        about = {
            "layout": layout.value,
            "from": None if wanted.first_day is None else wanted.first_day.isoformat(),
            "to": None if wanted.last_day is None else wanted.last_day.isoformat(),
            "time_zone": self._site.time_zone,
        }
        separator = json.dumps(about, ensure_ascii=False)[:-1] + ', "rows": [\n'
        async with aclosing(reports.json_rows(connection, visible, layout, wanted, self._site.zone)) as batches:
            async for batch in batches:
                yield (separator + ",\n".join(batch)).encode()
                separator = ",\n"
        yield (("" if separator == ",\n" else separator) + "\n]}\n").encode()

    async def _xlsx(
        self, connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter
    ) -> AsyncGenerator[bytes, None]:
        await self._check_size(connection, visible, layout, wanted, xlsx.ROWS_MAX, "an Excel sheet")
        with tempfile.TemporaryDirectory(prefix="rollcall-report-") as folder:
            async with aclosing(reports.rows(connection, visible, layout, wanted, self._site.zone)) as batches:
                path = await xlsx.write_workbook(Path(folder), COLUMNS[layout], f"attendance {layout}", batches)
            with path.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _FILE_PIECE_BYTES):
                    yield piece

    async def _html(
        self, connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter
    ) -> AsyncGenerator[bytes, None]:
        await self._check_size(connection, visible, layout, wanted, page.ROWS_MAX, "a page")
        sheet = page.ReportPage(self._site.name, layout, self._about(wanted), self._now().astimezone(self._site.zone))
        text = sheet.begin()
        async with aclosing(reports.rows(connection, visible, layout, wanted, self._site.zone)) as batches:
            async for batch in batches:
                yield (text + sheet.rows(batch)).encode()
                text = ""
        yield (text + sheet.end()).encode()

    async def _check_size(
        self, connection: Connection, visible: Visible, layout: Layout, wanted: ReportFilter, most: int, what: str
    ) -> None:
        found = await reports.count_up_to(connection, visible, layout, wanted, self._site.zone, most + 1)
        if found > most:
            raise ReportTooLarge(
                f"{what} holds at most {most:,} rows", hint="ask for a shorter period, or for CSV or JSON"
            )

    def _about(self, wanted: ReportFilter) -> str:
        if wanted.first_day is None and wanted.last_day is None:
            return f"Times are those of {self._site.time_zone}."
        first = "the beginning" if wanted.first_day is None else wanted.first_day.isoformat()
        last = "now" if wanted.last_day is None else wanted.last_day.isoformat()
        period = f"On {first}" if first == last else f"From {first} to {last}"
        return f"{period}; times are those of {self._site.time_zone}."
