import numpy as np
import pytest

from recognition.errors import InternalError
from recognition.gallery import Gallery
from recognition.types import Template


@pytest.fixture
def gallery(embedding):
    return Gallery(
        [
            Template("b1", "bea", "m", embedding(1, 0)),
            Template("a1", "ada", "m", embedding(0, 0)),
            Template("b2", "bea", "m", embedding(0.5, 0)),
            Template("c1", "cem", "m", embedding(0, 3)),
        ],
        model_id="m",
    )


def test_the_nearest_person_and_the_nearest_other_person_are_found(gallery, embedding):
    match = gallery.search(embedding(0.6, 0))
    assert (match.person_id, match.template_id) == ("bea", "b2")
    assert match.distance == pytest.approx(0.1, abs=1e-5)
    assert match.runner_up_person_id == "ada"
    assert match.runner_up_distance == pytest.approx(0.6, abs=1e-5)


def test_a_template_finds_itself_at_distance_zero(gallery, embedding):
    assert gallery.search(embedding(0, 3)).distance == pytest.approx(0, abs=1e-3)


def test_one_person_alone_has_no_runner_up(embedding):
    match = Gallery([Template("t", "ada", "m", embedding(1))], model_id="m").search(embedding(0))
    assert match.person_id == "ada"
    assert match.runner_up_person_id is None
    assert match.runner_up_distance is None


def test_an_empty_gallery_matches_nobody(embedding):
    gallery = Gallery([], model_id="m")
    assert len(gallery) == 0
    assert gallery.search(embedding(1)) is None
    assert gallery.search_all(np.zeros((3, 128), np.float32)) == [None] * 3


def test_searching_for_no_faces_gives_no_matches(gallery):
    assert gallery.search_all(np.zeros((0, 128), np.float32)) == []


def test_templates_of_another_model_are_refused(embedding):
    with pytest.raises(InternalError) as caught:
        Gallery([Template("t", "ada", "old", embedding(1))], model_id="new")
    assert caught.value.code == "model_mismatch"


def test_it_knows_its_people(gallery):
    assert len(gallery) == 3
    assert "bea" in gallery
    assert "dan" not in gallery


def test_the_generation_tells_contents_apart_and_not_their_order(embedding):
    templates = [Template("a", "ada", "m", embedding(1)), Template("b", "bea", "m", embedding(2))]
    one = Gallery(templates, model_id="m")
    assert one.generation == Gallery(templates[::-1], model_id="m").generation
    assert one.generation != Gallery(templates[:1], model_id="m").generation
    moved = [templates[0], Template("b", "bea", "m", embedding(3))]
    assert one.generation != Gallery(moved, model_id="m").generation
    renamed = [templates[0], Template("b", "cem", "m", embedding(2))]
    assert one.generation != Gallery(renamed, model_id="m").generation


def test_ten_thousand_people_are_searched_like_one_by_one():
    random = np.random.default_rng(1)
    embeddings = random.normal(0, 0.1, (10_000, 128)).astype(np.float32)
    gallery = Gallery(
        [Template(f"t{i}", f"p{i % 9_000:05}", "m", row) for i, row in enumerate(embeddings)], model_id="m"
    )
    probes = random.normal(0, 0.1, (3, 128)).astype(np.float32)
    for probe, match in zip(probes, gallery.search_all(probes), strict=True):
        distances = np.linalg.norm(embeddings - probe, axis=1)
        assert match.template_id == f"t{distances.argmin()}"
        assert match.distance == pytest.approx(distances.min(), abs=1e-4)
        others = np.array([i % 9_000 != distances.argmin() % 9_000 for i in range(10_000)])
        assert match.runner_up_distance == pytest.approx(distances[others].min(), abs=1e-4)


def test_a_face_to_be_ignored_is_nobody_and_no_runner_up_by_name(embedding):
    ada = Template("a1", "ada", "m", embedding(0, 0))
    stranger = Template("s1", "ignored:7", "m", embedding(1, 0))
    gallery = Gallery([ada], model_id="m", ignored=[stranger])
    assert (len(gallery), "ada" in gallery, "ignored:7" in gallery) == (1, True, False)
    nearest_to_stranger = gallery.search(embedding(0.9, 0))
    assert nearest_to_stranger.ignored
    assert (nearest_to_stranger.runner_up_person_id, nearest_to_stranger.distance) == (
        "ada",
        pytest.approx(0.1, abs=1e-3),
    )
    nearest_to_ada = gallery.search(embedding(0.4, 0))
    assert (nearest_to_ada.person_id, nearest_to_ada.ignored) == ("ada", False)
    assert nearest_to_ada.runner_up_person_id is None
    assert nearest_to_ada.runner_up_distance == pytest.approx(0.6, abs=1e-3)
    alone = Gallery([], model_id="m", ignored=[stranger])
    assert (len(alone), alone.search(embedding(1, 0)).ignored) == (0, True)
    assert gallery.generation != Gallery([ada, stranger], model_id="m").generation


@pytest.mark.parametrize(
    ("people", "new"),
    [
        ({"bea"}, []),
        ({"bea"}, [("b9", "bea", 4.0)]),
        ({"ada", "cem"}, [("c1", "cem", 2.0), ("c0", "cem", 1.0)]),
        ({"dan"}, [("d1", "dan", 5.0)]),
        ({"nobody"}, []),
        ({"ada", "bea", "cem"}, []),
        (set(), []),
    ],
)
def test_a_gallery_of_which_some_people_are_replaced_is_the_one_built_anew(embedding, people, new):
    old = [("b1", "bea", 1.0), ("a1", "ada", 0.0), ("b2", "bea", 0.5), ("c1", "cem", 3.0)]
    ignored = [Template("x1", "ignored:1", "m", embedding(7))]

    def templates(rows):
        return [Template(template_id, person, "m", embedding(x)) for template_id, person, x in rows]

    before = Gallery(templates(old), model_id="m", ignored=ignored)
    generation = before.generation
    replaced = before.replaced(people, templates(new))
    anew = Gallery(templates([*(row for row in old if row[1] not in people), *new]), model_id="m", ignored=ignored)
    assert replaced.generation == anew.generation
    assert (len(replaced), replaced.template_count) == (len(anew), anew.template_count)
    wanted = np.stack([embedding(x) for x in (0.0, 0.4, 2.2, 5.1, 7.0)])
    assert replaced.search_all(wanted) == anew.search_all(wanted)
    assert before.generation == generation


def test_an_empty_gallery_is_filled_and_emptied(embedding):
    ada = Template("a1", "ada", "m", embedding(1))
    filled = Gallery([], model_id="m").replaced({"ada"}, [ada])
    assert filled.generation == Gallery([ada], model_id="m").generation
    assert filled.replaced({"ada"}, []).generation == Gallery([], model_id="m").generation


def test_nobody_but_who_is_replaced_gets_templates(gallery, embedding):
    with pytest.raises(InternalError):
        gallery.replaced({"ada"}, [Template("b3", "bea", "m", embedding(1))])
    with pytest.raises(InternalError) as caught:
        gallery.replaced({"ada"}, [Template("a3", "ada", "old", embedding(1))])
    assert caught.value.code == "model_mismatch"
