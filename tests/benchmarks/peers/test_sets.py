from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.peers.sets import picture_sets
from recognition.models.photographs import photographs


@pytest.mark.models
def test_the_same_pictures_are_made_for_every_peer_and_test_data_is_left_out_where_there_is_none(
    models_dir: Path, tmp_path: Path
) -> None:
    sets = picture_sets(models_dir, None, tmp_path)
    shapes = {name: cv2.imread(str(path)).shape for name, path in sets.timed.items()}
    assert shapes == dict.fromkeys(("four", "small", "empty"), (480, 640, 3))
    assert sum(len(picture.faces) for picture in sets.large) == sum(len(picture.faces) for picture in sets.small) == 22
    for photograph, small in zip(photographs(), sets.small, strict=True):
        height, width = cv2.imread(str(small.path)).shape[:2]
        assert width == 640
        boxes = np.array([box for box, _ in small.faces])
        assert np.allclose(boxes * photograph.width_px / 640, [face.box_xyxy for face in photograph.faces])
        assert (boxes[:, [1, 3]] <= height).all()
    assert (sets.portraits, sets.scenes) == ((), ())


@pytest.mark.models
def test_test_data_is_taken_as_far_as_it_is_there(models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "faces" / "bbt" / "ann").mkdir(parents=True)
    (tmp_path / "faces" / "scenes").mkdir()
    for place in ("bbt/ann/ann1.png", "bbt/ann/ann2.png", "scenes/bbt3.jpg"):
        (tmp_path / "faces" / place).write_bytes(b"a picture")
    sets = picture_sets(models_dir, tmp_path / "faces", tmp_path)
    assert [(path.name, person) for path, person in sets.portraits] == [("ann1.png", "ann"), ("ann2.png", "ann")]
    assert [(path.name, people) for path, people in sets.scenes] == [("bbt3.jpg", 5)]
