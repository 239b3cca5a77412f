from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from recognition.errors import ImageError, RequestError
from recognition.frames import decode
from stream_server.demo.cast import own_cast

PICTURE = np.full((40, 30, 3), 77, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    (folder / "bea").mkdir(parents=True)
    return folder


def test_the_cast_of_ones_own_people_has_files_and_folders_and_says_nothing_of_what_to_expect(
    people: Path, video: Path
) -> None:
    for name in ("ada.png", "bea/1.jpg", "bea/2.png"):
        cv2.imwrite(str(people / name), PICTURE)
    cast = own_cast(people, video)
    assert {name: len(pictures) for name, pictures in cast.people.items()} == {"ada": 1, "bea": 2}
    assert cast.people["ada"] == [(people / "ada.png").read_bytes()]
    assert cast.expected is None
    assert cast.seconds == pytest.approx(1.0, abs=0.15)
    assert len(list(cast.frames("camera-1", 5))) == 5


def test_a_picture_that_the_server_would_not_take_is_encoded_anew(people: Path, video: Path) -> None:
    cv2.imwrite(str(people / "bea" / "1.pgm"), PICTURE[..., 0])
    assert decode(own_cast(people, video).people["bea"][0]).shape == (40, 30, 3)


def test_a_folder_without_people_and_a_picture_that_cannot_be_read_are_clear_errors(people: Path, video: Path) -> None:
    with pytest.raises(RequestError) as caught:
        own_cast(people, video)
    assert caught.value.code == "no_people"
    (people / "ada.bmp").write_bytes(b"BM")
    with pytest.raises(ImageError):
        own_cast(people, video)
