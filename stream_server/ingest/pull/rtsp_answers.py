"""What a camera says over RTSP (RFC 2326), made safe before FFmpeg reads it. Pure: bytes in, bytes out.

FFmpeg opens a new connection wherever a camera redirects it, at any of its requests, and sends its first UDP packets to
whatever address the camera names. So redirects end here, and the only address that FFmpeg is told is the one that was
checked. Every header is written anew, so that FFmpeg cannot read something else out of it than was read here.
"""

import re

from stream_server.ingest.pull.job import Ended

HEADER_MAX_BYTES = 16 * 1024
BODY_MAX_BYTES = 2**20

_DOLLAR = 0x24  # begins a packet of RTP between the messages (RFC 2326, section 10.12)
_HEADER_END = re.compile(rb"\n\r*\n")
_ANSWER = re.compile(rb"RTSP/1\.\d +(\d{3})(?: .*)?")
_REQUEST = re.compile(rb"([A-Z_]+) \S+ RTSP/1\.\d")
_LENGTH = re.compile(rb"\d{1,7}")
_ADDRESSES = (b"source", b"destination")

ELSEWHERE = "the camera sends us to another address; give that one"
NO_RTSP = "what answers there does not speak RTSP"
UNREADABLE = "what the camera says over RTSP cannot be understood"


class Answers:
    """The bytes of one connection, from the camera at `camera_ip`."""

    def __init__(self, camera_ip: str) -> None:
        self._source = f"source={camera_ip}".encode()
        self._kept = b""
        self._through = 0
        self._messages = 0

    @property
    def messages(self) -> int:
        """Complete headers so far."""
        return self._messages

    def feed(self, data: bytes) -> bytes:
        """What FFmpeg may have of all that has come. Ended when it may have no more."""
        data = self._kept + data
        out: list[bytes] = []
        begin = at = 0
        while at < len(data):
            if self._through:
                step = min(self._through, len(data) - at)
                at += step
                self._through -= step
            elif data[at] == _DOLLAR:
                if len(data) - at < 4:
                    break
                self._through = 4 + int.from_bytes(data[at + 2 : at + 4], "big")
            elif data[at] in b"\r\n":  # between two messages
                out.append(data[begin:at])
                at += 1
                begin = at
            else:
                end = _HEADER_END.search(data, at, at + HEADER_MAX_BYTES)
                if end is None:
                    self._check_begin(data[at:])
                    break
                out += (data[begin:at], self._message(data[at : end.start()]))
                begin = at = end.end()
        out.append(data[begin:at])
        self._kept = data[at:]
        return b"".join(out)

    def _check_begin(self, data: bytes) -> None:
        """Not to wait for the end of what is no header."""
        line, newline, _ = data.partition(b"\n")
        line = line.replace(b"\r", b"")
        wrong = newline and not (_ANSWER.fullmatch(line) or _REQUEST.fullmatch(line))
        if wrong or len(data) >= HEADER_MAX_BYTES:
            raise self._unreadable()

    def _message(self, header: bytes) -> bytes:
        first, *lines = header.replace(b"\r", b"").split(b"\n")
        answer, request = _ANSWER.fullmatch(first), _REQUEST.fullmatch(first)
        if (answer is None and request is None) or b"\0" in header:
            raise self._unreadable()
        self._messages += 1
        if (answer and answer[1].startswith(b"3")) or (request and request[1] == b"REDIRECT"):
            raise Ended(ELSEWHERE, refused=True)
        lengths: set[int] = set()
        kept = [first]
        for line in lines:
            if line.startswith(b"$"):  # FFmpeg would take it for a packet
                raise self._unreadable()
            name, _, value = line.partition(b":")
            match name.strip().lower():
                case b"location":
                    continue
                case b"content-length":
                    if not _LENGTH.fullmatch(value.strip()):
                        raise self._unreadable()
                    lengths.add(int(value))
                case b"transport":
                    kept.append(b"Transport: " + self._transport(value))
                case _:
                    kept.append(line)
        length = lengths.pop() if lengths else 0
        if lengths or length > BODY_MAX_BYTES:
            raise self._unreadable()
        self._through = length
        return b"\r\n".join((*kept, b"Content-Length: %d" % length, b"", b""))

    def _transport(self, value: bytes) -> bytes:
        ways = []
        for way in value.split(b","):
            parts = [part for part in way.split(b";") if part.partition(b"=")[0].strip().lower() not in _ADDRESSES]
            ways.append(b";".join((*parts, self._source)))
        return b",".join(ways).strip()

    def _unreadable(self) -> Ended:
        return Ended(UNREADABLE) if self._messages else Ended(NO_RTSP, refused=True)
