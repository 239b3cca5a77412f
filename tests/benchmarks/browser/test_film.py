from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.browser.film import FILM_FPS, GAP_S, PAUSE, PAUSE_S, SCENE_S, with_strip, write_film
from benchmarks.pictures import HEIGHT_PX, WIDTH_PX, Scene, empty_room

ROOM = Scene(empty_room(), {})


def signs(jpeg: bytes) -> list[int]:
    """What a page reads from the strip."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    return [int(image[-16, 32 * at + 16] > 127) for at in range(5)]


@pytest.mark.parametrize("number", range(PAUSE + 1))
def test_the_strip_says_which_scene_a_picture_is_of_and_leaves_the_rest_alone(number: int) -> None:
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), 100, np.uint8)
    marked = with_strip(picture, number)
    assert [int(marked[-16, 32 * at + 16, 0] > 127) for at in range(5)] == [1, 0, *map(int, f"{number:03b}")]
    assert (marked[:-32] == 100).all()
    assert (picture == 100).all()


def test_a_film_shows_every_scene_with_an_empty_room_before_and_behind_it(tmp_path: Path) -> None:
    pictures = write_film(tmp_path / "film.mjpeg", [ROOM, ROOM]).read_bytes().split(b"\xff\xd8\xff")[1:]
    read = [int("".join(map(str, signs(b"\xff\xd8\xff" + picture)[2:])), 2) for picture in pictures[::15]]
    changes = [number for at, number in enumerate(read) if at == 0 or read[at - 1] != number]
    assert changes == [PAUSE, 1, 0, 2, 0]
    assert len(pictures) == FILM_FPS * (PAUSE_S + 2 * (SCENE_S + GAP_S))


def test_more_scenes_than_the_signs_tell_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no more than 6"):
        write_film(tmp_path / "film.mjpeg", [ROOM] * 7)
