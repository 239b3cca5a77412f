from datetime import UTC, date, datetime
from typing import Any

import pytest

from storage.reports import COLUMNS, Layout
from stream_server.reports.page import ReportPage

NASTY = "<script>alert('x')</script>\"&"
MADE_AT = datetime(2026, 3, 6, 16, 5, tzinfo=UTC)


def row(layout: Layout = Layout.RECORDS, **changes: Any) -> Any:
    values: dict[str, Any] = {column.name: 3 if column.kind == "count" else None for column in COLUMNS[layout]}
    return values | changes


def page(*rows: Any, layout: Layout = Layout.RECORDS, site: str = "Site", period: str = "Today.") -> str:
    sheet = ReportPage(site, layout, period, MADE_AT)
    return sheet.begin() + sheet.rows(rows) + sheet.end()


def test_whatever_somebody_has_typed_is_text() -> None:
    html = page(row(person_name=NASTY, note=NASTY, session_title=NASTY, external_id=NASTY), site=NASTY, period=NASTY)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;x&#x27;)") == 9


@pytest.mark.parametrize("layout", list(Layout))
def test_a_page_is_whole_and_needs_nothing_from_elsewhere(layout: Layout) -> None:
    html = page(row(layout), layout=layout)
    assert html.startswith("<!doctype html>")
    assert html.endswith("</html>\n")
    for what in ("src=", "url(", "@import", "<link", "style=", "<script"):
        assert what not in html
    assert "http" not in html.replace("<!doctype html>", "").replace("</html>", "").replace("<html", "")


def test_days_and_times_are_short_and_who_was_absent_stands_out() -> None:
    html = page(row(day=date(2026, 3, 2), first_seen_at=datetime(2026, 3, 2, 8, 5), status="absent"))
    assert '<td class="whole">2026-03-02</td>' in html
    assert '<td class="whole">08:05</td>' in html
    assert '<td class="whole absent">absent</td>' in html


@pytest.mark.parametrize("layout", list(Layout))
def test_every_sheet_of_paper_says_what_it_is_of_what_time_and_when_it_was_made(layout: Layout) -> None:
    html = page(row(layout), layout=layout, site="Ada School", period="From Monday to Friday.")
    heads = html.split("<thead>")[1].split("</thead>")[0]
    assert "Ada School: Attendance" in heads
    assert "From Monday to Friday. Made on 2026-03-06 at 16:05." in heads
    columns = heads.split("</tr>")[1].count("<th ")
    assert f'colspan="{columns}"' in heads
    assert html.split("<tbody>")[1].split("</tr>")[0].count("<td") == columns


def test_ids_are_left_out_and_counts_are_to_the_right() -> None:
    html = page(row())
    assert "Person id" not in html
    assert ">Name</th>" in html
    assert page(row(Layout.PEOPLE), layout=Layout.PEOPLE).count('<td class="count">3</td>') == 5
    assert '<td class="count">12,345</td>' in page(row(Layout.PEOPLE, records=12345), layout=Layout.PEOPLE)


def test_the_end_counts_the_rows_and_leaves_room_for_a_signature() -> None:
    assert "<p>1 row.</p>" in page(row())
    assert "<p>1,200 rows.</p>" in page(*[row()] * 1200)
    assert "Name and signature" in page()
