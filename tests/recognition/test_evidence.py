import numpy as np
import pytest

from recognition.decision import DecisionPolicy
from recognition.evidence import TrackEvidence, most_wanting
from recognition.gallery import Gallery
from recognition.types import FaceState, Quality, QualityVerdict, Template

POLICY = DecisionPolicy(accept_distance=0.5, review_distance=0.6, margin=0.05, refresh_s=2.0)


def quality(score=0.5, size_px=40.0):
    return Quality(size_px, 0.1, 0, 0, score, QualityVerdict.OK)


def view(seed):
    signature = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    return signature / np.linalg.norm(signature)


@pytest.fixture
def gallery(embedding):
    return Gallery([Template("a", "ada", "m", embedding(0)), Template("b", "bea", "m", embedding(1))], model_id="m")


@pytest.fixture
def known(gallery, embedding):
    evidence = TrackEvidence(POLICY)
    evidence.follow(view(1), disturbed=False)
    for at in (0.0, 0.2):
        evidence.add(embedding(0.1), quality(), gallery, at)
    assert evidence.decide(alone=True) is FaceState.KNOWN
    return evidence


def test_one_frame_never_decides_and_two_do(gallery, embedding):
    evidence = TrackEvidence(POLICY)
    assert evidence.decide(alone=True) is FaceState.PENDING
    evidence.add(embedding(0.1), quality(), gallery, 0.0)
    assert evidence.decide(alone=True) is FaceState.PENDING
    evidence.add(embedding(0.1), quality(), gallery, 0.2)
    assert evidence.decide(alone=True) is FaceState.KNOWN
    assert evidence.match.person_id == "ada"
    assert evidence.agreeing() == 2


def test_one_frame_decides_at_a_kiosk_when_nobody_else_is_there(gallery, embedding):
    evidence = TrackEvidence(DecisionPolicy(kiosk=True))
    evidence.add(embedding(0.1), quality(), gallery, 0.0)
    assert evidence.decide(alone=False) is FaceState.PENDING
    assert evidence.decide(alone=True) is FaceState.KNOWN
    assert evidence.decide(alone=False) is FaceState.KNOWN


def test_a_mean_of_pictures_that_agree_with_nobody_is_not_known(gallery, embedding):
    # Each picture is 0.62 from ada, in opposite directions; their mean lies upon her.
    evidence = TrackEvidence(POLICY)
    evidence.add(embedding(0, 0.62), quality(), gallery, 0.0)
    evidence.add(embedding(0, -0.62), quality(), gallery, 0.2)
    assert evidence.decide(alone=True) is not FaceState.KNOWN


def test_the_spread_of_the_pictures_is_not_lost_in_their_mean(gallery, embedding):
    evidence = TrackEvidence(POLICY)
    evidence.add(embedding(0, 0.3), quality(), gallery, 0.0)
    evidence.add(embedding(0, -0.2), quality(), gallery, 0.2)
    assert evidence.match.distance == pytest.approx(np.sqrt((0.3**2 + 0.2**2) / 2), abs=1e-4)


def test_better_pictures_weigh_more(gallery, embedding):
    evidence = TrackEvidence(POLICY)
    evidence.add(embedding(0, 0.4), quality(0.1), gallery, 0.0)
    evidence.add(embedding(0, 0.1), quality(0.9), gallery, 0.2)
    assert evidence.match.distance < 0.2


def test_an_unknown_face_is_unknown_and_looked_at_until_there_is_enough(gallery, embedding):
    evidence = TrackEvidence(POLICY)
    for at in range(POLICY.evidence_max):
        assert evidence.wants_embedding(quality(), at * 0.2)
        evidence.add(embedding(0, 2), quality(), gallery, at * 0.2)
    assert evidence.decide(alone=True) is FaceState.UNKNOWN
    assert not evidence.wants_embedding(quality(), 1.5)
    assert evidence.wants_embedding(quality(), 60)


def test_an_empty_gallery_leaves_a_face_unknown(embedding):
    evidence = TrackEvidence(POLICY)
    for at in (0.0, 0.2):
        evidence.add(embedding(1), quality(), Gallery([], model_id="m"), at)
    assert evidence.decide(alone=True) is FaceState.UNKNOWN
    assert evidence.match is None


def test_a_known_face_that_stands_still_is_left_alone_until_it_is_stale(known):
    assert not known.wants_look(40, 1.0)
    assert not known.wants_embedding(quality(), 1.0)
    assert known.wants_look(40, 2.3)
    assert known.wants_embedding(quality(), 2.3)


