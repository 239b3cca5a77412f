"""Cameras to pull from: GStreamer's RTSP server, VLC, and HTTP cameras of our own that do what they should not."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_server.views import encode_jpeg

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("gst_rtsp_server.py")
ENCODE = (
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={keys} bitrate=1500 ! "
    "video/x-h264,profile=constrained-baseline ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1"
)
TEST_PICTURE = "videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={fps}/1 ! "


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
        pytest.skip("there is no system Python")
    looks = (
        "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); "
        "from gi.repository import Gst, GstRtspServer; "
        "Gst.init(None); exit(not all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'jpegenc', 'h264parse'))))"
    )
    if subprocess.run([SYSTEM_PYTHON, "-c", looks], capture_output=True, check=False).returncode != 0:
        pytest.skip("GStreamer's RTSP server or its plugins are not installed (tests/system_packages.txt)")
    server = GstServer(mounts)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def vlc_server(recording: Path) -> Iterator[str]:
    """VLC's RTSP server, which takes UDP only; gives its address."""
    vlc = shutil.which("cvlc")
    if vlc is None:
        pytest.skip("VLC is not installed (tests/system_packages.txt)")
    url = f"rtsp://127.0.0.1:{free_port()}/cam"
    nobody: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}  # it refuses root
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o777)
        shutil.copy(recording, Path(home) / recording.name)
        (Path(home) / recording.name).chmod(0o644)
        process = subprocess.Popen(
            [vlc, "-q", "--no-audio", "--loop", str(Path(home) / recording.name), "--sout", f"#rtp{{sdp={url}}}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath + ":/usr/local/bin", "HOME": home},
            **nobody,
        )
        try:
            _wait_for_port(int(url.split(":")[2].split("/")[0]))
            yield url
        finally:
            process.kill()
            process.wait()


def _wait_for_port(port: int, within_s: float = 15.0) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.skip("the partner does not listen")


def picture(seed: int = 1, width: int = 640, height: int = 480) -> bytes:
    """A JPEG."""
    noise = np.random.default_rng(seed).integers(0, 255, (height // 16, width // 16, 3)).astype(np.uint8)
    return encode_jpeg(noise.repeat(16, 0).repeat(16, 1), 80)


Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as its server's table says."""

    protocol_version = "HTTP/1.1"
    answers: dict[str, Answer]

    def do_GET(self) -> None:
        self.close_connection = True
        try:
            self.answers.get(self.path.partition("?")[0], not_there)(self)
        except OSError:
            return  # the reader has gone

    def log_message(self, *_: object) -> None:
        return

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def not_there(handler: Handler) -> None:
    handler.say(404)


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.say(code, **headers)


def snapshot(data: bytes) -> Answer:
    return lambda handler: handler.say(200, data, Content_Type="image/jpeg")


def file(path: Path, kind: str = "application/octet-stream") -> Answer:
    return lambda handler: handler.say(200, path.read_bytes(), Content_Type=kind)


def mjpeg(data: bytes, *, fps: float = 20.0, pause: threading.Event | None = None, lengths: bool = True) -> Answer:
    """An endless MJPEG stream; silent while `pause` is set."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=--cam")
        handler.end_headers()
        while True:
            length = f"Content-Length: {len(data)}\r\n" if lengths else ""
            head = f"--cam\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode()
            if pause is None or not pause.is_set():
                handler.wfile.write(head + data + b"\r\n")
            time.sleep(1 / fps)

    return answer


def basic(user_and_password: str, then: Answer) -> Answer:
    """Only for those who say the base64 of USER:PASSWORD."""

    def answer(handler: Handler) -> None:
        if handler.headers.get("Authorization") == f"Basic {user_and_password}":
            then(handler)
        else:
            handler.say(401, WWW_Authenticate='Basic realm="camera"')

    return answer


def digest(user: str, password: str, then: Answer) -> Answer:
    """Digest authentication after RFC 7616 with MD5, as cameras do it."""
    import hashlib

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    def answer(handler: Handler) -> None:
        given = handler.headers.get("Authorization", "")
        if given.startswith("Digest "):
            fields = dict(item.strip().split("=", 1) for item in given[7:].split(","))
            said = {key: value.strip('"') for key, value in fields.items()}
            ha1, ha2 = md5(f"{user}:camera:{password}"), md5(f"GET:{handler.path}")
            middle = f"{said['nonce']}:{said['nc']}:{said['cnonce']}:{said['qop']}"
            if said["response"] == md5(f"{ha1}:{middle}:{ha2}"):
                then(handler)
                return
        handler.say(401, WWW_Authenticate='Digest realm="camera", nonce="abc", qop="auth", algorithm=MD5')

    return answer


def endless_header(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-Filler: " + b"a" * 1000 + b"\r\n")


def silence(handler: Handler) -> None:
    time.sleep(600)


@contextmanager
def http_camera(answers: dict[str, Answer]) -> Iterator[str]:
    """An HTTP camera; gives its address without a path."""
    kind = type("ThisHandler", (Handler,), {"answers": answers})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
