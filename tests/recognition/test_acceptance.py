"""The promise on real faces: everybody enrolled is named rightly, nobody else is named, on the default settings."""

import time
from datetime import UTC, datetime

import pytest

from recognition.detection import DetectionSettings, make_detector
from recognition.embedding import OnnxFaceEmbedder
from recognition.engines import EngineKind
from recognition.frame_search import FrameSearch, SearchSettings
from recognition.gallery import Gallery
from recognition.picture_files import pictures_of_people, read_picture
from recognition.pipeline import Recogniser
from recognition.types import FaceState, Frame, Template

pytestmark = pytest.mark.models

# From left to right, by the left edge of the face.
NAMES = {
    "bbt1.jpg": ["raj", "leonard", "howard", "sheldon"],
    "bbt3.jpg": ["sheldon", "howard", "penny", "raj", "leonard"],
    "bbt4.jpg": ["leonard", "amy", "raj", "penny", "sheldon", "bernadette"],
}
VIDEO_PEOPLE = {"alex-lacamoire", "lin-manuel-miranda"}


@pytest.fixture(
    scope="module", params=[("opencv", "int8"), ("onnxruntime", "int8"), ("onnxruntime", "fp32")], ids="-".join
)
def recogniser(request, models_dir, yunet_path):
    engine, precision = request.param
    embedder = OnnxFaceEmbedder(models_dir / f"face_recognition_{precision}.onnx", model_id=precision)
    detector = make_detector(yunet_path, engine=EngineKind(engine))
    search = FrameSearch(detector, SearchSettings(), lambda: DetectionSettings().width_px)  # as the server does
    return Recogniser(detector, embedder, clock=time.perf_counter, frame_search=search)


def enrolled(recogniser, folder):
    templates = []
    for picture in pictures_of_people(folder):
        enrolment = recogniser.enrol(read_picture(picture.path))
        assert enrolment.refusal is None, picture.path.name
        templates.append(Template(picture.path.name, picture.person, recogniser.model_id, enrolment.embedding))
    return templates


@pytest.fixture(scope="module")
def series_templates(recogniser, shared_faces):
    return enrolled(recogniser, shared_faces / "bbt")


@pytest.fixture(scope="module")
def series_gallery(recogniser, series_templates):
    return Gallery(series_templates, model_id=recogniser.model_id)


@pytest.mark.parametrize("scene", NAMES)
def test_everybody_in_a_group_photograph_is_named_rightly(recogniser, series_gallery, shared_faces, scene):
    faces = recogniser.recognise_picture(read_picture(shared_faces / "scenes" / scene), series_gallery)
    assert [face.person_id for face in sorted(faces, key=lambda face: face.box_xyxy[0])] == NAMES[scene]
    assert all(face.state is FaceState.KNOWN for face in faces)


def test_none_of_29_strangers_is_named_though_all_are_found(recogniser, series_gallery, shared_faces):
    faces = recogniser.recognise_picture(read_picture(shared_faces / "scenes" / "solvay1927.jpg"), series_gallery)
    assert len(faces) == 29
    assert not any(face.state is FaceState.KNOWN for face in faces)
    assert sum(face.state is FaceState.UNUSABLE for face in faces) <= 2


def stream(recogniser, gallery, clip, fps):
    """The people reported over a clip, in order."""
    import av

    state = recogniser.new_camera()
    reported = []
    sequence, next_s = 0, None
    with av.open(str(clip)) as container:
        for picture in container.decode(video=0):
            next_s = picture.time if next_s is None else next_s
            if picture.time < next_s - 1e-6:
                continue
            next_s += 1 / fps
            sequence += 1
            image_bgr = picture.to_ndarray(format="bgr24")
            frame = Frame("clip", sequence, image_bgr, datetime(2026, 1, 1, tzinfo=UTC), picture.time)
            result = recogniser.process(frame, state, gallery)
            reported += [face.person_id for face in result.newly_known]
    return reported


@pytest.mark.parametrize("fps", [5, 10])
def test_both_people_of_a_clip_are_reported_once_and_nobody_else(recogniser, series_templates, shared_faces, fps):
    people = enrolled(recogniser, shared_faces / "video")
    gallery = Gallery([*series_templates, *people], model_id=recogniser.model_id)
    reported = stream(recogniser, gallery, shared_faces / "video" / "short_hamilton_clip.mp4", fps)
    assert sorted(reported) == sorted(VIDEO_PEOPLE)


def test_nobody_is_reported_on_a_clip_of_strangers(recogniser, series_gallery, shared_faces):
    assert stream(recogniser, series_gallery, shared_faces / "video" / "short_hamilton_clip.mp4", 5) == []
