from typing import ClassVar

import numpy as np
import pytest

from recognition.frame_search import EVERY_FRAME_WHOLE, FrameSearch, SceneMemory, SearchSettings
from recognition.types import Searched

WHOLE_S = SearchSettings().whole_every_s
GRAIN = np.random.default_rng(1).standard_normal((480, 640, 2), np.float32)


class Painted:
    """Finds the faces that are painted into a picture: squares of one bright colour, whole or cut by its edges.

    As detectors do it misses one of which it sees less than half. Counts the pixels that it was shown.
    """

    def __init__(self, detection):
        self.detection, self.pixels, self.sizes = detection, 0, []

    def detect(self, image_bgr):
        self.pixels += image_bgr.shape[0] * image_bgr.shape[1]
        self.sizes.append(image_bgr.shape[:2])
        found = []
        for shade in np.flatnonzero(np.bincount(image_bgr[..., 2].ravel())[1:]) + 1:
            rows, columns = np.nonzero(image_bgr[..., 2] == shade)
            side = 40 if shade < 200 else 100
            if len(rows) >= side * side / 2:
                right, low = columns.max() + 1, rows.max() + 1
                x, y = (
                    (right - side if columns.min() == 0 else columns.min()),
                    (low - side if rows.min() == 0 else rows.min()),
                )
                found.append(self.detection(float(x), float(y), side, score=shade / 256))
        return sorted(found, key=lambda face: -face.score)


class Room:
    """A dark room with faces in it, a camera on the wall, and a hand on the time."""

    def __init__(self, detection, settings=None, width_px=lambda: None):
        self.detector = Painted(detection)
        self.search = FrameSearch(self.detector, settings or SearchSettings(), width_px)
        self.scene = SceneMemory()
        self.faces = {}
        self.noise = 0.0
        self.seed = 0

    def picture(self):
        self.seed += 1
        grain = np.roll(GRAIN, 64 * self.seed + 1) * self.noise + 40 if self.noise else 40.0
        image = np.zeros((480, 640, 3), np.uint8)
        image[..., :2] = np.clip(grain, 0, 255)
        for shade, (x, y) in self.faces.items():
            side = 40 if shade < 200 else 100
            image[y : y + side, x : x + side, 2] = shade
        return image

    def look(self, at, wanted=()):
        found, searched = self.search.faces(self.picture(), self.scene, at, wanted)
        return [tuple(face.box_xyxy[:2].astype(int).tolist()) for face in found], searched


@pytest.fixture
def room(detection):
    return lambda **options: Room(detection, **options)


def test_the_first_frame_is_searched_whole_and_one_like_it_not_at_all(room):
    camera = room()
    camera.faces[100] = (200, 200)
    assert camera.look(0.0) == ([(200, 200)], Searched.WHOLE)
    assert camera.look(0.1) == ([(200, 200)], Searched.NOTHING)
    assert camera.detector.sizes == [(480, 640)]


def test_grain_is_no_change(room):
    camera = room()
    camera.noise = 6.0
    searched = [camera.look(n * 0.1)[1] for n in range(10)]
    assert searched == [Searched.WHOLE] + [Searched.NOTHING] * 9


def test_a_frame_is_searched_whole_when_the_last_such_was_long_enough_ago(room):
    camera = room()
    searched = [camera.look(at)[1] for at in (0.0, 0.99, 1.0, 1.5, 2.0)]
    assert searched == [Searched.WHOLE, Searched.NOTHING, Searched.WHOLE, Searched.NOTHING, Searched.WHOLE]


def test_a_clock_that_goes_back_is_no_reason_to_look_away(room):
    camera = room()
    camera.look(100.0)
    assert camera.look(5.0)[1] is Searched.WHOLE


def test_who_comes_in_is_found_at_once_in_a_part_of_the_picture(room):
    camera = room()
    camera.faces[100] = (500, 400)
    camera.look(0.0)
    camera.faces[120] = (96, 64)
    faces, searched = camera.look(0.1)
    assert (sorted(faces), searched) == ([(96, 64), (500, 400)], Searched.PART)
    assert np.prod(camera.detector.sizes[-1]) < 0.2 * 640 * 480


def test_who_leaves_is_gone_at_once(room):
    camera = room()
    camera.faces |= {100: (500, 400), 120: (96, 64)}
    camera.look(0.0)
    del camera.faces[100]
    assert camera.look(0.1) == ([(96, 64)], Searched.PART)
    assert camera.look(0.2) == ([(96, 64)], Searched.NOTHING)


def test_a_face_that_a_part_would_cut_is_taken_into_it(room):
    camera = room()
    camera.faces |= {210: (200, 200)}
    camera.look(0.0)
    camera.faces[100] = (310, 210)  # beside it
    faces, searched = camera.look(0.1)
    assert (sorted(faces), searched) == ([(200, 200), (310, 210)], Searched.PART)


def test_a_new_face_that_a_part_has_cut_has_the_whole_searched(detection):
    class AtTheEdge:
        sizes: ClassVar[list[tuple[int, int]]] = []

        def detect(self, image_bgr):
            self.sizes.append(image_bgr.shape[:2])
            return [detection(float(image_bgr.shape[1] - 20), 10.0, 40.0)]

    search, scene = FrameSearch(AtTheEdge(), SearchSettings()), SceneMemory()
    picture = np.zeros((480, 640, 3), np.uint8)
    search.faces(picture, scene, 0.0)
    picture = picture.copy()
    picture[200:240, 100:140] = 200
    assert search.faces(picture, scene, 0.1)[1] is Searched.WHOLE
    assert len(AtTheEdge.sizes) == 3


