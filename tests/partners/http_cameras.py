"""HTTP cameras of our own: MJPEG, snapshots, passwords, and everything that a camera should not do. Shared with the
benchmarks."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from stream_server.demo.views import encode_jpeg


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


def playing(frames: Sequence[bytes], *, fps: float, pause: threading.Event | None = None) -> Answer:
    """Those pictures as MJPEG, over and over; silent while `pause` is set."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cam")
        handler.end_headers()
        began, number = time.monotonic(), 0
        while True:
            if pause is None or not pause.is_set():
                data = frames[number % len(frames)]
                handler.wfile.write(b"--cam\r\nContent-Type: image/jpeg\r\n\r\n" + data + b"\r\n")
            number += 1
            time.sleep(max(0.0, began + number / fps - time.monotonic()))

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
