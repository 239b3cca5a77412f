import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.measurement import Measurement

MACHINE = {"cpu": "A processor", "cores": 2, "python": "3.11.2", "date": "2030-01-02", "commit": "abc1234"}
ORDER = ("pipeline", "startup")


def results(*measurements: Measurement, benchmark: str = "pipeline", quick: bool = False) -> list[dict[str, Any]]:
    return report.results_of(measurements, benchmark=benchmark, machine=MACHINE, quick=quick)


TOTAL = Measurement("picture.opencv.total", 29.91, "ms", 35.0, {"p95": 31.22}, title="OpenCV DNN: total")
SLOW = Measurement("startup.embedded", 2.345, "s", 2.0, title="Start")
RATIO = Measurement("embedding.ratio", 2.192, "x")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.192, "x", "2.19 x"),
        (12.345, "x", "12.3 x"),
        (9.951, "ms", "10.0 ms"),
        (214.83, "MB", "215 MB"),
        (99.51, "MB", "100 MB"),
        (0.0, "MB/min", "0.00 MB/min"),
        (-0.5, "MB/min", "-0.50 MB/min"),
        (-0.001, "MB/min", "0.00 MB/min"),
        (0.0214, "cores", "0.021 cores"),
        (0.537, "cores", "0.54 cores"),
        (0.0, "files", "0 files"),
        (99.75, "%", "99.8 %"),
        (100.0, "%", "100 %"),
    ],
)
def test_a_value_is_written_with_about_three_digits_and_its_unit(value: float, unit: str, text: str) -> None:
    assert report.with_unit(value, unit) == text


def test_the_table_shows_the_aim_and_whether_it_is_met() -> None:
    assert report.table(results(TOTAL, SLOW, RATIO)) == [
        "| What | Measured | p95 | Aim | Met |",
        "|---|---:|---:|---:|---|",
        "| OpenCV DNN: total | 29.9 ms | 31.2 ms | ≤ 35 ms | yes |",
        "| Start | 2.35 s |  | ≤ 2 s | **no** |",
        "| embedding.ratio | 2.19 x |  |  |  |",
    ]


def test_what_is_written_can_be_read_again_and_names_the_machine(tmp_path: Path) -> None:
    written = results(TOTAL, RATIO)
    report.write(tmp_path / "out", written)
    assert report.read_results(tmp_path / "out" / "results.json") == written
    first = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))[0]
    assert (first["name"], first["value"], first["unit"]) == ("picture.opencv.total", 29.91, "ms")
    assert first["machine"] == MACHINE
    page = (tmp_path / "out" / "RESULTS.md").read_text("utf-8")
    assert "Machine: A processor, 2 cores, Python 3.11.2, 2030-01-02, commit abc1234." in page


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '[{"name": "x"}]'])
def test_a_file_that_holds_no_results_counts_as_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content, "utf-8")
    assert report.read_results(path) == []


def test_a_run_of_one_benchmark_replaces_its_results_and_keeps_the_others() -> None:
    old = [*results(TOTAL, RATIO), *results(SLOW, benchmark="startup"), *results(SLOW, benchmark="dropped")]
    new = results(RATIO, quick=True)
    merged = report.merged(old, new, ORDER)
    assert [(result["benchmark"], result["name"], result["quick"]) for result in merged] == [
        ("pipeline", "embedding.ratio", True),
        ("startup", "startup.embedded", False),
    ]


def test_the_page_says_what_comes_from_a_quick_run() -> None:
    assert "quick run" not in report.page(results(TOTAL))
    assert "From a quick run, which takes few samples: pipeline." in report.page(results(TOTAL, quick=True))


def test_the_headlines_replace_what_is_between_the_markers_of_the_readme() -> None:
    readme = "# Title\n\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\n\nThe end.\n"
    updated = report.with_headlines(readme, results(SLOW, RATIO, TOTAL))
    assert updated is not None
    assert updated.splitlines() == [
        "# Title",
        "",
        "<!-- benchmarks -->",
        "| What | Measured | Aim |",
        "|---|---:|---:|",
        "| OpenCV DNN: total | 29.9 ms | ≤ 35 ms |",
        "| Start | 2.35 s | ≤ 2 s |",
        "",
        "Measured on A processor, 2 cores, Python 3.11.2, 2030-01-02, commit abc1234.",
        "<!-- /benchmarks -->",
        "",
        "The end.",
    ]
    assert report.with_headlines(updated, results(SLOW, RATIO, TOTAL)) == updated


def test_parts_that_were_measured_at_several_commits_have_one_line_of_the_machine() -> None:
    first, second = results(SLOW, TOTAL)
    second = {**second, "machine": {**second["machine"], "date": "2030-01-03", "commit": "def5678"}}
    updated = report.with_headlines("<!-- benchmarks -->\n<!-- /benchmarks -->\n", [first, second])
    assert updated is not None
    assert [line for line in updated.splitlines() if line.startswith("Measured")] == [
        "Measured on A processor, 2 cores, Python 3.11.2, 2030-01-02 to 2030-01-03, commits def5678, abc1234."
    ]


@pytest.mark.parametrize("readme", ["# Title\n", "<!-- benchmarks -->\n", "<!-- /benchmarks -->\n<!-- benchmarks -->"])
def test_a_readme_without_both_markers_is_left_alone(readme: str) -> None:
    assert report.with_headlines(readme, results(TOTAL)) is None
