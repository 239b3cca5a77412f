"""A report as a page to print: plain HTML with a style of its own, no script, nothing from elsewhere.

On paper every sheet begins with what the report is and the heads of its columns, and ends with its number; on a screen
the page is light or dark as its reader has it, and a table that is too wide is scrolled by itself.
"""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape

from storage.database import Record
from storage.reports import COLUMNS, Column, Kind, Layout

ROWS_MAX = 20_000
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
# Ids mean nothing on paper.
_HIDDEN = frozenset({"session_id", "person_id", "session_ends_at", "camera_id", "group_id"})
_TITLES = {
    Layout.RECORDS: "Attendance",
    Layout.PEOPLE: "Attendance by person",
    Layout.SESSIONS: "Attendance by session",
}
_HEADINGS = {
    "session_title": "Session",
    "session_starts_at": "Begins",
    "external_id": "Number",
    "person_name": "Name",
    "method": "By",
    "group_name": "Group",
}
# Words and times stay in one piece; what people have typed may break.
_CLASSES = {Kind.COUNT: "count", Kind.DAY: "whole", Kind.TIME: "whole", Kind.WORD: "whole"}

_STYLE = """
:root { --ink: #111; --soft: #444; --line: #bbb; --paper: #fff; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 88rem; padding: 1.5rem 1rem 3rem; color: var(--ink); background: var(--paper); }
header { margin-bottom: 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .25rem; } p { margin: 0; color: var(--soft); }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { border-bottom: 2px solid var(--ink); vertical-align: bottom; }
th:last-child, td:last-child { padding-right: 0; }
td { overflow-wrap: anywhere; }
td:not(.whole, .count, .number) { min-width: 8.5rem; max-width: 24rem; }
td.whole { white-space: nowrap; } .count { text-align: right; font-variant-numeric: tabular-nums; }
.number { min-width: 4.5rem; max-width: 10rem; } .absent { font-weight: 700; }
.sheet, .signature { display: none; }
footer { margin-top: 1rem; }
@media screen {
  :root { color-scheme: light dark; }
  tbody tr:hover { background: color-mix(in srgb, var(--ink) 7%, transparent); }
}
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #eee; --soft: #bbb; --line: #555; --paper: #161616; }
}
@page {
  margin: 12mm 12mm 16mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt system-ui, sans-serif; }
}
@media print {
  :root { font-size: 9pt; }
  body { margin: 0; max-width: none; padding: 0; }
  header { display: none; }
  .table { overflow: visible; }
  thead { display: table-header-group; } tr { break-inside: avoid; }
  .sheet { display: table-row; }
  .sheet th { border: 0; padding: 0 0 3mm; font-weight: 400; }
  .sheet strong { display: block; font-size: 13pt; }
  th, td { padding: .8mm 2mm .8mm 0; }
  td:not(.whole, .count, .number) { min-width: 17mm; }
  footer { break-inside: avoid; }
  .signature { display: flex; gap: 10mm; margin-top: 16mm; }
  .signature span { flex: 1; border-top: 1px solid var(--ink); padding-top: 1mm; }
  .signature span:last-child { flex: 0 0 45mm; }
}
"""


class ReportPage:
    """The page of one report, written piece by piece: `begin`, `rows` as often as there are any, `end`."""

    def __init__(self, site: str, layout: Layout, period: str, made_at: datetime) -> None:
        """`period` says in words which days it is about; `made_at` is in the site's time."""
        self._site = site
        self._columns = [column for column in COLUMNS[layout] if column.name not in _HIDDEN]
        self._title = _TITLES[layout]
        self._about = f"{period} Made on {made_at:%Y-%m-%d at %H:%M}."
        self._rows = 0

    def begin(self) -> str:
        """Everything before the first row."""
        site, title, about = escape(self._site), escape(self._title), escape(self._about)
        head = "".join(f'<th scope="col"{_class(column)}>{escape(_heading(column))}</th>' for column in self._columns)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width"><title>{title}: {site}</title>'
            f"<style>{_STYLE}</style></head>\n"
            f"<body><header><h1>{site}: {title}</h1><p>{about}</p></header>\n"
            f'<div class="table" role="region" aria-label="{title}" tabindex="0"><table><thead>\n'
            f'<tr class="sheet"><th colspan="{len(self._columns)}"><strong>{site}: {title}</strong>{about}</th></tr>\n'
            f"<tr>{head}</tr></thead><tbody>\n"
        )

    def rows(self, batch: Sequence[Record]) -> str:
        """Rows of the table."""
        self._rows += len(batch)
        return "".join(
            f"<tr>{''.join(_cell(column, row[column.name]) for column in self._columns)}</tr>\n" for row in batch
        )

    def end(self) -> str:
        """Everything after the last row."""
        count = "1 row" if self._rows == 1 else f"{self._rows:,} rows"
        return (
            f"</tbody></table></div>\n<footer><p>{count}.</p>"
            f'<p class="signature"><span>Name and signature</span><span>Date</span></p></footer></body></html>\n'
        )


def _heading(column: Column) -> str:
    if column.name in _HEADINGS:
        return _HEADINGS[column.name]
    name = column.name.removesuffix("_at").replace("_", " ")
    return name[:1].upper() + name[1:]


def _class(column: Column) -> str:
    kind = "number" if column.name == "external_id" else _CLASSES.get(column.kind)
    return "" if kind is None else f' class="{kind}"'


def _cell(column: Column, value: object) -> str:
    if value is None:
        return f"<td{_class(column)}></td>"
    if isinstance(value, datetime):
        text = f"{value:%H:%M}"
    elif isinstance(value, date):
        text = value.isoformat()
    elif column.kind is Kind.COUNT:
        text = f"{value:,}"
    else:
        text = escape(str(value))
    if column.name == "status" and text == "absent":
        return f'<td class="whole absent">{text}</td>'
    return f"<td{_class(column)}>{text}</td>"
