"""The page about the image is the one that its figures make, and they keep to the limits."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.proof import report
from deploy.slim import RULES

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((BENCHMARKS / "image.json").read_text())
    return document


def test_the_page_is_made_from_the_figures(measured: dict[str, Any], tmp_path: Path) -> None:
    report.write(measured, tmp_path)
    assert (tmp_path / "IMAGE.md").read_text() == (BENCHMARKS / "IMAGE.md").read_text()
    assert (tmp_path / "image.json").read_text() == (BENCHMARKS / "image.json").read_text()


def test_the_image_keeps_to_its_aims(measured: dict[str, Any]) -> None:
    assert measured["size_bytes"] == sum(part["size_bytes"] for part in measured["parts"])
    assert measured["added_bytes"] < measured["size_bytes"] <= report.AIM_BYTES
    assert measured["build_s"] <= report.BUILD_AIM_S


def test_the_figures_are_of_the_rules_that_are(measured: dict[str, Any]) -> None:
    assert [row["why"] for row in measured["slimmed"]] == [rule.why for rule in RULES], "run `make image-proof`"
    assert all(row["files"] for row in measured["slimmed"]), "a rule finds nothing"


def test_nothing_in_it_tells_of_the_machine_more_than_its_kind(measured: dict[str, Any]) -> None:
    text = json.dumps(measured)
    assert str(Path.home()) not in text
    assert "/tmp/rollcall" not in text