def test_a_cut_of_the_camera_has_the_whole_searched(room):
    camera = room()
    camera.look(0.0)
    camera.faces |= {100: (0, 0), 120: (590, 430)}
    assert camera.look(0.1) == ([(590, 430), (0, 0)], Searched.WHOLE)


def test_a_picture_of_another_size_is_searched_whole(room):
    camera = room()
    camera.look(0.0)
    assert camera.search.faces(np.zeros((240, 320, 3), np.uint8), camera.scene, 0.1)[1] is Searched.WHOLE


def test_what_is_wanted_is_searched_though_nothing_has_changed(room):
    camera = room()
    camera.faces[100] = (200, 200)
    camera.look(0.0)
    box = np.array([200, 200, 240, 240], np.float32)
    assert camera.look(0.1, [box]) == ([(200, 200)], Searched.PART)
    far_away = np.array([5000, -900, 5100, -800], np.float32)
    assert camera.look(0.2, [far_away])[0] == [(200, 200)]


def test_without_parts_a_change_has_the_whole_searched(room):
    camera = room(settings=SearchSettings(part_max=0.0))
    camera.look(0.0)
    camera.faces[100] = (200, 200)
    assert camera.look(0.1) == ([(200, 200)], Searched.WHOLE)


def test_slow_change_adds_up(room):
    """A face that comes out of the dark a shade a frame is not overlooked because no frame differs from the last."""
    camera = room(settings=SearchSettings(whole_every_s=1000.0))
    camera.look(0.0)
    seen = []
    for shade in range(1, 100):
        camera.faces = {shade: (200, 200)}
        seen.append(camera.look(shade * 0.1)[1])
    assert Searched.PART in seen[:10]
    assert seen.count(Searched.PART) >= 10


@pytest.mark.parametrize("seed", range(8))
def test_no_face_that_a_whole_search_finds_is_missed_for_longer_than_between_two_of_them(detection, seed):
    """Faces come, go and move, half of them too pale to be seen as a change; frames come unevenly."""
    rng = np.random.default_rng(seed)
    camera = Room(detection)
    camera.noise = 3.0
    now, missed_since = 0.0, {}
    for _ in range(150):
        gap = float(rng.uniform(0.03, 0.4))
        now += gap
        shade = int(rng.choice([3, 5, 90, 120, 210]))  # 3 and 5 differ from the room by less than a change
        if rng.random() < 0.4:
            camera.faces.pop(shade, None)
        elif rng.random() < 0.6:
            x, y = int(rng.integers(0, 540)), int(rng.integers(0, 380))
            side = 100 if shade > 200 else 40
            if all(
                abs(x - ox) > 110 or abs(y - oy) > 110 for other, (ox, oy) in camera.faces.items() if other != shade
            ):
                camera.faces[shade] = (x, y)
                assert side
        picture = camera.picture()
        there = {tuple(face.box_xyxy.tolist()) for face in Painted(detection).detect(picture)}
        found = {tuple(face.box_xyxy.tolist()) for face in camera.search.faces(picture, camera.scene, now)[0]}
        missed = there - found
        missed_since = {box: missed_since.get(box, now) for box in missed}
        assert all(now - since < WHOLE_S for since in missed_since.values())
        # What it says of a face that is not there any more is as short-lived.
        assert len(found) <= len(there) + 3
    assert camera.detector.pixels < 0.8 * 150 * 640 * 480


def test_every_frame_is_searched_whole_where_that_is_asked_for(room):
    camera = room(settings=EVERY_FRAME_WHOLE)
    assert [camera.look(n * 0.1)[1] for n in range(3)] == [Searched.WHOLE] * 3


class Remembers:
    """Finds the same face in every picture, and remembers the sizes."""

    def __init__(self, face):
        self.face, self.sizes = face, []

    def detect(self, image_bgr):
        self.sizes.append(image_bgr.shape[:2])
        return [self.face]


@pytest.mark.parametrize("settings", [EVERY_FRAME_WHOLE, SearchSettings()])
def test_a_narrower_search_looks_at_less_and_tells_pixels_of_the_picture(detection, settings):
    inner, width_px = Remembers(detection(60, 50)), None
    search, scene = FrameSearch(inner, settings, lambda: width_px), SceneMemory()
    picture = np.zeros((480, 640, 3), np.uint8)
    (whole,), _ = search.faces(picture, scene, 0.0)
    assert whole is inner.face
    width_px = 320
    for at in (0.1, 0.2):
        (face,), _ = search.faces(picture, scene, at)
        assert face.box_xyxy.tolist() == (2 * inner.face.box_xyxy).tolist()
        assert face.landmarks_xy.tolist() == (2 * inner.face.landmarks_xy).tolist()
    assert inner.sizes[:2] == [(480, 640), (240, 320)]


def test_a_search_never_makes_a_picture_larger(detection):
    inner = Remembers(detection(60, 50))
    FrameSearch(inner, width_px=lambda: 320).faces(np.zeros((100, 80, 3), np.uint8), SceneMemory(), 0.0)
    assert inner.sizes == [(100, 80)]
