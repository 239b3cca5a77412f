from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.ingest.pull.job import Ended
from stream_server.ingest.pull.rtsp_answers import ELSEWHERE, HEADER_MAX_BYTES, NO_RTSP, UNREADABLE, Answers

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
SAFE_OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n"
PACKET = b"$\x00\x00\x05hello"


def safe(*pieces: bytes) -> bytes:
    answers = Answers("192.0.2.7")
    return b"".join(answers.feed(piece) for piece in pieces)


@given(st.lists(st.integers(0, 200), max_size=12))
def test_answers_bodies_and_packets_come_through_however_they_are_cut(cuts: list[int]) -> None:
    said = OK + PACKET + b"\r\n" + b"RTSP/1.0 200 OK\nContent-Length: 6\nX: y\n\n$\x00\x00\xffab" + PACKET + OK
    expected = (
        SAFE_OK
        + PACKET
        + b"RTSP/1.0 200 OK\r\nX: y\r\nContent-Length: 6\r\n\r\n$\x00\x00\xffab"
        + PACKET
        + SAFE_OK
    )  # fmt: skip
    places = [0, *sorted(cuts), len(said)]
    assert safe(*(said[a:b] for a, b in pairwise(places))) == expected


@pytest.mark.parametrize(
    "moved",
    [
        b"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://169.254.169.254/\r\n\r\n",
        b"RTSP/1.0 301 Moved\nLocation: rtsp://10.0.0.1/\n\n",
        b"RTSP/1.0   305 Use Proxy\r\n\r\n",
        b"RTSP/1.0 399\r\n\r\n",
        b"REDIRECT rtsp://10.0.0.1/ RTSP/1.0\r\nCSeq: 9\r\nLocation: rtsp://10.0.0.1/\r\n\r\n",
    ],
)
@pytest.mark.parametrize("before", [b"", OK, PACKET, OK + b"\r\n\r\n"])
def test_a_redirect_ends_the_connection_wherever_it_comes(before: bytes, moved: bytes) -> None:
    with pytest.raises(Ended) as end:
        safe(before + moved)
    assert (end.value.reason, end.value.refused) == (ELSEWHERE, True)


def test_a_location_is_never_passed_on() -> None:
    said = safe(b"RTSP/1.0 200 OK\r\nLOCATION : rtsp://10.0.0.1/\r\nLocation: rtsp://10.0.0.1/\r\n\r\n")
    assert b"10.0.0.1" not in said


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        (b"RTP/AVP;unicast;client_port=5-6;source=169.254.169.254;server_port=7-8",
         b"RTP/AVP;unicast;client_port=5-6;server_port=7-8;source=192.0.2.7"),
        (b"RTP/AVP;unicast; Source=10.0.0.1;destination=10.0.0.2,RTP/AVP/TCP;source=10.0.0.3;interleaved=0-1",
         b"RTP/AVP;unicast;source=192.0.2.7,RTP/AVP/TCP;interleaved=0-1;source=192.0.2.7"),
    ],
)  # fmt: skip
def test_the_only_address_for_udp_is_the_one_that_was_checked(said: bytes, passed: bytes) -> None:
    assert b"Transport: " + passed + b"\r\n" in safe(b"RTSP/1.0 200 OK\r\ntransport: " + said + b"\r\n\r\n")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"RTSP/1.0 3\x0002 Found\r\n\r\n",
        b"RTSP/1.0 OK\r\n",
        b"RTSP/1.0 200 OK\r\n$\x00\x00\x05hello\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 5\r\nContent-Length : 6\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 9999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"a" * HEADER_MAX_BYTES,
        b"a" * HEADER_MAX_BYTES,
    ],
)
def test_what_is_no_rtsp_or_could_be_read_in_two_ways_ends_the_connection(nonsense: bytes) -> None:
    with pytest.raises(Ended) as end:
        safe(nonsense)
    assert end.value.reason in (NO_RTSP, UNREADABLE)
    with pytest.raises(Ended) as later:
        safe(OK, nonsense)
    assert (later.value.reason, later.value.refused) == (UNREADABLE, False)


def test_an_endless_header_is_not_collected() -> None:
    answers = Answers("192.0.2.7")
    assert answers.feed(b"RTSP/1.0 200 OK\r\n") == b""
    lines = (answers.feed(b"X: y\r\n") for _ in range(HEADER_MAX_BYTES))
    with pytest.raises(Ended):
        list(lines)
