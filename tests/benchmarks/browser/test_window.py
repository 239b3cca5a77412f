import unittest

import pytest

from benchmarks.browser import measure, window
from tests.partners import chromium


def test_without_a_browser_the_part_is_left_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    pytest.importorskip("playwright.async_api", reason="the package playwright is not installed")
    monkeypatch.setattr(chromium, "path", lambda: None)
    with pytest.raises(unittest.SkipTest, match="Chromium is not installed"):
        window.requirements()
    assert measure.measure(tmp_path, quick=True, advance=lambda _: None) == []  # type: ignore[arg-type]
    assert "browser: left out: Chromium is not installed" in capsys.readouterr().err
