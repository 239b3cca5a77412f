"""RTSP cameras to pull from: GStreamer's server, VLC, and one of our own that says what it should not.

Shared with the benchmarks. Where a program is missing `PartnerMissing` is raised, which skips a test.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("gst_rtsp_server.py")
ENCODE = (
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={keys} bitrate=1500 ! "
    "video/x-h264,profile=constrained-baseline ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1"
)
TEST_PICTURE = "videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={fps}/1 ! "


class PartnerMissing(unittest.SkipTest):
    """A program is not installed."""


def h264(*, width: int = 640, height: int = 480, fps: int = 15, keys: int = 30) -> str:
    """A GStreamer pipeline of a moving ball as H.264."""
    return f"( {TEST_PICTURE.format(width=width, height=height, fps=fps)}{ENCODE.format(keys=keys)} )"


def jpeg(*, fps: int = 15) -> str:
    """The same as RTP/JPEG."""
    picture = TEST_PICTURE.format(width=640, height=480, fps=fps).replace("x-raw,", "x-raw,format=I420,")
    return f"( {picture}jpegenc ! rtpjpegpay name=pay0 pt=26 )"


def looped(recording: Path) -> str:
    """An MJPEG recording of 15 frames a second, over and over, as H.264."""
    return (
        f"( multifilesrc location={recording} loop=true caps=image/jpeg,framerate=15/1 ! jpegparse ! jpegdec ! "
        f"videoconvert ! {ENCODE.format(keys=30)} )"
    )


def played(recording: Path) -> str:
    """An MP4 of H.264 as it is, once."""
    return f"( filesrc location={recording} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"


def repeated(recording: Path) -> str:
    """A file of H.264 with start codes, 15 frames a second, over and over as one stream."""
    caps = "video/x-h264,stream-format=byte-stream,framerate=15/1"
    pay = "rtph264pay name=pay0 pt=96 config-interval=-1"
    return f"( multifilesrc location={recording} loop=true caps={caps} ! h264parse ! identity sync=true ! {pay} )"


def audio() -> str:
    """A stream without pictures."""
    return "( audiotestsrc is-live=true ! audio/x-raw,rate=8000 ! mulawenc ! rtppcmupay name=pay0 pt=0 )"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class GstServer:
    """GStreamer's RTSP server as a child process."""

    def __init__(self, mounts: dict[str, dict[str, str]]) -> None:
        self.port = free_port()
        self._mounts = mounts
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def url(self, path: str) -> str:
        return f"rtsp://127.0.0.1:{self.port}{path}"

    def start(self, mounts: dict[str, dict[str, str]] | None = None) -> None:
        self._mounts = mounts or self._mounts
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SCRIPT), str(self.port), json.dumps(self._mounts)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.defpath},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
            self._process = None


@contextmanager
def gst_server(mounts: dict[str, dict[str, str]]) -> Iterator[GstServer]:
    if not Path(SYSTEM_PYTHON).is_file():
        raise PartnerMissing("there is no system Python")
    looks = (
        "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); "
        "from gi.repository import Gst, GstRtspServer; "
        "Gst.init(None); exit(not all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'jpegenc', 'h264parse'))))"
    )
    if subprocess.run([SYSTEM_PYTHON, "-c", looks], capture_output=True, check=False).returncode != 0:
        raise PartnerMissing("GStreamer's RTSP server or its plugins are not installed (tests/system_packages.txt)")
    server = GstServer(mounts)
    try:
        yield server
    finally:
        server.kill()


