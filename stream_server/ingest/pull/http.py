"""Pictures over HTTP: MJPEG, snapshots, HLS. Runs in a reader.

Every request, also those for redirects and for the parts of an HLS stream, is made by `Fetcher`: it resolves the name,
checks what it stands for, and connects to just that address.
"""

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import httpx

from recognition.errors import ImageError, RequestError
from recognition.image_headers import read_header
from stream_server.ingest.pull.address import parse, resolve
from stream_server.ingest.pull.job import Ended, Job, Opened, Picture, Pictures
from stream_server.ingest.pull.video import check_size, open_container, play

REDIRECTS_MAX = 3
PLAYLIST_MAX_BYTES = 2**20
SEGMENT_MAX_BYTES = 64 * 2**20
PART_HEADER_MAX_BYTES = 4096
SNAPSHOT_MAX_FPS = 5.0

_WHY_REFUSED = {
    401: "the camera wants a user and a password, or others (401)",
    403: "the camera does not allow it (403)",
    404: "the camera has nothing at this address (404)",
    410: "the camera has nothing at this address (410)",
}


def http_pictures(job: Job) -> Pictures:
    """Whatever is at the address: what the camera says of its content decides how it is read."""
    with Fetcher(job) as fetcher:
        url = job.order.address.url
        with fetcher.get(url) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "multipart/x-mixed-replace":
                yield from _mjpeg(job, response)
                raise Ended("the camera ended the stream")
        if kind.startswith("image/"):
            yield from _snapshots(job, fetcher, url)
        elif "mpegurl" in kind or url.partition("?")[0].endswith((".m3u8", ".m3u")):
            yield from _hls(job, fetcher, url)
            raise Ended("the stream has ended")
        else:
            raise Ended(f"content of the type {kind[:60] or 'unknown'!r} is not supported", refused=True)


