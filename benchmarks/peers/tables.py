"""Tables of the measured peers as Markdown. Pure: rows in, lines out."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

FMR = "0.001"


def short_table(rows: Sequence[Row]) -> list[str]:
    """What the README shows."""
    heading = "| | Time of a face | Beside Rollcall | Peak memory | Found, of 22 | True pairs accepted at FMR 0.1 % |"
    lines = [heading, "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        if row["error"]:
            lines.append(f"| {row['title']} | {_why(row)} | | | | |")
            continue
        cells = (
            _ms(_time(row, "four", "ms_per_face")),
            ratio_text(_beside(row, "time"), spread=False),
            megabytes(row.get("peak_mb")),
            _recall(row, "small", of=False),
            _portrait(row, "tar"),
        )
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    return lines


def speed_table(rows: Sequence[Row]) -> list[str]:
    """Time, memory, size and start."""
    lines = [
        "| | A face | Beside Rollcall | Processor | Beside Rollcall | Four faces | Small faces | Empty | Peak memory "
        "| Installed | First answer |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row["error"]:
            lines.append(f"| {row['title']} | {_why(row)} | | | | | | | | | |")
            continue
        cells = (
            _ms(_time(row, "four", "ms_per_face")),
            ratio_text(_beside(row, "time")),
            _ms(_time(row, "four", "cpu_ms_per_face")),
            ratio_text(_beside(row, "cpu")),
            *(_ms(_time(row, picture, "ms")) for picture in ("four", "small", "empty")),
            megabytes(row.get("peak_mb")),
            _installed(row),
            _seconds(row.get("first_answer_s")),
        )
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    return lines


def accuracy_table(rows: Sequence[Row]) -> list[str]:
    """What is found and told apart."""
    lines = [
        "| | Found, full size | Found, 640 px | Rank 1, photographs | Portraits found | Rank 1 | d' | TAR at FMR 1 % "
        "| TAR at FMR 0.1 % | Own limit: TAR / FMR | Scenes found | Strangers accepted |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row["error"] or not row.get("accuracy"):
            lines.append(f"| {row['title']} | {_why(row)} {'| ' * 10}|")
            continue
        told = row["accuracy"]
        portraits, scenes = told.get("portraits", {}), told.get("scenes", {})
        own = portraits.get("own_limit", {})
        cells = (
            _recall(row, "large"),
            _recall(row, "small"),
            _percent(told["photographs"].get("rank1")),
            f"{portraits['faces_found']} of {portraits['images']}" if portraits else "",
            _percent(portraits.get("rank1")),
            "" if portraits.get("d_prime") is None else f"{portraits['d_prime']:.2f}",
            _percent(portraits.get("tar_at_fmr", {}).get("0.01")),
            _percent(portraits.get("tar_at_fmr", {}).get(FMR)),
            f"{_percent(own['tar'])} / {_percent(own['fmr'])}" if own else "",
            _of(scenes),
            f"{scenes['strangers_accepted']} of {scenes['strangers']}" if "strangers" in scenes else "",
        )
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    return lines


def transport_table(rows: Sequence[Row]) -> list[str]:
    """What receiving a frame takes."""
    lines = [
        "| | Frames a second | Processor time | Beside Rollcall | At 15 fps | Beside Rollcall | Peak memory | Start |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row["error"]:
            lines.append(f"| {row['title']} | {_why(row)} | | | | | | |")
            continue
        flood, paced = row["transport"]["flood"], row["transport"]["paced"]
        cells = (
            f"{flood['fps']:,.0f}",
            _ms(flood["cpu_ms_per_frame"], 3),
            _times(flood["cpu_ratio"]),
            _ms(paced["cpu_ms_per_frame"], 3),
            _times(paced["cpu_ratio"]),
            megabytes(row.get("peak_mb")),
            _seconds(row.get("first_answer_s")),
        )
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    return lines


def _why(row: Row) -> str:
    return f"not measured: {row['error']}".replace("|", "/") if row["error"] else "not measured"


def _time(row: Row, picture: str, figure: str) -> float | None:
    value: float | None = (row.get("time") or {}).get(picture, {}).get(figure)
    return value


def _beside(row: Row, kind: str) -> Mapping[str, float] | None:
    ratio: Mapping[str, float] | None = (row.get("per_face_ratio") or {}).get(kind)
    return ratio


def _ms(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits if value < 100 else 0}f} ms"


def megabytes(value: float | None) -> str:
    """Memory or size."""
    return "" if value is None else f"{value:.0f} MB"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}" if value < 9.95 else f"{value:.0f}"


def ratio_text(ratio: Mapping[str, float] | None, *, spread: bool = True) -> str:
    """How many times as much, with the range of 90 % of the rounds."""
    if ratio is None:
        return ""
    middle = _times(ratio["median"])
    return f"{middle} ({_times(ratio['p5'])} to {_times(ratio['p95'])})" if spread and ratio["p5"] != 1 else middle


def _installed(row: Row) -> str:
    alone = row["installed"].get("recognition_alone_mb")
    return megabytes(row["installed"]["mb"]) + ("" if alone is None else f" ({alone:.0f})")


def _recall(row: Row, size: str, *, of: bool = True) -> str:
    told = (row.get("accuracy") or {}).get("photographs", {}).get(size)
    return "" if told is None else _of(told) if of else str(told["found"])


def _of(told: Mapping[str, int]) -> str:
    if not told:
        return ""
    extra = f" + {told['extra']} wrong" if told["extra"] else ""
    return f"{told['found']} of {told['faces']}{extra}"


def _portrait(row: Row, figure: str) -> str:
    if not row["recognises"]:
        return "does not compare"
    portraits = (row.get("accuracy") or {}).get("portraits", {})
    return _percent(portraits.get("tar_at_fmr", {}).get(FMR) if figure == "tar" else portraits.get(figure))


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value * 100:.3g} %"


def number_text(value: float) -> str:
    """A count as it is, a part with three digits."""
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def yes_or_no(met: bool) -> str:
    """As the page says it."""
    return "yes" if met else "**no**"
