import cv2
import numpy as np
import pytest

from recognition.errors import ImageError, RequestError
from recognition.evaluation import (
    identification,
    list_pictures,
    pair_distances,
    read_pairs,
    read_picture,
    verification,
)


def test_pictures_are_listed_by_person_and_in_the_order_people_count(tmp_path):
    for name in ("bea/2.jpg", "bea/10.PGM", "bea/notes.txt", "ada/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "stray.jpg").touch()
    found = [(picture.person, picture.path.name) for picture in list_pictures(tmp_path)]
    assert found == [("ada", "x.png"), ("bea", "2.jpg"), ("bea", "10.PGM")]


def test_a_folder_without_pictures_is_a_clear_error(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RequestError) as caught:
            list_pictures(folder)
        assert caught.value.hint


@pytest.mark.parametrize("suffix", [".pgm", ".bmp", ".png", ".jpg"])
def test_pictures_of_all_kinds_are_read_in_three_channels(tmp_path, suffix):
    path = tmp_path / f"face{suffix}"
    cv2.imwrite(str(path), np.full((40, 30), 77, np.uint8))
    image_bgr = read_picture(path)
    assert image_bgr.shape == (40, 30, 3)
    assert abs(int(image_bgr[20, 15, 1]) - 77) < 3


@pytest.mark.parametrize(
    ("name", "content"), [("a.pgm", b"P5 nonsense"), ("b.pgm", b""), ("c.jpg", b"x"), ("d.jpg", None)]
)
def test_a_picture_that_cannot_be_read_is_a_clear_error(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError):
        read_picture(tmp_path / name)


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


def test_all_pairs_are_compared_once(embedding):
    embeddings = np.stack([embedding(x) for x in (0, 1, 3)])
    genuine, impostor = pair_distances(embeddings, ["ada", "ada", "bea"])
    assert genuine.tolist() == [1]
    assert sorted(impostor.tolist()) == [2, 3]
    assert [len(part) for part in pair_distances(embeddings[:0], [])] == [0, 0]


def test_identification_enrols_the_first_and_probes_with_the_others(embedding):
    persons = ["ada", "ada", "bea", "bea"]
    figures = identification([embedding(0), embedding(0.2), embedding(2), embedding(0.5)], persons, enrol=1)
    # Bea's second picture looks like Ada.
    assert figures.rank1 == 0.5
    # Without Bea, her second picture is 0.5 from Ada; without Ada, hers is 1.8 from Bea.
    assert figures.fnir_at_fpir == {0.01: 0.5}


def test_a_probe_without_a_face_counts_as_not_identified(embedding):
    figures = identification([embedding(0), embedding(0.1), embedding(2), None], ["ada", "ada", "bea", "bea"], enrol=1)
    assert figures.rank1 == 0.5


def test_a_person_whose_enrolment_failed_cannot_be_identified(embedding):
    figures = identification([None, embedding(0.1), embedding(2), embedding(2.1)], ["ada"] * 2 + ["bea"] * 2, enrol=1)
    assert figures.rank1 == 0.5


def test_without_probes_there_is_nothing_to_tell(embedding):
    figures = identification([embedding(0), embedding(1)], ["ada", "bea"], enrol=5)
    assert figures.rank1 is None
    assert figures.fnir_at_fpir == {0.01: None}
