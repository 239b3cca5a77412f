import itertools
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from recognition.types import ImageBgr
from stream_server.demo.views import MovingView, VideoUnusable, encode_jpeg, video_frames


def photograph(height: int = 300, width: int = 400) -> ImageBgr:
    """Colours that run from corner to corner, so that every movement shows."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2)
    return picture.astype(np.uint8)


def write_video(path: Path, *, seconds: float = 2.0, fps: int = 30, width: int = 64, height: int = 48) -> Path:
    """A video whose pictures get lighter from first to last."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        count = round(seconds * fps)
        for number in range(count):
            image = np.full((height, width, 3), 255 * number // count, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_the_same_seed_and_moment_give_the_same_picture() -> None:
    first, again = (MovingView(photograph(), seed=3) for _ in range(2))
    for at_s in (0.0, 0.2, 7.4):
        assert np.array_equal(first.frame(at_s), again.frame(at_s))
        assert first.jpeg(at_s) == again.jpeg(at_s)


def test_no_two_frames_and_no_two_seeds_are_alike() -> None:
    pictures = [MovingView(photograph(), seed=seed).frame(at_s) for seed in (1, 2) for at_s in (0.0, 0.2, 0.4)]
    for number, picture in enumerate(pictures):
        assert not any(np.array_equal(picture, other) for other in pictures[:number])


@pytest.mark.parametrize(("width", "height"), [(640, 480), (320, 240), (480, 640), (100, 30)])
@pytest.mark.parametrize("size", [(300, 400), (1000, 200), (40, 60)])
def test_a_view_has_the_size_that_is_asked_for(width: int, height: int, size: tuple[int, int]) -> None:
    view = MovingView(photograph(*size), width_px=width, height_px=height)
    picture = view.frame(1.0)
    assert (picture.shape, picture.dtype) == ((height, width, 3), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(view.jpeg(1.0), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (height, width, 3)


def test_the_middle_of_the_photograph_stays_in_view() -> None:
    marked = np.zeros((300, 400, 3), np.uint8)
    cv2.circle(marked, (200, 150), 40, (255, 255, 255), -1)
    for at_s in np.arange(0, 20, 1.3):
        picture = MovingView(marked, seed=5).frame(float(at_s))
        assert picture[240, 320].mean() > 150, at_s


def test_a_higher_quality_takes_more_bytes() -> None:
    picture = MovingView(photograph()).frame(0.0)
    assert len(encode_jpeg(picture, 30)) < len(encode_jpeg(picture, 95))


@pytest.mark.parametrize(("fps", "count"), [(5.0, 10), (30.0, 60), (60.0, 60), (1.0, 2)])
def test_a_video_is_thinned_to_the_rate_and_begins_at_zero(tmp_path: Path, fps: float, count: int) -> None:
    times = [at_s for at_s, _ in video_frames(str(write_video(tmp_path / "v.mp4")), fps)]
    assert len(times) == count
    assert times[0] == 0.0
    assert times == sorted(times)
    assert all(later - earlier >= 0.99 / max(fps, 30) for earlier, later in itertools.pairwise(times))


def test_pictures_come_in_their_order(tmp_path: Path) -> None:
    light = [image.mean() for _, image in video_frames(str(write_video(tmp_path / "v.mp4")), 10.0)]
    assert light == sorted(light)
    assert light[-1] > light[0] + 200


@pytest.mark.parametrize(("max_width", "shape"), [(0, (48, 64, 3)), (640, (48, 64, 3)), (32, (24, 32, 3))])
def test_wide_pictures_are_made_smaller_and_others_are_not(
    tmp_path: Path, max_width: int, shape: tuple[int, int, int]
) -> None:
    _, image = next(video_frames(str(write_video(tmp_path / "v.mp4")), 5.0, max_width_px=max_width))
    assert (image.shape, image.dtype) == (shape, np.uint8)


def _nothing(path: Path) -> Path:
    return path


def _text(path: Path) -> Path:
    path.write_text("no video")
    return path


def _empty(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "name"),
    [(_nothing, "missing.mp4"), (_text, "text.mp4"), (_empty, "empty.mp4"), (write_sound, "sound.wav")],
)
def test_what_is_no_video_is_an_error_that_names_it(tmp_path: Path, make: object, name: str) -> None:
    path = make(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(VideoUnusable) as raised:
        next(video_frames(str(path), 5.0))
    assert raised.value.code == "video_unusable"
    assert name in raised.value.detail
    assert raised.value.hint


def test_a_video_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.avi", width=320, height=240, seconds=4.0).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    pictures = 0
    with suppress(VideoUnusable):
        for _ in video_frames(str(cut), 30.0):
            pictures += 1
    assert 0 < pictures < 120


def test_an_image_can_be_played_as_a_video_of_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "still.jpg"
    path.write_bytes(encode_jpeg(photograph(48, 64), 90))
    assert [(at_s, image.shape) for at_s, image in video_frames(str(path), 5.0)] == [(0.0, (48, 64, 3))]
