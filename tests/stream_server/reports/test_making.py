"""Reports made from a real database, and read back with the programs that people would use."""

import asyncio
import csv
import io
import json
import zipfile
from contextlib import aclosing
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from storage import attendance, people
from storage.database import Database
from storage.reports import COLUMNS, Layout, ReportFilter
from storage.visibility import EVERYTHING
from stream_server.reports import page, xlsx
from stream_server.reports.making import Format, ReportMaker, ReportTooLarge, TooManyReports
from stream_server.settings import SiteSettings
from stream_server.site import Site

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SITE = SiteSettings(name="Öschool <1>", time_zone="Europe/Berlin")
DAY = ReportFilter(date(2026, 3, 2), date(2026, 3, 2))
NAMES = ('=HYPERLINK("http://x")', "Ada", "https://x.example", "0123", "Zoë")
_SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
async def maker(database: Database) -> ReportMaker:
    async with database.acquire() as connection:
        for name in NAMES:
            person = await people.create(connection, name=name, at=NOON)
            await attendance.mark_manually(connection, EVERYTHING, person.person_id, NOON, ZoneInfo("Europe/Berlin"))
    return ReportMaker(database, Site(SITE, database), at_once=1, now=lambda: NOON)


async def made(maker: ReportMaker, format_: Format, layout: Layout = Layout.RECORDS, *, bom: bool = False) -> bytes:
    return b"".join([piece async for piece in maker.pieces(EVERYTHING, layout, DAY, format_, bom=bom)])


@pytest.mark.parametrize("layout", list(Layout))
async def test_csv_has_a_head_of_the_documented_columns(maker: ReportMaker, layout: Layout) -> None:
    rows = list(csv.reader(io.StringIO((await made(maker, Format.CSV, layout)).decode())))
    assert rows[0] == [column.name for column in COLUMNS[layout]]
    assert len(rows) == (2 if layout is Layout.SESSIONS else 6)


async def test_csv_for_excel_begins_with_its_mark(maker: ReportMaker) -> None:
    assert (await made(maker, Format.CSV, bom=True)).startswith(b"\xef\xbb\xbfday,")


@pytest.mark.parametrize("layout", list(Layout))
async def test_json_is_one_document(maker: ReportMaker, layout: Layout) -> None:
    document = json.loads(await made(maker, Format.JSON, layout))
    assert (document["from"], document["to"], document["time_zone"]) == ("2026-03-02", "2026-03-02", "Europe/Berlin")
    assert [list(row) for row in document["rows"]] == [[c.name for c in COLUMNS[layout]]] * len(document["rows"])


async def test_a_report_without_rows_is_still_whole(database: Database) -> None:
    maker = ReportMaker(database, Site(SITE, database), at_once=1, now=lambda: NOON)
    assert json.loads(await made(maker, Format.JSON))["rows"] == []
    assert (await made(maker, Format.CSV)).count(b"\r\n") == 1
    assert b"</html>" in await made(maker, Format.HTML)
    assert zipfile.is_zipfile(io.BytesIO(await made(maker, Format.XLSX)))


async def test_a_workbook_holds_text_as_text_and_times_as_times(maker: ReportMaker) -> None:
    with zipfile.ZipFile(io.BytesIO(await made(maker, Format.XLSX))) as book:
        assert book.testzip() is None
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
        names = set(book.namelist())
    cells = list(sheet.iter(f"{_SPREADSHEET}c"))
    texts = ["".join(cell.itertext()) for cell in cells]
    assert not list(sheet.iter(f"{_SPREADSHEET}f")), "no cell may hold a formula"
    assert not [name for name in names if "rels" in name and "sheet" in name], "no links"
    assert set(NAMES) <= set(texts)
    seen = texts[texts.index("Ada") + 3]
    assert float(seen) == pytest.approx(46083 + 13 / 24)  # 2 March 2026, 13:00 in Berlin, as Excel counts days


async def test_a_page_shows_the_site_and_the_day(maker: ReportMaker) -> None:
    html = (await made(maker, Format.HTML)).decode()
    assert "Öschool &lt;1&gt;" in html
    assert "On 2026-03-02; times are those of Europe/Berlin" in html
    assert html.count("<tr>") == 6
    assert "Made on 2026-03-02 at 13:00." in html
    assert "<p>5 rows.</p>" in html


@pytest.mark.parametrize(("format_", "module"), [(Format.HTML, page), (Format.XLSX, xlsx)])
async def test_what_a_format_cannot_hold_is_refused_before_the_first_byte(
    maker: ReportMaker, monkeypatch: pytest.MonkeyPatch, format_: Format, module: object
) -> None:
    monkeypatch.setattr(module, "ROWS_MAX", 4)
    with pytest.raises(ReportTooLarge, match="at most 4 rows"):
        await made(maker, format_)


async def test_a_place_is_given_back_when_a_reader_goes(maker: ReportMaker) -> None:
    pieces = maker.pieces(EVERYTHING, Layout.RECORDS, DAY, Format.CSV)
    await anext(pieces)
    with pytest.raises(TooManyReports):
        await made(maker, Format.CSV)
    await pieces.aclose()
    assert len(await made(maker, Format.CSV)) > 100


async def test_a_slow_reader_takes_no_connection_from_the_others(maker: ReportMaker, database: Database) -> None:
    async with aclosing(maker.pieces(EVERYTHING, Layout.RECORDS, DAY, Format.CSV)) as pieces:
        await anext(pieces)

        async def look() -> int:
            async with database.acquire() as connection:
                return int(await connection.fetchval("SELECT 1 FROM pg_sleep(0.1)"))

        async with asyncio.timeout(20):
            assert await asyncio.gather(*(look() for _ in range(4))) == [1] * 4


async def test_nothing_is_left_of_a_workbook(
    maker: ReportMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert len(await made(maker, Format.XLSX)) > 1000
    pieces = maker.pieces(EVERYTHING, Layout.RECORDS, DAY, Format.XLSX)
    await anext(pieces)
    assert list(tmp_path.iterdir())
    await pieces.aclose()
    assert not list(tmp_path.iterdir())
