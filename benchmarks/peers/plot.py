"""The peers as a picture: bars as SVG by hand, readable on light and dark ground, without a library."""

from collections.abc import Sequence
from html import escape
from typing import Any

Row = dict[str, Any]

_INSTALLED = "Installed, beyond Python and Node (Rollcall: the whole server)"
_WIDTH, _LEFT, _RIGHT = 760, 250, 110
_BAR, _GAP, _HEAD, _FOOT = 16, 8, 44, 12
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.head{font-weight:600}.ours{fill:#1a7f5a}.peer{fill:#8c959f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#3fb98a}.peer{fill:#6e7681}}"
)


def svg(rows: Sequence[Row]) -> str:
    """Time of a face, peak memory and installed size of everybody that recognises and was measured."""
    shown = [row for row in rows if row["recognises"] and not row["error"]]
    panels = [
        ("Time of a face, four in a picture of 640x480", "ms", [_figure(row, "time") for row in shown], 1),
        ("Peak memory of the process", "MB", [_figure(row, "memory") for row in shown], 0),
        (_INSTALLED, "MB", [_figure(row, "installed") for row in shown], 0),
    ]
    parts: list[str] = []
    y = 0
    for title, unit, values, digits in panels:
        parts.append(f'<text class="head" x="0" y="{y + 26}">{escape(title)}</text>')
        y += _HEAD
        longest = max((value for value in values if value is not None), default=1.0) or 1.0
        for row, value in zip(shown, values, strict=True):
            if value is not None:
                parts += _bar(row, value, value / longest, f"{value:.{digits}f} {unit}", y)
                y += _BAR + _GAP
        y += _FOOT
    names = ", ".join(row["title"] for row in shown)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}" role="img" '
        f'aria-label="{escape(f"Time of a face, memory and size of {names}")}"><style>{_STYLE}</style>'
        + "".join(parts)
        + "</svg>\n"
    )


def _bar(row: Row, value: float, part: float, label: str, y: int) -> list[str]:
    width = max(2.0, part * (_WIDTH - _LEFT - _RIGHT))
    kind = "ours" if row["ours"] else "peer"
    return [
        f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(row["title"])}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
        f'<text x="{_LEFT + width + 6:.1f}" y="{y + 13}">{escape(label)}</text>',
    ]


def _figure(row: Row, name: str) -> float | None:
    value: float | None
    if name == "time":
        value = (row.get("time") or {}).get("four", {}).get("ms_per_face")
    elif name == "memory":
        value = row.get("peak_mb")
    else:
        value = row["installed"]["mb"]
    return value
