"""Pictures out of anything that FFmpeg opens: RTSP, HLS, files. Runs in a reader."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream_server.ingest.pull.address import file_path, resolve
from stream_server.ingest.pull.job import Clock, Ended, Job, Opened, Picture, Pictures
from stream_server.ingest.pull.rtsp_relay import RtspRelay

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

IMAGES = (".jpg", ".jpeg", ".png", ".webp")
# The header tells all that is needed; looking at the stream first would take two seconds of every opening.
_QUICK = {"probesize": "32", "analyzeduration": "0"}


def rtsp_pictures(job: Job) -> Pictures:
    """RTSP over TCP, and over UDP when the camera does not take TCP (or the other way round, as ordered)."""
    order, address = job.order, job.order.address
    ips = resolve(address, order.rules)
    kinds = ("tcp", "udp") if order.transport == "auto" else (order.transport,)
    if address.scheme == "rtsps":
        kinds = ("tcp",)  # what goes over UDP would not be encrypted
    for kind in kinds:
        job.step()
        options = {**_QUICK, "rtsp_transport": kind, "protocol_whitelist": "rtsp,rtp,srtp,tcp,udp,crypto"}
        relay = RtspRelay(address, ips, open_s=order.open_s, verify_tls=order.verify_tls)
        try:
            with relay, open_container(job, relay.url(order.username, order.password), options) as container:
                yield from play(job, container, via=f"{address.scheme}/{kind}")
        except (_OtherTransport, Ended) as error:
            if relay.refusal is not None:  # what FFmpeg says of it is only that the line was cut
                raise relay.refusal from None
            if isinstance(error, Ended):
                raise
            if kind == kinds[-1]:
                raise Ended(f"the camera does not stream over {' or '.join(kinds).upper()}", refused=True) from None
            continue
        raise relay.refusal or Ended("the camera ended the stream")


def file_pictures(job: Job) -> Pictures:
    """A recording, or the pictures of a folder by name, over and over in real time."""
    path = file_path(job.order.address, job.order.rules)
    if not path.exists():
        raise Ended("there is no such file in the replay folder", refused=True)
    while True:
        if path.is_dir():
            yield from _folder(job, path)
        else:
            with open_container(job, str(path), {"protocol_whitelist": "file"}) as container:
                yield from play(job, container, via="file", in_real_time=True)


def play(job: Job, container: "InputContainer", *, via: str, in_real_time: bool = False) -> Pictures:
    """The pictures of an open container: JPEG as it is, anything else decoded, as many as the pace asks for.

    `in_real_time` waits until the time of a picture has come, for what arrives in lumps or all at once.
    """
    stream = _video_of(container)
    context = stream.codec_context
    context.thread_count = 1  # a reader has a thread for each camera already
    check_size(job, context.width, context.height)
    is_jpeg = context.name == "mjpeg"
    opened = False
    clock, keys = Clock(), _KeyFrames()
    began_mono, first_s = time.monotonic(), None
    asked_mono = began_mono
    for packet in container.demux(stream):
        if not in_real_time and time.monotonic() - asked_mono >= job.order.read_s:
            # FFmpeg's time-out first gives out what its parser still held, and raises only after the next one.
            raise Ended("the camera did not answer in time")
        job.step(1)
        if packet.size == 0:  # the end of what can be decoded
            continue
        stream_s = None if packet.pts is None or packet.time_base is None else float(packet.pts * packet.time_base)
        if in_real_time and stream_s is not None:
            first_s = stream_s if first_s is None else first_s
            job.wait(min(10.0, began_mono + stream_s - first_s - time.monotonic()))
        now = time.monotonic()
        if not opened and now - began_mono > job.order.first_frame_s:
            raise Ended(f"no picture came within {job.order.first_frame_s:.0f} s")
        if packet.is_keyframe and not is_jpeg:
            context.skip_frame = "NONKEY" if keys.suffice(now, job.pace_fps) else "DEFAULT"
        pictures: list[Any] = [packet] if is_jpeg else _decoded(packet)
        for picture in pictures:
            width, height = (context.width, context.height) if is_jpeg else (picture.width, picture.height)
            check_size(job, width, height)
            if not opened:
                opened = True
                rate = stream.guessed_rate or stream.average_rate
                yield Opened(via, context.name, width, height, float(rate) if rate else None)
            if job.is_due(clock.at(stream_s, now)):
                yield Picture("encoded", bytes(picture), width, height) if is_jpeg else _planes(job, picture)
        asked_mono = time.monotonic()


class _OtherTransport(Exception):
    """The camera refuses this way of carrying RTP."""


class _KeyFrames:
    """How often key frames come."""

    def __init__(self) -> None:
        self._last_mono: float | None = None
        self._every_s: float | None = None

    def suffice(self, now_mono: float, pace_fps: float) -> bool:
        """Note a key frame; whether key frames alone are as many as the pace asks for."""
        if self._last_mono is not None:
            gap_s = now_mono - self._last_mono
            self._every_s = gap_s if self._every_s is None else 0.5 * (self._every_s + gap_s)
        self._last_mono = now_mono
        return self._every_s is not None and self._every_s <= 1.05 / pace_fps


@contextmanager
def open_container(job: Job, url: str, options: dict[str, str], **more: Any) -> "Iterator[InputContainer]":
    """An open container; every failure of FFmpeg inside the block becomes Ended. Its words hold the address."""
    import av

    options = {"max_pixels": str(job.order.max_pixels), **options}
    try:
        with av.open(url, options=options, timeout=(job.order.open_s, job.order.read_s), **more) as container:
            yield container
    except av.FFmpegError as error:
        raise _ended(error) from None


def _ended(error: Any) -> Exception:
    import av

    refused = {
        av.HTTPUnauthorizedError: "the camera wants a user and a password, or others (401)",
        av.HTTPForbiddenError: "the camera does not allow it (403)",
        av.HTTPNotFoundError: "the camera has no such stream (404)",
        av.ProtocolNotFoundError: "this kind of address is not supported",
        av.DecoderNotFoundError: "the camera sends a codec that is not supported",
        av.DemuxerNotFoundError: "what the camera sends is not supported",
        av.FileNotFoundError: "there is no such file in the replay folder",
    }
    for kind, reason in refused.items():
        if isinstance(error, kind):
            return Ended(reason, refused=True)
    # 461 Unsupported Transport, and cameras that say it less exactly.
    if isinstance(error, av.HTTPClientError) or error.errno == errno.EPROTONOSUPPORT:
        return _OtherTransport()
    passing = {
        av.ExitError: "the camera did not answer in time",
        av.TimeoutError: "the camera did not answer in time",
        av.ConnectionRefusedError: "nothing listens at the camera's address",
        av.ConnectionResetError: "the camera cut the connection",
        av.InvalidDataError: "what the camera sends cannot be read",
        av.EOFError: "the camera ended the stream",
    }
    for kind, reason in passing.items():
        if isinstance(error, kind):
            return Ended(reason)
    return Ended(f"the stream cannot be read ({type(error).__name__})")


def _video_of(container: "InputContainer") -> "VideoStream":
    if not container.streams.video:
        raise Ended("there is no video at the address", refused=True)
    return container.streams.video[0]


def check_size(job: Job, width: int, height: int) -> None:
    """Ended when pictures of that size are not taken."""
    if width * height > job.order.max_pixels:
        raise Ended(
            f"the pictures have {width}x{height} pixels, more than the {job.order.max_pixels} that are taken: "
            "choose a smaller stream of the camera",
            refused=True,
        )


def _decoded(packet: Any) -> list[Any]:
    import av

    try:
        return list(packet.decode())
    except av.InvalidDataError:
        return []  # a lost packet; the next key frame mends it
    except av.ArgumentError:
        raise Ended("the pictures are too large or cannot be decoded", refused=True) from None


def _planes(job: Job, frame: "VideoFrame") -> Picture:
    shrink = min(1.0, job.order.max_side_px / max(frame.width, frame.height))
    width, height = (max(2, round(side * shrink / 2) * 2) for side in (frame.width, frame.height))
    if (width, height, frame.format.name) != (frame.width, frame.height, "yuv420p"):
        frame = frame.reformat(width=width, height=height, format="yuv420p")
    return Picture("i420", frame.to_ndarray(), width, height)


def _folder(job: Job, folder: Path) -> Pictures:
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES and path.is_file())
    if not pictures:
        raise Ended("there are no pictures in the folder", refused=True)
    yield Opened("folder", pictures[0].suffix[1:].lower())
    for path in pictures:
        # A link in the folder must not lead out of it.
        if path.resolve().is_relative_to(folder.resolve()) and path.stat().st_size <= job.order.max_bytes:
            yield Picture("encoded", path.read_bytes())
        job.wait(1.0 / job.pace_fps)
