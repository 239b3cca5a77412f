from benchmarks.browser.arrivals import delays


def test_a_name_is_counted_from_the_beginning_of_its_own_scene() -> None:
    shown = {"Ada": 1300.0, "Ben": 9400.0, "Somebody else": 2000.0}
    assert delays({"Ada": 1, "Ben": 2}, {1: 1000.0, 2: 9000.0}, shown) == {"Ada": 300.0, "Ben": 400.0}


def test_a_name_that_was_not_shown_or_not_painted_yet_is_missing() -> None:
    assert delays({"Ada": 1, "Ben": 1}, {1: 1000.0}, {"Ben": None}) == {}


def test_a_name_whose_scene_was_not_seen_has_no_delay() -> None:
    assert delays({"Ada": 1}, {}, {"Ada": 1300.0}) == {}
