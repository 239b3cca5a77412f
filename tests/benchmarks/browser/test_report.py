from pathlib import Path
from xml.etree import ElementTree

from benchmarks.browser import report
from benchmarks.browser.memory import Held, measurements
from benchmarks.report import results_of

MACHINE = {"cpu": "A processor", "cores": 2, "python": "3.11", "date": "2030-01-02", "commit": None}
POINTS = [Held(10.0 * at, 2000.0 + at, 270, 35, 40.0 + at, 100 * at) for at in range(61)]


def test_the_page_has_every_figure_the_first_and_the_last_point_and_a_plot(tmp_path: Path) -> None:
    report.write(tmp_path, results_of(measurements(POINTS), benchmark="browser", machine=MACHINE, quick=False))
    page = (tmp_path / "BROWSER.md").read_text()
    assert "rise of its heap over the second half of 10 min" in page
    assert "| 0.0 | 0 | 2000 | 270 | 35 | 40.0 |" in page
    assert "| 10.0 | 6000 | 2060 | 270 | 35 | 100.0 |" in page
    assert len(page.splitlines()) < 60, "ten minutes are no wall of figures"
    plot = ElementTree.parse(tmp_path / "browser.svg").getroot()
    assert len(plot.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_results_of_other_parts_leave_the_page_alone(tmp_path: Path) -> None:
    report.write(tmp_path, [{"benchmark": "memory", "detail": {}}])
    assert list(tmp_path.iterdir()) == []
