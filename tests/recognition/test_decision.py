import pytest

from recognition.decision import DecisionPolicy, classify, decide_single, one_face_per_identity
from recognition.types import FaceState, Match

POLICY = DecisionPolicy(accept_distance=0.5, review_distance=0.6, margin=0.1)


def match(person, distance, runner_up=None):
    return Match(person, "t", distance, None if runner_up is None else "other", runner_up)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (None, FaceState.UNKNOWN),
        (match("ada", 0.4), FaceState.KNOWN),
        (match("ada", 0.5, 0.7), FaceState.KNOWN),
        (match("ada", 0.51, 0.9), FaceState.REVIEW),
        (match("ada", 0.6, 0.9), FaceState.REVIEW),
        (match("ada", 0.61, 0.9), FaceState.UNKNOWN),
        (match("ada", 0.4, 0.45), FaceState.REVIEW),
        (match("ada", 0.4, 0.51), FaceState.KNOWN),
        (Match("ignored:7", "t", 0.1, "ada", 0.9, ignored=True), FaceState.UNKNOWN),
        (Match("ignored:7", "t", 0.55, "ada", 0.56, ignored=True), FaceState.UNKNOWN),
    ],
)
def test_two_thresholds_and_a_margin_decide(found, state):
    assert classify(found, POLICY) is state


def test_nobody_is_in_one_picture_twice():
    states = decide_single([match("ada", 0.4), match("ada", 0.3), match("bea", 0.45), match("ada", 0.58)], POLICY)
    assert states == [FaceState.REVIEW, FaceState.KNOWN, FaceState.KNOWN, FaceState.REVIEW]


def test_a_face_that_is_not_known_takes_nobody_s_place():
    matches = [match("ada", 0.3, 0.35), match("ada", 0.4, 0.6)]
    assert decide_single(matches, POLICY) == [FaceState.REVIEW, FaceState.KNOWN]


def test_of_two_equal_faces_only_one_is_known():
    states = one_face_per_identity([FaceState.KNOWN] * 2, [match("ada", 0.3)] * 2)
    assert states == [FaceState.KNOWN, FaceState.REVIEW]


def test_a_picture_without_faces_decides_nothing():
    assert decide_single([], POLICY) == []


def test_one_frame_decides_only_at_a_kiosk_and_only_alone():
    assert DecisionPolicy().frames_needed(alone=True) == 2
    assert DecisionPolicy(kiosk=True).frames_needed(alone=True) == 1
    assert DecisionPolicy(kiosk=True).frames_needed(alone=False) == 2
    assert DecisionPolicy(min_evidence_frames=1).frames_needed(alone=True) == 2
