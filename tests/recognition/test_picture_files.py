import cv2
import numpy as np
import pytest

from recognition.errors import ImageError, RequestError
from recognition.picture_files import pictures_of_people, read_picture, read_picture_scaled


@pytest.fixture
def folder(tmp_path):
    names = (
        "bea/2.jpg",
        "bea/10.PGM",
        "bea/notes.txt",
        "ada/x.png",
        "ada.webp",
        "cleo.bmp",
        ".hidden.jpg",
        "bea/._2.jpg",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def found(folder, **options):
    return [(picture.person, picture.path.name) for picture in pictures_of_people(folder, **options)]


def test_pictures_are_listed_by_person_and_in_the_order_people_count(folder):
    of_folders = [("ada", "x.png"), ("bea", "2.jpg"), ("bea", "10.PGM")]
    assert found(folder, single_files=False) == of_folders
    assert sorted(found(folder)) == sorted([*of_folders, ("ada", "ada.webp"), ("cleo", "cleo.bmp")])
    assert [person for person, _ in found(folder)] == ["ada", "ada", "bea", "bea", "cleo"]


def test_a_picture_says_whether_the_server_takes_it_as_it_is(folder):
    sendable = {picture.path.name for picture in pictures_of_people(folder) if picture.is_sendable}
    assert sendable == {"x.png", "ada.webp", "2.jpg"}


@pytest.mark.parametrize("single_files", [True, False])
def test_a_folder_without_pictures_is_a_clear_error(tmp_path, single_files):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RequestError) as caught:
            pictures_of_people(folder, single_files=single_files)
        assert caught.value.code == "no_people"
        assert "NAME/*.jpg" in caught.value.hint


def test_a_picture_file_tells_the_size_that_it_was_before_it_was_decoded_smaller(tmp_path, encode):
    path = tmp_path / "large.jpg"
    path.write_bytes(encode(np.zeros((5100, 5000, 3), np.uint8), "JPEG"))
    picture = read_picture_scaled(path)
    assert (picture.reduction, picture.width_px, picture.height_px) == (2, 5000, 5100)
    assert picture.image_bgr.shape == (2550, 2500, 3)


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
