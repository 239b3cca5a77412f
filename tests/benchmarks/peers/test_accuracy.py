from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import accuracy
from benchmarks.peers.sets import Labelled

ANN, BEN = (0.0, 0.0, 40.0, 60.0), (100.0, 0.0, 140.0, 60.0)


def face(box: tuple[float, float, float, float], embedding: list[float] | None = None) -> dict[str, object]:
    return {"box": list(box), "embedding": embedding}


@pytest.mark.parametrize(
    ("box", "is_found"),
    [
        ((0, 10, 40, 50), True),  # from brow to chin
        ((-15, -20, 55, 75), True),  # the whole head
        ((0, 50, 40, 120), False),  # the chest
        ((15, 25, 25, 35), False),  # the nose
        ((-100, -100, 140, 160), False),  # the room
    ],
)
def test_a_box_counts_by_its_middle_and_its_size_and_not_by_how_it_is_drawn(
    box: tuple[float, float, float, float], is_found: bool
) -> None:
    assert accuracy.assigned([face(box)], [ANN]) == [0 if is_found else None]


def test_a_found_face_serves_one_known_face_and_the_nearest_one() -> None:
    near, farther = face((0, 0, 40, 60)), face((5, 5, 45, 65))
    assert accuracy.assigned([farther, near], [ANN, BEN]) == [1, None]
    overlapping = (10.0, 0.0, 50.0, 60.0)
    assert accuracy.assigned([near], [overlapping, ANN]) == [None, 0]


def test_recall_counts_what_is_found_and_what_is_no_face() -> None:
    picture = Labelled(Path("x.jpg"), ((ANN, "ann"), (BEN, "ben")))
    answers = [[face(ANN), face((300, 300, 340, 360))], []]
    counted = accuracy.recall(answers, [picture, picture])
    assert counted.as_dict() == {"faces": 4, "found": 1, "extra": 1}


def test_where_only_the_number_of_people_is_known_more_faces_than_people_are_extra() -> None:
    counted = accuracy.recall_by_count([[face(ANN)] * 5, [face(ANN)]], [4, 6])
    assert counted.as_dict() == {"faces": 10, "found": 5, "extra": 1}


def test_portraits_are_judged_as_rollcall_evaluate_does_and_a_missed_face_is_a_pair_not_accepted() -> None:
    vectors: list[list[float] | None] = [[0, 0], [0.1, 0], [1, 0], [1.1, 0], [5, 5], None]
    persons = ["ann", "ann", "ben", "ben", "cy", "cy"]
    told = accuracy.portrait_figures([accuracy.both_roles(vector) for vector in vectors], persons, distance_max=0.95)
    assert (told["images"], told["faces_found"], told["people"]) == (6, 5, 3)
    assert told["rank1"] == pytest.approx(2 / 3, abs=1e-3)
    assert told["tar_at_fmr"]["0.001"] == 1.0
    # Ann and Ben are found twice, Cy once: two of three genuine pairs. Ann's second and Ben's first are 0.9 apart.
    assert told["own_limit"] == {"genuine_pairs": 3, "tar": 0.6667, "impostor_pairs": 8, "fmr": 0.125}


def test_faces_of_small_photographs_are_searched_for_among_the_large_ones() -> None:
    large = [accuracy.both_roles([0, 0]), accuracy.both_roles([1, 0]), None]
    small = [accuracy.both_roles([0.1, 0]), None, accuracy.both_roles([0.2, 0])]
    told = accuracy.photograph_figures(large, small, ["ann", "ben", "cy"], distance_max=0.5)
    assert told["rank1"] == pytest.approx(1 / 3, abs=1e-3)
    assert told["own_limit"] == {"genuine_pairs": 3, "tar": 0.3333, "impostor_pairs": 6, "fmr": 0.1667}


def test_labelled_faces_are_in_the_order_of_the_labels_and_none_where_missed() -> None:
    picture = Labelled(Path("x.jpg"), ((ANN, "ann"), (BEN, "ben")))
    faces, persons = accuracy.labelled_faces([[face(BEN, [1.0, 2.0])]], [picture])
    assert persons == ["ann", "ben"]
    assert faces[0] is None
    assert faces[1] is not None
    assert np.array_equal(faces[1].template, np.array([1, 2], np.float32))


def test_strangers_within_the_limit_of_anybody_are_counted() -> None:
    enrolled = [accuracy.both_roles([0, 0]), None, accuracy.both_roles([10, 0])]
    strangers = [face(ANN, [0.4, 0]), face(ANN, [5, 0]), face(BEN, [9.8, 0]), face(BEN)]
    assert accuracy.strangers_accepted(strangers, enrolled, 0.5) == 2
    assert accuracy.strangers_accepted(strangers, [None], 0.5) == 0
