"""Session descriptions (SDP) as text: what is looked at before anything is built from an offer, and what is added.

Pure, and apart from the WebRTC library: an offer that is too much, or holds no video, costs no import and no socket.
"""

from dataclasses import dataclass

from recognition.errors import RequestError

CANDIDATES_MAX = 50
MEDIA_MAX = 8
_SENDS = frozenset({"sendonly", "sendrecv"})
_DIRECTIONS = _SENDS | {"recvonly", "inactive"}


class SdpUnusable(RequestError):
    """What was sent is no session description, or not one of a camera."""

    code = "sdp_invalid"


class NoVideo(RequestError):
    """An offer that sends no video."""

    code = "sdp_no_video"


class TooManyCandidates(RequestError):
    """More addresses than any camera has."""

    code = "too_many_candidates"


class NotBundled(RequestError):
    """An offer that wants a transport for every medium; RFC 9725, section 4.4, demands one for all."""

    code = "sdp_not_bundled"


@dataclass(frozen=True, slots=True)
class Offer:
    """What matters of an offer. `video_mid` names the first medium that sends video; `setup` is its DTLS part."""

    video_mid: str
    setup: str
    ufrag: str
    candidates: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """A trickled fragment (RFC 8840): `candidates` are the values after `candidate:`."""

    ufrag: str | None
    candidates: tuple[str, ...]
    complete: bool


@dataclass(slots=True)
class _Medium:
    kind: str
    refused: bool
    mid: str = ""
    direction: str = "sendrecv"


def read_offer(text: str) -> Offer:
    """Check an offer. Raises SdpUnusable, NoVideo, NotBundled and TooManyCandidates."""
    lines = _lines(text)
    if not lines or lines[0] != "v=0":
        raise SdpUnusable("the body is no session description", hint="send the offer's SDP; its first line is v=0")
    media: list[_Medium] = []
    bundle: list[str] = []
    direction, ufrag, setup, fingerprint, candidates = "sendrecv", "", "actpass", False, 0
    for line in lines:
        name, _, value = line.partition(":")
        if line.startswith("m="):
            kind, *rest = line[2:].split(" ")
            media.append(_Medium(kind, refused=rest[:1] == ["0"], direction=direction))
        elif name == "a=mid" and media:
            media[-1].mid = value.strip()
        elif name == "a=ice-ufrag":
            ufrag = ufrag or value.strip()
        elif name == "a=setup":
            setup = value.strip()
        elif name == "a=fingerprint":
            fingerprint = True
        elif name == "a=candidate":
            candidates += 1
        elif name == "a=group" and value.startswith("BUNDLE "):
            bundle = bundle or value.split()[1:]
        elif name == "a=bundle-only" and media:
            media[-1].refused = False  # RFC 8843: port 0 then only says that it has no address of its own
        elif line.startswith("a=") and line[2:] in _DIRECTIONS:
            if media:
                media[-1].direction = line[2:]
            else:
                direction = line[2:]
    if not media or not ufrag or not fingerprint:
        missing = "no media" if not media else "no ICE user fragment" if not ufrag else "no DTLS fingerprint"
        raise SdpUnusable(f"the offer holds {missing}", hint="send the offer of a WebRTC connection as it is")
    if len(media) > MEDIA_MAX:
        raise SdpUnusable(f"the offer holds {len(media)} media", hint=f"{MEDIA_MAX} are the most; one is enough")
    _check_count(candidates)
    video = next((m for m in media if m.kind == "video" and m.direction in _SENDS and not m.refused), None)
    if video is None:
        raise NoVideo("the offer sends no video", hint="add a video track that is sendonly or sendrecv")
    if len(media) > 1 and bundle != [medium.mid for medium in media]:
        raise NotBundled("the offer does not bundle its media", hint="use the bundle policy max-bundle")
    return Offer(video.mid, setup, ufrag, candidates)


def read_fragment(text: str, *, known: int = 0) -> Fragment:
    """Read a fragment; `known` candidates came before. Raises SdpUnusable and TooManyCandidates."""
    ufrag: str | None = None
    candidates: list[str] = []
    complete = False
    for line in _lines(text):
        name, _, value = line.partition(":")
        if name == "a=ice-ufrag":
            ufrag = ufrag or value.strip()
        elif name == "a=candidate":
            # Every medium of a bundle repeats the same candidates.
            if value not in candidates:
                candidates.append(value)
        elif line == "a=end-of-candidates":
            complete = True
        elif line[1:2] != "=":
            raise SdpUnusable("the body is no fragment of a session description", hint="RFC 8840 describes it")
    if not candidates and not complete and ufrag is None:
        raise SdpUnusable("the fragment says nothing", hint="send candidates, or a=end-of-candidates")
    _check_count(known + len(candidates))
    return Fragment(ufrag, tuple(candidates), complete)


def limit_bandwidth(answer: str, max_kbps: int) -> str:
    """The same answer, asking the sender for no more than `max_kbps` of video (RFC 8866 `b=AS`, RFC 3890 `b=TIAS`)."""
    lines: list[str] = []
    in_video = False
    for line in answer.split("\r\n"):
        if line.startswith("m="):
            in_video = line.startswith("m=video")
        lines.append(line)
        if in_video and line.startswith("c="):
            lines += [f"b=AS:{max_kbps}", f"b=TIAS:{max_kbps * 1000}"]
    return "\r\n".join(lines)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _check_count(candidates: int) -> None:
    if candidates > CANDIDATES_MAX:
        raise TooManyCandidates(
            f"{candidates} candidates are more than the {CANDIDATES_MAX} that are taken", hint="send the likeliest ones"
        )
