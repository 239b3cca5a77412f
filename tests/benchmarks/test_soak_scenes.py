from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.soak_scenes import EMPTY_S, FPS, LOOP_S, loop_of, people, record


def test_everybody_is_there_once_the_nearest_first(models_dir: Path) -> None:
    names = [name for name, _, _ in people(models_dir)]
    assert len(names) == len(set(names)) == 21
    sides = [min(seen_bgr.shape[:2]) for _, _, seen_bgr in people(models_dir)]
    assert sides[0] > sides[-1]


def test_a_loop_begins_with_an_empty_room_and_can_be_recorded_for_longer(tmp_path: Path) -> None:
    seen_bgr = np.full((300, 260, 3), (0, 0, 255), np.uint8)
    frames = loop_of(seen_bgr, seed=1)
    assert len(frames) == LOOP_S * FPS
    record(frames, tmp_path / "loop.mp4", 3 * LOOP_S)
    with av.open(str(tmp_path / "loop.mp4")) as film:
        shown = [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
        assert film.duration == 3 * LOOP_S * av.time_base
    assert len(shown) == 3 * len(frames)
    middles = [image[240, 320] for image in shown]
    red = [int(blue) + 60 < int(red_) for blue, _, red_ in middles]
    one = [False] * round(EMPTY_S * FPS) + [True] * round((LOOP_S - EMPTY_S) * FPS)
    assert red == one * 3
    assert cv2.imdecode(np.frombuffer(frames[0], np.uint8), cv2.IMREAD_COLOR).shape == (480, 640, 3)  # type: ignore[union-attr]
