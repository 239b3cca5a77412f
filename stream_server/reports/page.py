"""A report as a page to print: plain HTML with a style of its own, no script, nothing from elsewhere."""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape

from storage.database import Record
from storage.reports import Column, Kind

ROWS_MAX = 20_000
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
# Ids mean nothing on paper.
_HIDDEN = frozenset({"session_id", "person_id", "session_ends_at", "camera_id", "group_id"})

_STYLE = """
:root { color-scheme: light; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #111; }
h1 { font-size: 1.4rem; margin: 0; } p { margin: .2rem 0 1rem; color: #444; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #bbb; vertical-align: top; }
th { border-bottom: 2px solid #111; } td.count { text-align: right; font-variant-numeric: tabular-nums; }
thead { display: table-header-group; } tr { break-inside: avoid; }

@page { margin: 15mm; }
@media print { body { margin: 0; max-width: none; padding: 0; font-size: 10pt; } }
"""


def page_begin(site: str, title: str, about: str, columns: Sequence[Column]) -> str:
    """Everything before the first row."""
    head = "".join(f'<th scope="col">{escape(_heading(column))}</th>' for column in _shown(columns))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}: {escape(site)}</title>'
        f"<style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(site)}: {escape(title)}</h1><p>{escape(about)}</p>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n"
    )


def page_rows(columns: Sequence[Column], batch: Sequence[Record]) -> str:
    """Rows of the table."""
    shown = _shown(columns)
    return "".join(f"<tr>{''.join(_cell(column, row[column.name]) for column in shown)}</tr>\n" for row in batch)


def page_end(rows: int, made_at: datetime) -> str:
    """Everything after the last row. `made_at` is in the site's time."""
    return f"</tbody></table><p>{rows} rows, made on {made_at:%Y-%m-%d at %H:%M}.</p></body></html>\n"


def _shown(columns: Sequence[Column]) -> list[Column]:
    return [column for column in columns if column.name not in _HIDDEN]


def _heading(column: Column) -> str:
    name = column.name.removeprefix("session_").removesuffix("_at").replace("_", " ")
    return name[:1].upper() + name[1:]


def _cell(column: Column, value: object) -> str:
    if value is None:
        return "<td></td>"
    if column.kind is Kind.COUNT:
        return f'<td class="count">{value}</td>'
    if isinstance(value, datetime):
        return f"<td>{value:%H:%M}</td>"
    if isinstance(value, date):
        return f"<td>{value.isoformat()}</td>"
    return f"<td>{escape(str(value))}</td>"