class Fetcher:
    """Makes requests of one camera. Credentials go to the camera's own address and nowhere else."""

    def __init__(self, job: Job) -> None:
        order = self._order = job.order
        self._job = job
        self._origin = order.address.origin
        self._auth: httpx.Auth | None = None
        self._client = httpx.Client(
            timeout=httpx.Timeout(order.read_s, connect=order.open_s),
            verify=order.verify_tls,
            trust_env=False,  # a proxy would connect to where it likes
            headers={"User-Agent": "rollcall", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> "Fetcher":
        """Open it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        self._client.close()

    @contextmanager
    def get(self, url: str) -> Iterator[httpx.Response]:
        """The response to a GET, after redirects, with its body still to be read. Raises Ended."""
        response = None
        try:
            for _ in range(REDIRECTS_MAX + 1):
                response = self._send(url)
                if not response.is_redirect:
                    break
                response.close()
                url = urljoin(url, response.headers.get("location", ""))
            else:
                raise Ended("the camera sends us from one address to the next", refused=True)
            _check_status(response.status_code)
            yield response
        except RequestError as error:
            raise Ended(error.detail, refused=True) from None
        except httpx.TimeoutException:
            raise Ended("the camera did not answer in time") from None
        except httpx.ConnectError as error:
            raise Ended(_why_not_connected(error)) from None
        except httpx.RemoteProtocolError:
            raise Ended("the camera's answer is no proper HTTP, or never ends") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Ended(f"the stream cannot be read ({type(error).__name__})") from None
        finally:
            if response is not None:
                response.close()

    def read(self, url: str, max_bytes: int) -> tuple[bytes, str]:
        """A whole body and its type; Ended when it is longer than that."""
        body = bytearray()
        with self.get(url) as response:
            for chunk in response.iter_raw():
                self._job.step(1)
                body += chunk
                if len(body) > max_bytes:
                    raise Ended(f"an answer of the camera is longer than {max_bytes} bytes", refused=True)
            return bytes(body), response.headers.get("content-type", "")

    def _send(self, url: str) -> httpx.Response:
        self._job.step()
        address, _, _ = parse(url, self._order.rules)
        if address.scheme not in ("http", "https"):
            raise Ended("the camera sends us to an address that is not HTTP", refused=True)
        ip = resolve(address, self._order.rules)[0]
        host = f"[{address.host}]" if ":" in address.host else address.host
        request = self._client.build_request(
            "GET",
            address.at_ip(ip),
            headers={"Host": f"{host}:{address.port}"},
            extensions={"sni_hostname": address.host, "timeout": self._client.timeout.as_dict()},
        )
        own = address.origin == self._origin
        response = self._client.send(request, stream=True, auth=self._auth if own else None, follow_redirects=False)
        if response.status_code == 401 and own and self._auth is None and self._order.username:
            response.close()
            self._auth = self._answer_to(response.headers.get("www-authenticate", ""))
            response = self._client.send(request, stream=True, auth=self._auth, follow_redirects=False)
        return response

    def _answer_to(self, challenge: str) -> httpx.Auth:
        kind = httpx.DigestAuth if "digest" in challenge.lower() else httpx.BasicAuth
        return kind(self._order.username, self._order.password)


def _check_status(status: int) -> None:
    if status >= 500 or status in (408, 429):
        raise Ended(f"the camera answers {status}")
    if status != 200:
        raise Ended(_WHY_REFUSED.get(status, f"the camera answers {status}"), refused=True)


def _why_not_connected(error: httpx.ConnectError) -> str:
    if "CERTIFICATE" in str(error).upper():
        return "the camera's certificate is not trusted (ROLLCALL_PULL__VERIFY_TLS=false takes any)"
    return "nothing listens at the camera's address, or it cannot be reached"


def _mjpeg(job: Job, response: httpx.Response) -> Pictures:
    """The parts of a multipart stream, as they are."""
    found = re.search(r'boundary="?([^";]+)', response.headers.get("content-type", ""))
    if found is None:
        raise Ended("the camera's MJPEG stream has no boundary", refused=True)
    # Some cameras write the dashes into the header too.
    boundary = b"--" + found[1].strip().removeprefix("--").encode("latin-1", "replace")
    opened = False
    for part in _parts(job, response, boundary):
        if not opened:
            opened = True
            yield _opened_with(job, "http/mjpeg", part)
        if job.is_due(time.monotonic()):
            yield Picture("encoded", part)


def _parts(job: Job, response: httpx.Response, boundary: bytes) -> Iterator[bytes]:
    most = job.order.max_bytes + PART_HEADER_MAX_BYTES
    buffer = bytearray()
    searched, began = 0, False
    for chunk in response.iter_raw():
        job.step()
        buffer += chunk
        while (end := buffer.find(boundary, searched)) >= 0:
            part, buffer, searched = bytes(buffer[:end]), buffer[end + len(boundary) :], 0
            header, gap, body = part.partition(b"\r\n\r\n")
            if began and gap and len(header) <= PART_HEADER_MAX_BYTES and body:
                job.step(1)
                yield body.removesuffix(b"\r\n")
            began = True
        searched = max(0, len(buffer) - len(boundary))
        if len(buffer) > most:
            raise Ended(f"a picture of the camera is longer than {job.order.max_bytes} bytes", refused=True)


def _snapshots(job: Job, fetcher: Fetcher, url: str) -> Pictures:
    """One picture after the other, asked for at the pace."""
    opened = False
    while True:
        began = time.monotonic()
        body, kind = fetcher.read(url, job.order.max_bytes)
        if not kind.startswith("image/"):
            raise Ended("the camera no longer sends pictures")
        if not opened:
            opened = True
            yield _opened_with(job, "http/snapshot", body)
        yield Picture("encoded", body)
        job.wait(max(0.01, began + 1.0 / min(job.pace_fps, SNAPSHOT_MAX_FPS) - time.monotonic()))


def _opened_with(job: Job, via: str, picture: bytes) -> Opened:
    """What the header of the first picture says. Ended when it is larger than what is taken, or no picture."""
    try:
        header = read_header(picture)
    except ImageError as error:
        raise Ended(error.detail) from None
    check_size(job, header.width, header.height)
    return Opened(via, header.format, header.width, header.height)


def _hls(job: Job, fetcher: Fetcher, url: str) -> Pictures:
    def io_open(wanted: str, _flags: int, _options: dict[str, Any]) -> io.BytesIO:
        if not wanted.startswith(("http://", "https://")):
            raise Ended("the stream names parts that are not HTTP", refused=True)
        limit = PLAYLIST_MAX_BYTES if wanted == url else SEGMENT_MAX_BYTES
        body, _ = fetcher.read(wanted, limit)
        return io.BytesIO(body)

    # Both would let FFmpeg reuse connections of its own, past `io_open`.
    options = {"http_persistent": "0", "http_multiple": "0"}
    with open_container(job, url, options, format="hls", io_open=io_open) as container:
        yield from play(job, container, via="http/hls", in_real_time=True)