class VlcServer:
    """VLC's RTSP server, which takes UDP only, as a child process."""

    def __init__(self, recording: Path) -> None:
        vlc = shutil.which("cvlc")
        if vlc is None:
            raise PartnerMissing("VLC is not installed (tests/system_packages.txt)")
        port = free_port()
        self.url = f"rtsp://127.0.0.1:{port}/cam"
        nobody: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}  # it refuses root
        self._home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        home = Path(self._home.name)
        home.chmod(0o777)
        shutil.copy(recording, home / recording.name)
        (home / recording.name).chmod(0o644)
        self.process = subprocess.Popen(
            [vlc, "-q", "--no-audio", "--loop", str(home / recording.name), "--sout", f"#rtp{{sdp={self.url}}}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath + ":/usr/local/bin", "HOME": str(home)},
            **nobody,
        )
        try:
            _wait_for_port(port)
        except BaseException:
            self.kill()
            raise

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._home.cleanup()


@contextmanager
def vlc_server(recording: Path) -> Iterator[str]:
    """VLC's RTSP server; gives its address."""
    server = VlcServer(recording)
    try:
        yield server.url
    finally:
        server.kill()


def _wait_for_port(port: int, within_s: float = 15.0) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise PartnerMissing("the partner does not listen")


@contextmanager
def scripted_rtsp(answer: bytes) -> Iterator[str]:
    """Something on a port that says the same to everybody; gives its rtsp address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            with line:
                line.recv(4096)
                line.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"rtsp://127.0.0.1:{listening.getsockname()[1]}/live"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 26\r\na=control:track1\r\n"
)


class TalkingCamera:
    """An RTSP camera that answers as it should but for the methods in `instead`; it sends no pictures.

    `{cseq}` in an answer is replaced. What was asked is noted in `asked`.
    """

    def __init__(self, instead: dict[str, str] | None = None, transport: str = "", keep_alive_s: int = 60) -> None:
        self.asked: list[str] = []
        self.tls: ssl.SSLContext | None = None
        self._instead = instead or {}
        self._transport = transport
        self._keep_alive_s = keep_alive_s
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/live"

    def __enter__(self) -> "TalkingCamera":
        return self

    def __exit__(self, *_: object) -> None:
        for line in (self._listening, *self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            self._lines.append(line)
            self._threads.append(threading.Thread(target=self._talk, args=(line,), daemon=True))
            self._threads[-1].start()

    def _talk(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.tls is not None:
                line = self.tls.wrap_socket(line, server_side=True)
                self._lines.append(line)
            self._hear(line)

    def _hear(self, line: socket.socket) -> None:
        with line.makefile("rb") as requests:
            while words := requests.readline().decode().split():
                headers = {}
                while field := requests.readline().decode().strip():
                    name, _, value = field.partition(":")
                    headers[name.lower()] = value.strip()
                self.asked.append(words[0])
                answer = self._instead.get(words[0]) or self._answer(words[0], headers)
                line.sendall(answer.replace("{cseq}", headers["cseq"]).encode())

    def _answer(self, method: str, headers: dict[str, str]) -> str:
        more, body = "", ""
        if method == "DESCRIBE":
            more, body = f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n", SDP
        elif method == "SETUP":
            wanted = headers["transport"].split(",")[0]
            more = f"Transport: {wanted}{self._transport}\r\nSession: 1;timeout={self._keep_alive_s}\r\n"
        elif method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n"
        else:
            more = "Session: 1\r\n"
        return f"RTSP/1.0 200 OK\r\nCSeq: {{cseq}}\r\n{more}\r\n{body}"


class Trap:
    """A place where nobody may come: a TCP and a UDP port of another address of this machine."""

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.2", 0))
        self.port = int(self._tcp.getsockname()[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.2", self.port))
        self._tcp.setblocking(False)
        self._udp.setblocking(False)
        self.url = f"rtsp://127.0.0.2:{self.port}/secrets"

    def __enter__(self) -> "Trap":
        return self

    def __exit__(self, *_: object) -> None:
        self._tcp.close()
        self._udp.close()

    def visitors(self) -> list[str]:
        """Who has come since the last time it was asked."""
        found = []
        with contextlib.suppress(BlockingIOError):
            line, _ = self._tcp.accept()
            line.close()
            found.append("tcp")
        with contextlib.suppress(BlockingIOError):
            self._udp.recvfrom(2048)
            found.append("udp")
        return found
