from datetime import UTC, date, datetime
from typing import Any

from storage.reports import COLUMNS, Layout
from stream_server.reports.page import page_begin, page_end, page_rows

COLUMNS_OF_RECORDS = COLUMNS[Layout.RECORDS]
NASTY = "<script>alert('x')</script>\"&"


def row(**changes: Any) -> Any:
    values: dict[str, Any] = {column.name: None for column in COLUMNS_OF_RECORDS}
    return values | changes


def test_whatever_somebody_has_typed_is_text() -> None:
    html = page_begin(NASTY, NASTY, NASTY, COLUMNS_OF_RECORDS)
    html += page_rows(COLUMNS_OF_RECORDS, [row(person_name=NASTY, note=NASTY, session_title=NASTY, external_id=NASTY)])
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;x&#x27;)") == 9


def test_a_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    html = (
        page_begin("Site", "attendance", "Today", COLUMNS_OF_RECORDS)
        + page_rows(COLUMNS_OF_RECORDS, [row(day=date(2026, 3, 2), first_seen_at=datetime(2026, 3, 2, 8, 5))])
        + page_end(1, datetime(2026, 3, 2, tzinfo=UTC))
    )
    assert html.startswith("<!doctype html>")
    assert "<td>2026-03-02</td>" in html
    assert "<td>08:05</td>" in html
    assert "src=" not in html
    assert "http" not in html.replace("<!doctype html>", "").replace("</html>", "").replace("<html", "")
    assert "@media print" in html


def test_ids_are_left_out_and_counts_are_to_the_right() -> None:
    html = page_begin("S", "a", "t", COLUMNS_OF_RECORDS)
    assert "Person id" not in html
    assert "Person name" in html
    columns = COLUMNS[Layout.PEOPLE]
    counted: Any = {column.name: 3 if column.kind == "count" else None for column in columns}
    assert page_rows(columns, [counted]).count('<td class="count">3</td>') == 5
