"""Rows as `measure` makes them, for the tests of what is written."""

from typing import Any

MACHINE = {
    "cpu": "A processor",
    "cores": 2,
    "python": "3.11.2",
    "date": "2030-01-02",
    "commit": "abc1234",
    "load_before": 0.5,
}


def row(name: str, *, ratio: float = 1.0, peak_mb: float = 120.0, **more: Any) -> dict[str, Any]:
    """A peer that recognises and was measured."""
    ms = 20.0 * ratio
    time = {"ms": ms, "cpu_ms": ms, "faces": 4, "ms_per_face": ms / 4, "cpu_ms_per_face": 0.9 * ms / 4, "ratio": None}
    nobody = {**time, "faces": 0, "ms_per_face": None, "cpu_ms_per_face": None}
    return {
        "name": name,
        "title": f"The {name}",
        "kind": "recognition",
        "ours": name.startswith("rollcall"),
        "how": "By default.",
        "error": None,
        "recognises": True,
        "installed": {"mb": 200.0, "models_mb": 6.0},
        "first_answer_s": 0.51,
        "facts": {"versions": {"numpy": "2.0"}},
        "peak_mb": peak_mb,
        "time": {
            "four": time,
            "small": time,
            "empty": nobody,
        },
        "per_face_ratio": {key: {"median": ratio, "p5": ratio, "p95": ratio + 1} for key in ("time", "cpu")},
        "accuracy": {
            "photographs": {
                "large": {"faces": 22, "found": 22, "extra": 0},
                "small": {"faces": 22, "found": 21, "extra": 2},
                "rank1": 1.0,
            }
        },
        "machine": MACHINE,
        "quick": False,
        **more,
    }


def receiver(name: str) -> dict[str, Any]:
    """A receiver that was measured."""
    passage = {"fps": 5432.1, "cpu_ms_per_frame": 0.1234, "cpu_ratio": 0.5}
    kept = {key: value for key, value in row(name).items() if key not in ("time", "accuracy", "per_face_ratio")}
    transport = {"flood": passage, "paced": passage, "frame_bytes": 60000}
    return {**kept, "kind": "transport", "recognises": False, "transport": transport}


def failed(name: str, why: str) -> dict[str, Any]:
    """A peer that could not be installed."""
    kept = {key: row(name)[key] for key in ("name", "title", "kind", "ours", "how", "recognises", "machine", "quick")}
    return {**kept, "error": why}
