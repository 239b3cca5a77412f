import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from recognition.errors import ModelError
from recognition.models import photographs
from recognition.models.photographs import PhotographedFace
from recognition.models.store import FACE_RECOGNITION_INT8


def test_there_are_22_faces_on_six_photographs_from_left_to_right() -> None:
    everyone = [face for photograph in photographs.photographs() for face in photograph.faces]
    assert len(photographs.photographs()) == 6
    assert len(everyone) == 22
    for photograph in photographs.photographs():
        assert [f.box_xyxy[0] for f in photograph.faces] == sorted(f.box_xyxy[0] for f in photograph.faces)


def test_landmarks_lie_in_their_box_and_boxes_in_their_photograph() -> None:
    for photograph in photographs.photographs():
        for face in photograph.faces:
            x1, y1, x2, y2 = face.box_xyxy
            assert 0 <= x1 < x2 <= photograph.width_px
            assert 0 <= y1 < y2 <= photograph.height_px
            assert len(face.landmarks_xy) == 5
            # A face seen from the side may have its nose a little outside.
            edge = (x2 - x1) / 10
            assert all(x1 - edge <= x <= x2 + edge and y1 <= y <= y2 for x, y in face.landmarks_xy)


def test_one_woman_is_on_two_photographs_and_everybody_else_on_one() -> None:
    people = [face.person for photograph in photographs.photographs() for face in photograph.faces]
    assert len(set(people)) == 21
    (first, right), (third, middle) = photographs.same_person()
    assert (first.name, third.name) == ("sample1.jpg", "sample3.jpg")
    assert (first.faces.index(right), third.faces.index(middle)) == (2, 1)
    assert right.person == middle.person


def test_a_chip_turns_and_scales_the_face_upright() -> None:
    """A face with its landmarks drawn as dots, on its side and twice as large, comes out where the template says."""
    upright = np.array([(0.317, 0.311), (0.670, 0.311), (0.493, 0.510), (0.336, 0.687), (0.651, 0.687)]) * 300
    on_its_side = np.stack([400 - upright[:, 1], upright[:, 0] + 50], axis=1).round().astype(int)
    image = np.zeros((450, 450, 3), np.uint8)
    for x, y in on_its_side:
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
    face = PhotographedFace("p", (0, 0, 450, 450), tuple((int(x), int(y)) for x, y in on_its_side))
    chip = photographs.chip(image, face)
    assert chip.shape == (150, 150, 3)
    expected = ((upright / 300 - 0.5) * 1.10 + 0.5 + (0, -0.03)) * 150
    for x, y in expected.round().astype(int):
        assert chip[y, x].min() == 255
    assert (chip[..., 0] > 127).sum() < 5 * 40


def test_a_face_at_the_edge_is_filled_with_the_pixels_of_the_edge() -> None:
    image = np.full((40, 40, 3), 77, np.uint8)
    face = PhotographedFace("p", (0, 0, 40, 40), ((2, 2), (38, 2), (20, 20), (4, 38), (36, 38)))
    assert (photographs.chip(image, face) == 77).all()


def test_a_photograph_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        photographs.chips(tmp_path)
    assert caught.value.code == "model_missing"
    assert "rollcall models build" in caught.value.hint


def test_another_picture_under_the_name_of_a_photograph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "sample1.jpg").write_bytes(b"no picture")
    with pytest.raises(ModelError) as caught:
        photographs.read(photographs.photographs()[0], tmp_path)
    assert caught.value.code == "photograph_unusable"


@pytest.mark.models
def test_the_woman_on_two_photographs_is_closer_to_herself_than_any_two_others_are(models_dir: Path) -> None:
    session = onnxruntime.InferenceSession(models_dir / FACE_RECOGNITION_INT8, providers=["CPUExecutionProvider"])
    (embeddings,) = session.run(["embedding"], {"input": photographs.chips(models_dir)})
    people = np.array([face.person for photograph in photographs.photographs() for face in photograph.faces])
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    same = (people[:, None] == people[None]) & ~np.eye(len(people), dtype=bool)
    others = people[:, None] != people[None]
    assert distances[same].max() < 0.45
    assert distances[others].min() > 0.48


@pytest.mark.models
def test_photographs_are_read_the_same_from_any_folder(models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Földer with späces"
    shutil.copytree(models_dir / "photographs", folder / "photographs")
    first = photographs.photographs()[0]
    assert (photographs.read(first, folder) == photographs.read(first, models_dir)).all()
