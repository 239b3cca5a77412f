import numpy as np
import pytest

from recognition.embedding import FaceInBothRoles
from recognition.errors import RequestError
from recognition.evaluation import (
    identification,
    pair_distances,
    read_pairs,
    verification,
)


def test_pairs_are_read_with_or_without_titles(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("file_a,file_b,same\na.jpg,b.jpg,1\n\na.jpg, c.jpg ,false\n")
    pairs = read_pairs(path)
    assert [(pair.path_b.name, pair.same) for pair in pairs] == [("b.jpg", True), ("c.jpg", False)]
    assert pairs[0].path_a == tmp_path / "a.jpg"


@pytest.mark.parametrize("text", ["", "a.jpg,b.jpg\n", "a.jpg,b.jpg,perhaps\n"])
def test_a_list_of_pairs_that_is_wrong_is_a_clear_error(tmp_path, text):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(RequestError):
        read_pairs(path)


def test_a_list_of_pairs_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(RequestError, match=r"none\.csv"):
        read_pairs(tmp_path / "none.csv")


def test_d_prime_is_the_distance_of_means_in_pooled_deviations():
    genuine, impostor = np.array([0.3, 0.5], np.float32), np.array([0.8, 1.0], np.float32)
    assert verification(genuine, impostor).d_prime == pytest.approx(5.0, rel=1e-4)


def test_the_true_accept_rate_is_taken_below_the_first_impostor_too_many():
    genuine = np.array([0.1, 0.2, 0.3, 0.9], np.float32)
    impostor = np.linspace(0.25, 1.0, 200, dtype=np.float32)
    figures = verification(genuine, impostor)
    assert figures.tar_at_fmr[0.001] == 0.5
    assert figures.tar_at_fmr[0.01] == 0.5
    assert verification(genuine, np.append(impostor, [0.15] * 2).astype(np.float32)).tar_at_fmr[0.01] == 0.5
    assert verification(genuine, np.append(impostor, 0.15).astype(np.float32)).tar_at_fmr[0.001] == 0.25


def test_without_pairs_there_are_no_figures_and_no_error():
    nothing = np.zeros(0, np.float32)
    figures = verification(nothing, nothing)
    assert figures.d_prime is None
    assert figures.tar_at_fmr == {0.01: None, 0.001: None}


@pytest.fixture
def face(embedding):
    """A face whose embeddings begin with a value; as a probe with another one if given."""

    def build(template, probe=None):
        return FaceInBothRoles(embedding(template), embedding(template if probe is None else probe))

    return build


def test_all_pairs_are_compared_once(face):
    genuine, impostor = pair_distances([face(0), face(1), face(3)], ["ada", "ada", "bea"])
    assert genuine.tolist() == [1]
    assert sorted(impostor.tolist()) == [2, 3]
    assert [len(part) for part in pair_distances([], [])] == [0, 0]


def test_of_a_pair_the_earlier_face_is_enrolled_and_the_later_one_searched_for(face):
    genuine, _ = pair_distances([face(0, 100), face(200, 1)], ["ada", "ada"])
    assert genuine.tolist() == [1]


def test_what_is_enrolled_is_a_template_and_what_is_searched_for_a_probe(face):
    faces = [face(0, 100), face(100, 0.2), face(2, 100), face(100, 2.1)]
    assert identification(faces, ["ada", "ada", "bea", "bea"], enrol=1).rank1 == 1.0


def test_identification_enrols_the_first_and_probes_with_the_others(face):
    persons = ["ada", "ada", "bea", "bea"]
    figures = identification([face(0), face(0.2), face(2), face(0.5)], persons, enrol=1)
    # Bea's second picture looks like Ada.
    assert figures.rank1 == 0.5
    # Without Bea, her second picture is 0.5 from Ada; without Ada, hers is 1.8 from Bea.
    assert figures.fnir_at_fpir == {0.01: 0.5}


def test_a_probe_without_a_face_counts_as_not_identified(face):
    figures = identification([face(0), face(0.1), face(2), None], ["ada", "ada", "bea", "bea"], enrol=1)
    assert figures.rank1 == 0.5


def test_a_person_whose_enrolment_failed_cannot_be_identified(face):
    figures = identification([None, face(0.1), face(2), face(2.1)], ["ada"] * 2 + ["bea"] * 2, enrol=1)
    assert figures.rank1 == 0.5


def test_without_probes_there_is_nothing_to_tell(face):
    figures = identification([face(0), face(1)], ["ada", "bea"], enrol=5)
    assert figures.rank1 is None
    assert figures.fnir_at_fpir == {0.01: None}
