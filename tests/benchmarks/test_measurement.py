import pytest

from benchmarks.measurement import Measurement, median, percentile, rounded, slope


@pytest.mark.parametrize(("percent", "expected"), [(0, 10.0), (25, 17.5), (50, 25.0), (95, 38.5), (100, 40.0)])
def test_a_percentile_lies_between_the_values_around_its_place(percent: float, expected: float) -> None:
    assert percentile([40.0, 10.0, 30.0, 20.0], percent) == pytest.approx(expected)


def test_every_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 95) == 7.0
    assert median([7.0]) == 7.0


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_the_slope_of_a_line_is_found_and_a_flat_one_is_zero() -> None:
    assert slope([(0.0, 100.0), (1.0, 102.0), (2.0, 104.0)]) == pytest.approx(2.0)
    assert slope([(0.0, 100.0), (1.0, 101.0), (2.0, 100.0)]) == pytest.approx(0.0)


@pytest.mark.parametrize("points", [[], [(1.0, 5.0)], [(1.0, 5.0), (1.0, 6.0)]])
def test_a_slope_needs_two_places(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="two places"):
        slope(points)


@pytest.mark.parametrize(("value", "met"), [(34.9, True), (35.0, True), (35.1, False)])
def test_an_aim_is_met_up_to_and_with_its_value(value: float, met: bool) -> None:
    assert Measurement("total", value, "ms", aim=35.0).met is met


def test_without_an_aim_nothing_is_met_or_missed() -> None:
    assert Measurement("total", 1.0, "ms").met is None


def test_a_number_keeps_four_digits() -> None:
    assert rounded(1234.56) == 1235.0
    assert rounded(0.0123456) == 0.01235
