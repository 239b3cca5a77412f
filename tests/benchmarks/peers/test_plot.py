from xml.etree import ElementTree

from benchmarks.peers.plot import svg
from tests.benchmarks.peers.rows import failed, receiver, row


def test_the_plot_is_an_svg_with_a_bar_for_each_figure_of_those_that_recognise() -> None:
    rows = [
        row("rollcall"),
        row("human", ratio=10.0, title="A <& B"),
        row("opencv", recognises=False),
        receiver("websockets"),
        failed("face_recognition", "no registry"),
    ]
    drawn = ElementTree.fromstring(svg(rows))
    bars = [element for element in drawn.iter() if element.tag.endswith("rect")]
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert len(bars) == 6
    assert "A <& B" in texts
    assert "50.0 ms" in texts
    assert float(bars[1].attrib["width"]) > 9 * float(bars[0].attrib["width"])


def test_the_plot_can_be_read_in_the_dark_and_without_any_figure() -> None:
    assert "prefers-color-scheme:dark" in svg([row("rollcall")])
    assert ElementTree.fromstring(svg([])) is not None
