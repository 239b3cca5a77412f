"""The minutes of a camera page as a page for people: a table, and a plot as SVG by hand."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.report import Result, machine_line, table

PAGE_FILE, PLOT_FILE = "BROWSER.md", "browser.svg"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 200, 60, 20, 40, 34
_ROWS_MAX = 24
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.head{font-weight:600}.axis{stroke:#8c959f}"
    ".line{fill:none;stroke:#1a7f5a;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.line{stroke:#3fb98a}}"
)
Point = Mapping[str, Any]


def write(folder: Path, results: Sequence[Result]) -> None:
    """Write the page and its plot into the folder, when the part `browser` is among the results."""
    ours = [result for result in results if result["benchmark"] == "browser"]
    points = [point for result in ours for point in result["detail"].get("points", ())]
    if not points:
        return
    (folder / PAGE_FILE).write_text(page(ours, points), "utf-8")
    (folder / PLOT_FILE).write_text(svg(points), "utf-8")


def page(ours: Sequence[Result], points: Sequence[Point]) -> str:
    """`BROWSER.md`."""
    step = max(1, -(-len(points) // _ROWS_MAX))
    shown = [*points[::step], *([points[-1]] if (len(points) - 1) % step else [])]
    lines = [
        "# In the browser",
        "",
        "Written by `python -m benchmarks --only browser`;",
        "[what is measured](../docs/how-to/benchmark.md#what-is-measured).",
        "",
        *table(ours),
        "",
        "## A camera page that streams",
        "",
        f"![Heap and process of the camera page]({PLOT_FILE})",
        "",
        "Heap, nodes and listeners after a forced collection; process: what the kernel says that the page's process",
        "alone holds. The browser has no graphics processor here.",
        "",
        "| Minutes | Pictures sent | Heap, kB | Nodes | Listeners | Process, MB |",
        "|---:|---:|---:|---:|---:|---:|",
        *(_row(point) for point in shown),
        "",
        *dict.fromkeys(f"Machine: {machine_line(result['machine'])}." for result in ours),
    ]
    return "\n".join(lines) + "\n"


def _row(point: Point) -> str:
    process = "" if point["process_mb"] is None else f"{point['process_mb']:.1f}"
    return (
        f"| {point['at_s'] / 60:.1f} | {point['sent']} | {point['heap_kb']:.0f} | {point['nodes']} | "
        f"{point['listeners']} | {process} |"
    )


def svg(points: Sequence[Point]) -> str:
    """Heap and process over time, each from nothing."""
    panels = [("Heap after a collection", "kB", "heap_kb"), ("Memory of the page's process", "MB", "process_mb")]
    height = len(panels) * (_TOP + _HEIGHT + _BOTTOM)
    parts = []
    for number, (title, unit, key) in enumerate(panels):
        known = [(point["at_s"] / 60, point[key]) for point in points if point[key] is not None]
        parts += _panel(f"{title}, {unit}", known, number * (_TOP + _HEIGHT + _BOTTOM))
    label = escape("Heap and process memory of the camera page over time")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{label}"><style>{_STYLE}</style>' + "".join(parts) + "</svg>\n"
    )


def _panel(title: str, known: Sequence[tuple[float, float]], y: int) -> list[str]:
    floor, across = y + _TOP + _HEIGHT, _WIDTH - _LEFT - _RIGHT
    most = max((value for _, value in known), default=1.0) * 1.1 or 1.0
    last = max((minute for minute, _ in known), default=1.0) or 1.0
    line = " ".join(
        f"{_LEFT + across * minute / last:.1f},{floor - _HEIGHT * value / most:.1f}" for minute, value in known
    )
    return [
        f'<text class="head" x="0" y="{y + 26}">{escape(title)}</text>',
        f'<path class="axis" d="M{_LEFT} {y + _TOP}V{floor}H{_WIDTH - _RIGHT}" fill="none"/>',
        f'<text x="{_LEFT - 8}" y="{floor + 4}" text-anchor="end">0</text>',
        f'<text x="{_LEFT - 8}" y="{y + _TOP + 10}" text-anchor="end">{most:.3g}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{floor + 20}" text-anchor="end">{last:.3g} min</text>',
        f'<polyline class="line" points="{line}"/>',
    ]
