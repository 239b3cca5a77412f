import math

import numpy as np
import pytest

from recognition.tracking import Tracker, TrackingSettings


def ids(tracks):
    return [track.track_id for track in tracks]


@pytest.mark.parametrize("fps", [2, 5, 30])
def test_a_walking_person_keeps_one_track_at_any_frame_rate(detection, fps):
    tracker = Tracker()
    # One and a half face widths a second: a person who crosses the room.
    seen = [ids(tracker.update([detection(150 * n / fps, 100)], n / fps)) for n in range(4 * fps)]
    assert seen == [[1]] * (4 * fps)


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_two_people_who_cross_keep_their_tracks(detection, fps):
    tracker = Tracker()
    for n in range(4 * fps):
        at = n / fps
        left, right = detection(100 + 120 * at, 100), detection(600 - 120 * at, 150)
        order = [left, right] if n % 2 else [right, left]
        tracks = tracker.update(order, at)
        mine = dict(zip([id(face) for face in order], ids(tracks), strict=True))
        if n == 0:
            first = (mine[id(left)], mine[id(right)])
        assert (mine[id(left)], mine[id(right)]) == first


def test_a_crossing_is_reported_as_a_disturbance(detection):
    tracker = Tracker()
    tracker.update([detection(0, 0), detection(200, 0)], 0.0)
    assert not any(track.disturbed for track in tracker.update([detection(40, 0), detection(160, 0)], 0.2))
    assert all(track.disturbed for track in tracker.update([detection(80, 0), detection(120, 0)], 0.4))


def test_a_class_that_sits_still_is_not_disturbed(detection):
    tracker = Tracker()
    random = np.random.default_rng(5)
    for n in range(10):
        seats = [
            detection(130 * i + random.normal(0, 3), 130 * j + random.normal(0, 3)) for i in range(6) for j in range(4)
        ]
        tracks = tracker.update(seats, n / 5)
        assert ids(tracks) == list(range(1, 25))
        assert not any(track.disturbed for track in tracks)


def test_a_face_missed_for_a_moment_keeps_its_track(detection):
    tracker = Tracker()
    tracker.update([detection(100, 100)], 0.0)
    tracker.update([], 0.5)
    assert ids(tracker.update([detection(110, 100)], 1.0)) == [1]


def test_a_track_ends_after_a_while_and_its_number_is_never_used_again(detection):
    tracker = Tracker(TrackingSettings(lost_after_s=2))
    tracker.update([detection(100, 100)], 0.0)
    tracker.update([], 2.1)
    assert tracker.tracks == ()
    assert ids(tracker.update([detection(100, 100)], 2.2)) == [2]


def test_a_face_far_away_or_of_another_size_is_somebody_else(detection):
    tracker = Tracker()
    tracker.update([detection(100, 100)], 0.0)
    assert ids(tracker.update([detection(500, 100)], 0.2)) == [2]
    assert ids(tracker.update([detection(100, 100, side=250)], 0.4)) == [3]


def test_a_frame_with_an_older_time_does_no_harm(detection):
    tracker = Tracker()
    tracker.update([detection(100, 100)], 5.0)
    (track,) = tracker.update([detection(105, 100)], 4.0)
    assert track.track_id == 1
    assert track.seen_mono == 5.0
    assert np.isfinite(track.velocity_xy).all()


def test_the_number_of_tracks_is_bounded_and_those_in_the_picture_stay(detection):
    tracker = Tracker(TrackingSettings(tracks_max=10))
    for n in range(50):
        tracker.update([detection(400.0 * n, 0)], n * 0.01)
        assert len(tracker.tracks) <= 10
    tracks = tracker.update([detection(400.0 * n, 1000) for n in range(15)], 0.6)
    assert len(tracks) == 15
    assert len(tracker.tracks) == 15


def test_people_on_circles_keep_their_tracks(detection):
    tracker = Tracker()
    for n in range(60):
        faces = [detection(300 * k + 60 * math.cos(n / 5 + k), 60 * math.sin(n / 5 + k), side=80) for k in range(5)]
        assert ids(tracker.update(faces, n / 10)) == [1, 2, 3, 4, 5]
