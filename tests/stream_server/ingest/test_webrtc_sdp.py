import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition.errors import RequestError
from stream_server.ingest.webrtc_sdp import (
    CANDIDATES_MAX,
    MEDIA_MAX,
    Fragment,
    NotBundled,
    NoVideo,
    Offer,
    SdpUnusable,
    TooManyCandidates,
    limit_bandwidth,
    read_fragment,
    read_offer,
)

HEAD = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
KEYS = ["a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=fingerprint:sha-256 00:11", "a=setup:actpass"]
VIDEO = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendonly", "a=rtpmap:96 VP8/90000"]
AUDIO = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:1", "a=sendonly"]


def sdp(*parts: list[str]) -> str:
    return "\r\n".join(line for part in parts for line in part) + "\r\n"


def candidates(count: int) -> list[str]:
    return [f"a=candidate:{n} 1 udp 2130706431 192.0.2.1 {n + 1} typ host" for n in range(count)]


def test_an_offer_is_read() -> None:
    offer = read_offer(sdp(HEAD, ["a=group:BUNDLE 0 1"], VIDEO, KEYS, candidates(3), AUDIO, KEYS))
    assert offer == Offer(video_mid="0", setup="actpass", ufrag="abcd", candidates=3)


def test_keys_may_stand_before_all_media_and_lines_end_as_they_like() -> None:
    text = sdp(HEAD, KEYS[:-1], ["a=setup:passive"], VIDEO).replace("\r\n", "\n")
    assert read_offer(text) == Offer(video_mid="0", setup="passive", ufrag="abcd", candidates=0)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", SdpUnusable),
        ("nonsense", SdpUnusable),
        ('{"sdp": "v=0", "type": "offer"}', SdpUnusable),
        (sdp(HEAD), SdpUnusable),
        (sdp(HEAD, VIDEO, KEYS[1:]), SdpUnusable),
        (sdp(HEAD, VIDEO, KEYS[:2]), SdpUnusable),
        (sdp(HEAD, KEYS, AUDIO), NoVideo),
        (sdp(HEAD, KEYS, [*VIDEO, "a=recvonly"]), NoVideo),
        (sdp(HEAD, KEYS, ["a=inactive"], [line for line in VIDEO if line != "a=sendonly"]), NoVideo),
        (sdp(HEAD, KEYS, ["m=video 0 UDP/TLS/RTP/SAVPF 96", "a=mid:0", "a=sendonly"]), NoVideo),
        (sdp(HEAD, KEYS, VIDEO, AUDIO), NotBundled),
        (sdp(HEAD, ["a=group:BUNDLE 1 0"], KEYS, VIDEO, AUDIO), NotBundled),
        (sdp(HEAD, KEYS, *[VIDEO] * (MEDIA_MAX + 1)), SdpUnusable),
        (sdp(HEAD, KEYS, VIDEO, candidates(CANDIDATES_MAX + 1)), TooManyCandidates),
        (sdp(HEAD, KEYS, VIDEO, candidates(500)), TooManyCandidates),
    ],
)
def test_an_offer_of_no_camera_is_refused_and_says_why(text: str, error: type[RequestError]) -> None:
    with pytest.raises(error) as refused:
        read_offer(text)
    assert refused.value.detail
    assert refused.value.hint


def test_a_medium_without_a_port_of_its_own_is_not_refused_when_it_is_bundled() -> None:
    video = ["m=video 0 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=bundle-only", "a=sendonly"]
    audio = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=sendonly"]
    assert read_offer(sdp(HEAD, ["a=group:BUNDLE 0 1"], KEYS, audio, video)).video_mid == "1"


@given(st.text(max_size=2000) | st.lists(st.sampled_from(HEAD + KEYS + VIDEO + AUDIO), max_size=40).map("\n".join))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    for read in (read_offer, read_fragment):
        with contextlib.suppress(RequestError):
            read(text)


def test_a_fragment_gives_each_candidate_once() -> None:
    value = "1 1 udp 2130706431 192.0.2.1 9 typ host"
    media = [f"a=candidate:{value}", "a=end-of-candidates"]
    text = sdp(
        ["a=ice-ufrag:abcd", "a=ice-pwd:x", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0"],
        media,
        ["m=audio 9 R 1"],
        media,
    )
    assert read_fragment(text) == Fragment(ufrag="abcd", candidates=(value,), complete=True)


@pytest.mark.parametrize("text", ["", "nonsense", "a=mid:0\r\n"])
def test_a_fragment_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(SdpUnusable):
        read_fragment(text)


def test_candidates_are_counted_over_all_fragments() -> None:
    text = sdp(candidates(10))
    assert len(read_fragment(text, known=CANDIDATES_MAX - 10).candidates) == 10
    with pytest.raises(TooManyCandidates):
        read_fragment(text, known=CANDIDATES_MAX - 9)


def test_the_bandwidth_is_limited_for_video_only() -> None:
    lines = limit_bandwidth(sdp(HEAD, AUDIO, VIDEO), 700).split("\r\n")
    assert lines.count("b=AS:700") == 1
    at = lines.index("b=AS:700")
    assert lines[at - 2 : at + 3] == [*VIDEO[:2], "b=AS:700", "b=TIAS:700000", VIDEO[2]]
    assert lines[-1] == ""
