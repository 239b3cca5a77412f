import pytest

from benchmarks.profile.run import in_turn, missed_for_s

HERE, THERE = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)


def test_off_and_on_take_turns_and_the_first_pass_does_not_count() -> None:
    order: list[str] = []

    def taking(name: str, ms: float) -> float:
        order.append(name)
        return ms * (100 if len(order) <= 2 else 1)

    compared = in_turn(lambda: taking("off", 10.0), lambda: taking("on", 4.0), 3)
    assert (compared.off_ms, compared.on_ms) == (10.0, 4.0)
    assert compared.ratio == pytest.approx(0.4)
    assert (len(order), order.count("on")) == (8, 4)
    assert order[2:4] != order[4:6]


def test_a_face_that_is_away_on_two_frames_in_a_row_was_missed_for_two_frames() -> None:
    wanted = [[HERE, THERE], [HERE, THERE], [HERE], [HERE, THERE]]
    found = [[HERE, THERE], [THERE], [], [HERE]]
    assert missed_for_s(wanted, found, 10.0) == (3, 0.2)
    assert missed_for_s(wanted, wanted, 10.0) == (0, 0.0)
