from pathlib import Path

import numpy as np
import pytest

from benchmarks.profile.streams import streams
from recognition.frame_search import FrameSearch, SceneMemory, SearchSettings
from recognition.frames import decode
from recognition.types import Detection, ImageBgr, Searched


class Nobody:
    def detect(self, image_bgr: ImageBgr) -> list[Detection]:
        return []


@pytest.mark.models
def test_each_stream_changes_as_its_title_says(models_dir: Path) -> None:
    found = {}
    for stream in streams(models_dir, None, 6):
        search, scene = FrameSearch(Nobody(), SearchSettings(whole_every_s=60.0)), SceneMemory()
        found[stream.title] = [search.faces(decode(jpeg), scene, 0.1)[1] for jpeg in stream.frames][1:]
    assert found["empty room"] == found["four people sit"] == [Searched.NOTHING] * 5
    assert found["one walks past three"] == [Searched.PART] * 5
    assert Searched.NOTHING not in found["camera in the hand"]


@pytest.mark.models
def test_the_streams_are_the_same_on_every_run(models_dir: Path) -> None:
    first, again = ([stream.frames for stream in streams(models_dir, None, 2)] for _ in range(2))
    assert first == again
    assert all(np.shape(decode(jpeg)) == (480, 640, 3) for frames in first for jpeg in frames)