def test_a_face_is_settled_when_another_picture_of_it_standing_still_adds_nothing(known, gallery, embedding):
    assert known.is_settled(1.0)
    assert not known.is_settled(2.3)  # stale
    known.follow(view(2), disturbed=False)
    assert not known.is_settled(1.0)  # in doubt
    nobody = TrackEvidence(POLICY)
    assert nobody.is_settled(0.0)  # it could not be compared, and cannot as long as it does not change
    for at in range(POLICY.evidence_max):
        nobody.add(embedding(0, 2), quality(), gallery, at * 0.1)
        nobody.decide(alone=True)
        assert nobody.is_settled(at * 0.1) == (at == POLICY.evidence_max - 1)


def test_a_known_face_that_comes_nearer_or_clearer_is_looked_at_again(known):
    assert known.wants_look(50, 1.0)
    assert known.wants_embedding(quality(0.9), 1.0)


def test_somebody_else_in_the_same_track_ends_the_evidence(known, gallery, embedding):
    known.add(embedding(1), quality(), gallery, 3.0)
    assert known.frames == 1
    assert known.decide(alone=True) is FaceState.PENDING
    known.add(embedding(1), quality(), gallery, 3.2)
    assert known.decide(alone=True) is FaceState.KNOWN
    assert known.match.person_id == "bea"


def test_a_poor_picture_of_the_same_person_does_not_end_the_evidence(known, gallery, embedding):
    known.add(embedding(0, 0.59), quality(0.1), gallery, 3.0)
    assert known.frames == 3
    assert known.decide(alone=True) is FaceState.KNOWN


def test_a_view_that_jumps_takes_the_name_away_until_it_is_confirmed(known, gallery, embedding):
    known.follow(view(1), disturbed=False)
    assert known.decide(alone=True) is FaceState.KNOWN
    known.follow(view(2), disturbed=False)
    assert known.decide(alone=True) is FaceState.PENDING
    assert known.wants_look(40, 0.5)
    assert known.wants_embedding(quality(), 0.5)
    known.add(embedding(0.12), quality(), gallery, 0.5)
    assert known.decide(alone=True) is FaceState.KNOWN


def test_a_face_in_doubt_that_is_not_confirmed_begins_anew(known, gallery, embedding):
    known.follow(view(1), disturbed=True)
    known.add(embedding(0.55), quality(), gallery, 0.5)
    assert known.frames == 1
    assert known.decide(alone=True) is FaceState.PENDING


def test_whoever_leaves_the_gallery_is_known_no_more(known, gallery, embedding):
    smaller = Gallery([Template("b", "bea", "m", embedding(1))], model_id="m")
    assert known.generation != smaller.generation
    known.rematch(smaller)
    assert known.decide(alone=True) is FaceState.UNKNOWN
    assert known.match.person_id == "bea"
    known.rematch(Gallery([], model_id="m"))
    assert known.match is None
    assert known.decide(alone=True) is FaceState.UNKNOWN


def test_whoever_joins_the_gallery_is_known_without_another_picture(gallery, embedding):
    evidence = TrackEvidence(POLICY)
    for at in (0.0, 0.2):
        evidence.add(embedding(0, 2), quality(), gallery, at)
    assert evidence.decide(alone=True) is FaceState.UNKNOWN
    evidence.rematch(Gallery([Template("c", "cem", "m", embedding(0, 2))], model_id="m"))
    assert evidence.decide(alone=True) is FaceState.KNOWN
    assert evidence.match.person_id == "cem"


def test_pictures_that_never_agree_end_in_review(embedding):
    gallery = Gallery(
        [
            Template("a", "ada", "m", embedding(0.45)),
            Template("b", "bea", "m", embedding(-0.45)),
            Template("c", "cem", "m", embedding(0, 0.3)),
        ],
        model_id="m",
    )
    evidence = TrackEvidence(DecisionPolicy(evidence_max=4, break_distance=9))
    for at, x in enumerate([0.3, -0.3, 0.3, -0.3]):
        evidence.add(embedding(x), quality(), gallery, at * 0.2)
        assert evidence.decide(alone=True) in (FaceState.PENDING, FaceState.REVIEW)
    assert evidence.agreeing() == 0
    assert evidence.decide(alone=True) is FaceState.REVIEW


def test_when_time_is_short_the_least_known_faces_come_first(gallery, embedding, known):
    fresh = TrackEvidence(POLICY)
    once = TrackEvidence(POLICY)
    once.add(embedding(0), quality(), gallery, 0.0)
    assert most_wanting([known, fresh, once], 2) == [1, 2]
    assert most_wanting([known], 5) == [0]
