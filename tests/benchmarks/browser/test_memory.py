import pytest

from benchmarks.browser.memory import Held, measurements


def points(*, heap_kb_a_minute: float = 0.0, process_mb: float | None = 40.0) -> list[Held]:
    """Ten minutes, one look a minute; the first half always rises."""
    made = []
    for minute in range(11):
        heap_kb = 2000 + 50 * min(minute, 5) + heap_kb_a_minute * max(0, minute - 5)
        made.append(Held(60.0 * minute, heap_kb, 270, 35, process_mb, 600 * minute))
    return made


def test_what_is_held_once_the_page_has_started_is_no_rise() -> None:
    by_name = {measured.name: measured for measured in measurements(points())}
    assert by_name["browser.page.heap_slope"].value == 0
    assert by_name["browser.page.heap_slope"].detail["frames"] == 6000
    assert by_name["browser.page.process"].value == 40.0
    assert by_name["browser.page.process_rise"].met


def test_a_leak_of_a_hundred_bytes_for_each_picture_misses_the_aim() -> None:
    leaking = measurements(points(heap_kb_a_minute=0.1 * 600))[0]
    assert leaking.value == pytest.approx(60)
    assert leaking.met is False
    assert "10 min" in leaking.title


def test_a_kernel_that_tells_nothing_of_processes_leaves_them_out() -> None:
    names = [measured.name for measured in measurements(points(process_mb=None))]
    assert names == ["browser.page.heap_slope", "browser.page.more_nodes"]
