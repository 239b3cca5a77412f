"""The page that gives the reasons for the defaults names the defaults that are in the code."""

import re
from pathlib import Path

import pytest

from recognition.decision import DecisionPolicy
from recognition.detection import DetectionSettings
from recognition.pipeline import PipelineSettings
from recognition.quality import QualityLimits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "why" / "recognition.md"
ROWS = re.findall(r"^\| `(\w+)\.(\w+)` \| ([\d.]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
CLASSES = {kind.__name__: kind for kind in (DecisionPolicy, DetectionSettings, PipelineSettings, QualityLimits)}


def test_the_page_has_a_table_of_defaults():
    assert len(ROWS) >= 10


@pytest.mark.parametrize(("kind", "name", "value"), ROWS)
def test_a_default_in_the_page_is_the_one_in_the_code(kind, name, value):
    assert str(getattr(CLASSES[kind](), name)) == value
