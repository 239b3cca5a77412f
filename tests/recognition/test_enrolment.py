from recognition.enrolment import EnrolmentRefusal, face_meant, side_px


def test_a_photograph_without_a_face_means_nobody():
    assert face_meant([]) is EnrolmentRefusal.NO_FACE


def test_the_only_face_is_meant(detection):
    face = detection(0, 0)
    assert face_meant([face]) is face
    assert side_px(face) == 100


def test_a_small_bystander_does_not_matter_whatever_the_order(detection):
    large, small = detection(0, 0, side=200), detection(300, 0, side=90, score=0.99)
    assert face_meant([small, large]) is large


def test_two_faces_of_comparable_size_are_refused(detection):
    assert face_meant([detection(0, 0, side=200), detection(300, 0, side=110)]) is EnrolmentRefusal.SEVERAL_FACES
