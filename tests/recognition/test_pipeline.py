from datetime import UTC, datetime

import numpy as np
import pytest

from recognition.decision import DecisionPolicy
from recognition.enrolment import EnrolmentRefusal
from recognition.errors import ImageError, InternalError
from recognition.frame_search import EVERY_FRAME_WHOLE, FrameSearch, SearchSettings
from recognition.frames import DecodeLimits
from recognition.gallery import Gallery
from recognition.pipeline import PipelineSettings, Recogniser
from recognition.types import FaceState, Frame, Searched, Template


class Ticking:
    """A clock that advances by a millisecond whenever it is read."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.001
        return self.now


@pytest.fixture
def gallery(embedding):
    return Gallery(
        [Template("a", "ada", "model", embedding(0)), Template("b", "bea", "model", embedding(2))], model_id="model"
    )


class Stage:
    """A recogniser with a scripted detector and embedder, one camera, and a hand on the time."""

    def __init__(self, detector, embedder, picture, settings=None, search=EVERY_FRAME_WHOLE):
        self.detector, self.embedder, self.picture = detector, embedder, picture
        self.recogniser = Recogniser(
            detector, embedder, settings=settings, clock=Ticking(), frame_search=FrameSearch(detector, search)
        )
        self.state = self.recogniser.new_camera()
        self.sequence = 0

    def frame(self, gallery, at, payload=None):
        self.sequence += 1
        payload = self.picture if payload is None else payload
        return self.recogniser.process(
            Frame("room", self.sequence, payload, datetime(2026, 1, 1, tzinfo=UTC), at), self.state, gallery
        )


@pytest.fixture
def stage(scripted_detector, scripted_embedder, detection, embedding, texture_bgr):
    def build(faces=None, answer=None, settings=None, search=EVERY_FRAME_WHOLE):
        detector = scripted_detector([detection(100, 100)] if faces is None else faces)
        embedder = scripted_embedder(answer or (lambda chip: embedding(0.1)))
        return Stage(detector, embedder, texture_bgr, settings, search)

    return build


def states(result):
    return [face.state for face in result.faces]


def test_a_person_is_pending_then_known_and_reported_once(stage, gallery):
    camera = stage()
    first, second, third = (camera.frame(gallery, at) for at in (0.0, 0.2, 0.4))
    assert states(first) == [FaceState.PENDING]
    assert first.faces[0].person_id is None
    assert states(second) == states(third) == [FaceState.KNOWN]
    assert [face.person_id for face in second.newly_known] == ["ada"]
    assert second.newly_known[0].evidence_frames == 2
    assert first.newly_known == third.newly_known == ()


def test_a_face_that_stands_still_is_embedded_no_more(stage, gallery):
    camera = stage()
    for n in range(10):
        camera.frame(gallery, n * 0.1)
    assert camera.embedder.embedded == 2
    camera.frame(gallery, 2.5)
    assert camera.embedder.embedded == 3


def test_evidence_is_only_of_faces_that_were_found_anew(stage, gallery):
    camera = stage(search=SearchSettings(whole_every_s=5.0, part_max=0.0))
    searched = [camera.frame(gallery, at).searched for at in (0.0, 0.1, 0.2, 1.0, 2.2, 2.3)]
    # Pending: looked at again; known: left alone; stale: looked at again.
    assert searched == [Searched(how) for how in ("whole", "whole", "nothing", "nothing", "whole", "nothing")]
    assert camera.embedder.embedded == 3
    assert states(camera.frame(gallery, 2.4)) == [FaceState.KNOWN]


def test_a_standing_person_is_reported_again_after_the_interval(stage, gallery):
    camera = stage(settings=PipelineSettings(sighting_interval_s=60))
    reported = [n for n in range(140) if camera.frame(gallery, float(n)).newly_known]
    assert reported == [1, 61, 121]


def test_a_result_tells_where_it_came_from_and_how_long_each_stage_took(stage, gallery):
    result = stage().frame(gallery, 0.0)
    assert (result.camera_id, result.sequence, result.width_px, result.height_px) == ("room", 1, 640, 480)
    assert set(result.stage_ms) == {"decode", "detect", "track", "align", "embed", "decide"}
    assert all(value == pytest.approx(1.0) for value in result.stage_ms.values())
    assert result.faces[0].track_id == 1
    assert result.faces[0].box_xyxy == (100, 100, 200, 200)


def test_an_encoded_frame_is_decoded(stage, gallery, encode, texture_bgr):
    result = stage().frame(gallery, 0.0, encode(texture_bgr, "JPEG", quality=95))
    assert (result.width_px, result.height_px) == (640, 480)


def test_boxes_are_in_pixels_of_the_frame_that_was_sent_though_it_is_decoded_smaller(stage, gallery, encode):
    data = encode(np.zeros((480, 641, 3), np.uint8), "JPEG")
    camera = stage(settings=PipelineSettings(decode=DecodeLimits(working_pixels=100_000)))
    result = camera.frame(gallery, 0.0, data)
    assert (result.width_px, result.height_px) == (641, 480)
    assert result.faces[0].box_xyxy == (200, 200, 400, 400)


def test_boxes_of_a_single_picture_are_brought_to_the_size_that_was_sent(stage, gallery, texture_bgr):
    recogniser = stage().recogniser
    assert recogniser.recognise_picture(texture_bgr, gallery)[0].box_xyxy == (100, 100, 200, 200)
    assert recogniser.recognise_picture(texture_bgr, gallery, reduction=4)[0].box_xyxy == (400, 400, 800, 800)


def test_a_frame_that_cannot_be_decoded_leaves_the_camera_as_it_was(stage, gallery):
    camera = stage()
    camera.frame(gallery, 0.0)
    with pytest.raises(ImageError):
        camera.frame(gallery, 0.1, b"no picture")
    assert states(camera.frame(gallery, 0.2)) == [FaceState.KNOWN]


def test_somebody_we_do_not_know_is_unknown_and_never_reported(stage, gallery, embedding):
    camera = stage(answer=lambda chip: embedding(0, 5))
    results = [camera.frame(gallery, n * 0.2) for n in range(5)]
    assert states(results[0]) == [FaceState.PENDING]
    assert states(results[-1]) == [FaceState.UNKNOWN]
    assert results[-1].faces[0].match is not None
    assert not any(result.newly_known for result in results)


def test_whoever_withdraws_consent_is_known_no_more_on_the_next_frame(stage, gallery, embedding):
    camera = stage()
    for at in (0.0, 0.2):
        camera.frame(gallery, at)
    without = Gallery([Template("b", "bea", "model", embedding(2))], model_id="model")
    after = camera.frame(without, 0.3)
    assert states(after) == [FaceState.UNKNOWN]
    assert after.faces[0].person_id is None
    assert after.faces[0].match.person_id == "bea"
    again = camera.frame(gallery, 0.4)
    assert [face.person_id for face in again.newly_known] == ["ada"]


def test_two_faces_that_look_like_one_person_are_one_person_once(stage, gallery, detection, embedding):
    faces = [detection(50, 100), detection(400, 100)]
    camera = stage(faces, lambda chip: embedding(0.1))
    result = [camera.frame(gallery, at) for at in (0.0, 0.2)][-1]
    assert sorted(states(result)) == [FaceState.KNOWN, FaceState.REVIEW]
    assert len(result.newly_known) == 1


def test_a_face_too_small_to_compare_is_unusable_and_not_embedded(stage, gallery, detection):
    camera = stage([detection(100, 100, side=20)])
    result = camera.frame(gallery, 0.0)
    assert states(result) == [FaceState.UNUSABLE]
    assert result.faces[0].quality.verdict == "too_small"
    assert camera.embedder.embedded == 0


def test_a_crowd_is_embedded_over_several_frames_the_least_known_first(stage, gallery, detection, embedding):
    faces = [detection(10 + 150 * i, 10 + 150 * j) for i in range(4) for j in range(3)]
    camera = stage(faces, lambda chip: embedding(0, 5), PipelineSettings(embeddings_per_frame_max=5, mirror_below_px=0))
    for n, total in enumerate((5, 10, 15)):
        camera.frame(gallery, n * 0.1)
        assert camera.embedder.embedded == total
    assert min(evidence.frames for evidence in camera.state.evidence.values()) == 1


def test_a_kiosk_decides_on_the_first_frame(stage, gallery):
    camera = stage(settings=PipelineSettings(decision=DecisionPolicy(kiosk=True)))
    assert states(camera.frame(gallery, 0.0)) == [FaceState.KNOWN]


def test_another_person_in_the_same_place_does_not_inherit_the_name(stage, gallery, embedding):
    camera = stage()
    for at in (0.0, 0.2):
        camera.frame(gallery, at)
    camera.embedder.answer = lambda chip: embedding(2)
    other = np.random.default_rng(99).integers(0, 255, camera.picture.shape, dtype=np.uint8)
    assert states(camera.frame(gallery, 0.4, other)) == [FaceState.PENDING]
    after = camera.frame(gallery, 0.6, other)
    assert [face.person_id for face in after.newly_known] == ["bea"]


def test_what_is_remembered_of_a_camera_does_not_grow(stage, gallery, detection):
    camera = stage()
    for n in range(200):
        camera.detector.faces = [detection(37 * n % 500, 61 * n % 350)]
        camera.frame(gallery, n * 5.0)
    assert len(camera.state.evidence) == 1
    assert len(camera.state.tracker.tracks) == 1


def test_a_gallery_of_another_model_is_refused(stage):
    with pytest.raises(InternalError) as caught:
        stage().frame(Gallery([], model_id="other"), 0.0)
    assert caught.value.code == "model_mismatch"


def test_a_single_picture_is_decided_at_once(stage, gallery, detection, texture_bgr):
    camera = stage([detection(50, 100), detection(400, 100, side=20)])
    known, unusable = camera.recogniser.recognise_picture(texture_bgr, gallery)
    assert (known.state, known.person_id, known.track_id) == (FaceState.KNOWN, "ada", None)
    assert (unusable.state, unusable.person_id, unusable.match) == (FaceState.UNUSABLE, None, None)


def test_a_single_picture_without_faces_or_people_is_no_error(stage, gallery, texture_bgr):
    assert stage([]).recogniser.recognise_picture(texture_bgr, gallery) == []
    (face,) = stage().recogniser.recognise_picture(texture_bgr, Gallery([], model_id="model"))
    assert face.state is FaceState.UNKNOWN


def test_enrolment_gives_embedding_quality_and_chip(stage, texture_bgr):
    enrolment = stage().recogniser.enrol(texture_bgr)
    assert enrolment.refusal is None
    assert enrolment.embedding.shape == (128,)
    assert enrolment.quality.size_px == pytest.approx(40)
    assert enrolment.chip_bgr.shape == (150, 150, 3)


@pytest.mark.parametrize(("side", "probe"), [(100, 0.0), (50, 1.0)])
def test_for_evaluation_a_face_is_a_mirrored_template_and_a_probe_as_the_pipeline_makes_it(
    stage, detection, embedding, texture_bgr, side, probe
):
    """Templates are always the mean with the mirror image, probes only where the eyes are closer than 25 px."""
    seen = []

    def one_more_for_each_new_chip(chip):
        if not any(np.array_equal(chip, other) for other in seen):
            seen.append(chip)
        return embedding(2 * next(i for i, other in enumerate(seen) if np.array_equal(chip, other)))

    face = stage([detection(100, 100, side)], one_more_for_each_new_chip).recogniser.embed_largest(texture_bgr)
    assert len(seen) == 2
    assert (face.template[0], face.probe[0]) == (1.0, probe)


def test_for_evaluation_a_picture_without_a_face_has_none(stage, texture_bgr):
    assert stage([]).recogniser.embed_largest(texture_bgr) is None


@pytest.mark.parametrize(
    ("boxes", "refusal"),
    [
        ([], EnrolmentRefusal.NO_FACE),
        ([(50, 100, 100), (300, 100, 90)], EnrolmentRefusal.SEVERAL_FACES),
        ([(50, 100, 40)], EnrolmentRefusal.TOO_SMALL),
    ],
)
def test_enrolment_is_refused_with_its_reason(stage, detection, texture_bgr, boxes, refusal):
    enrolment = stage([detection(x, y, side) for x, y, side in boxes]).recogniser.enrol(texture_bgr)
    assert enrolment.refusal is refusal
    assert enrolment.embedding is None


def test_a_blurred_or_turned_photograph_is_refused(stage, detection, texture_bgr):
    flat = np.full_like(texture_bgr, 90)
    assert stage().recogniser.enrol(flat).refusal is EnrolmentRefusal.BLURRED
    face = detection(100, 100)
    face.landmarks_xy[2, 0] += 40
    assert stage([face]).recogniser.enrol(texture_bgr).refusal is EnrolmentRefusal.TURNED


COLLECTING = PipelineSettings(collect_unknown=True, collect_chips=True)


def test_a_stranger_is_given_away_once_with_the_best_picture_and_only_when_that_is_wanted(stage, gallery, embedding):
    def stranger(_chip):
        return embedding(0, 0, 5)

    camera = stage(answer=stranger, settings=COLLECTING)
    found = [camera.frame(gallery, n * 0.2).newly_unknown for n in range(12)]
    assert [number for number, faces in enumerate(found) if faces] == [3]  # not before four pictures agree
    (face,) = found[3]
    np.testing.assert_allclose(face.embedding, embedding(0, 0, 5), atol=1e-5)
    assert (face.chip_bgr.shape, 0 < face.quality <= 1) == ((150, 150, 3), True)

    without = stage(answer=stranger, settings=PipelineSettings(collect_unknown=True))
    assert [without.frame(gallery, n * 0.2).newly_unknown for n in range(4)][-1][0].chip_bgr is None
    off = stage(answer=stranger)
    assert not any(off.frame(gallery, n * 0.2).newly_unknown for n in range(12))
    assert all(evidence.chip_bgr is None for evidence in off.state.evidence.values())


def test_neither_who_is_known_nor_who_is_to_be_ignored_is_given_away(stage, gallery, embedding):
    known = stage(settings=COLLECTING)
    assert not any(known.frame(gallery, n * 0.2).newly_unknown for n in range(12))
    anchor = Template("i", "ignored:1", gallery.model_id, embedding(0, 0, 5))
    ignoring = Gallery([], model_id=gallery.model_id, ignored=[anchor])
    ignored = stage(answer=lambda chip: embedding(0, 0, 5.1), settings=COLLECTING)
    results = [ignored.frame(ignoring, n * 0.2) for n in range(12)]
    assert not any(result.newly_unknown for result in results)
    assert states(results[-1]) == [FaceState.UNKNOWN]


def test_whoever_withdraws_consent_in_view_of_the_camera_is_not_collected_as_a_stranger(stage, gallery):
    camera = stage(settings=COLLECTING)
    for n in range(5):
        camera.frame(gallery, n * 0.2)
    nobody = Gallery([], model_id=gallery.model_id)
    results = [camera.frame(nobody, 1 + n * 0.5) for n in range(12)]
    assert states(results[-1]) == [FaceState.UNKNOWN]
    assert not any(result.newly_unknown for result in results)


def test_a_poor_face_of_a_stranger_is_not_worth_keeping(stage, gallery, embedding):
    settings = PipelineSettings(collect_unknown=True, unknown_quality_min=0.99)
    camera = stage(answer=lambda chip: embedding(0, 0, 5), settings=settings)
    assert not any(camera.frame(gallery, n * 0.2).newly_unknown for n in range(12))
