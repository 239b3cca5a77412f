"""The one connection between FFmpeg and an RTSP camera, made to the address that was checked. Runs in a reader.

FFmpeg itself resolves names, follows redirects and checks no certificate. So it is given an address of this machine,
where a relay waits for its one connection and carries it to the camera. What the camera answers goes through `Answers`.
"""

import contextlib
import select
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit, urlunsplit

from stream_server.ingest.pull.address import CameraAddress
from stream_server.ingest.pull.job import Ended
from stream_server.ingest.pull.rtsp_answers import Answers

if TYPE_CHECKING:
    import ssl

CHUNK_BYTES = 64 * 1024
# FFmpeg comes at once, and reads what it is given unless the reader is about to be killed.
ACCEPT_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 30.0


class RtspRelay:
    """A context manager. Entering it connects to the camera, and raises Ended when that cannot be done."""

    def __init__(self, address: CameraAddress, ips: Sequence[str], *, open_s: float, verify_tls: bool = True) -> None:
        self._address = address
        self._ips = ips
        self._open_s = open_s
        self._verify_tls = verify_tls
        self._refusal: Ended | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._listening: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._nothing_yet: tuple[type[OSError], ...] = (BlockingIOError,)

    def url(self, username: str = "", password: str = "") -> str:
        """The address for FFmpeg, with the credentials in it."""
        assert self._listening is not None
        host, port = self._listening.getsockname()[:2]
        parts = urlsplit(self._address.url)
        login = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username or password else ""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return urlunsplit(("rtsp", login + place, parts.path, parts.query, ""))

    @property
    def refusal(self) -> Ended | None:
        """Why the relay has cut the line, if it has."""
        return self._refusal

    def __enter__(self) -> Self:
        """Connect to the camera and wait for FFmpeg."""
        camera, ip = self._connect()
        self._sockets.append(camera)
        try:
            # Of the camera's family, for FFmpeg opens its UDP sockets in that of the address it is given.
            family, loopback = (socket.AF_INET6, "::1") if ":" in ip else (socket.AF_INET, "127.0.0.1")
            self._listening = socket.create_server((loopback, 0), family=family, backlog=1)
            self._sockets.append(self._listening)
            self._thread = threading.Thread(
                target=self._run, args=(self._listening, camera, ip), name="rtsp-relay", daemon=True
            )
            self._thread.start()
        except BaseException:
            self._close_sockets()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Cut both ends."""
        self._closing = True
        for line in self._sockets:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()
        self._close_sockets()

    def _connect(self) -> tuple[socket.socket, str]:
        """A connection to the first of the checked addresses that takes one."""
        until = time.monotonic() + self._open_s
        problem: Ended | None = None
        for ip in self._ips:
            left_s = until - time.monotonic()
            if left_s <= 0:
                break
            try:
                camera = socket.create_connection((ip, self._address.port), timeout=left_s)
            except ConnectionRefusedError:
                problem = Ended("nothing listens at the camera's address")
            except TimeoutError:
                problem = Ended("the camera did not answer in time")
            except OSError as error:
                problem = Ended(f"the camera cannot be reached: {error.strerror or type(error).__name__}")
            else:
                return self._secured(camera), ip
        raise problem or Ended("the camera did not answer in time")

    def _secured(self, camera: socket.socket) -> "socket.socket | ssl.SSLSocket":
        if self._address.scheme != "rtsps":
            return camera
        import ssl

        self._nothing_yet = (BlockingIOError, ssl.SSLWantReadError)
        context = ssl.create_default_context()
        if not self._verify_tls:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            return context.wrap_socket(camera, server_hostname=self._address.host)
        except ssl.SSLCertVerificationError:
            reason = "the camera's certificate is not trusted (ROLLCALL_PULL__VERIFY_TLS=false takes any)"
        except TimeoutError:
            reason = "the camera did not answer in time"
        except (OSError, ValueError) as error:
            reason = f"no TLS connection to the camera can be made ({type(error).__name__})"
        camera.close()
        raise Ended(reason)

    def _run(self, listening: socket.socket, camera: socket.socket, ip: str) -> None:
        reader: socket.socket | None = None
        try:
            ready, _, _ = select.select((listening,), (), (), ACCEPT_TIMEOUT_S)
            if ready and not self._closing:
                reader, _ = listening.accept()
                self._sockets.append(reader)
                listening.close()  # FFmpeg has one connection; nobody else gets any
                self._carry(camera, reader, Answers(ip))
        except Ended as end:
            self._refusal = end
        except (OSError, ValueError):  # cut by either side, or by __exit__ in the middle of a step
            pass
        finally:
            # The ends are closed by __exit__; this is how FFmpeg hears of it.
            if reader is not None:
                with contextlib.suppress(OSError):
                    reader.shutdown(socket.SHUT_RDWR)

    def _carry(self, camera: socket.socket, reader: socket.socket, answers: Answers) -> None:
        reader.settimeout(SEND_TIMEOUT_S)
        camera.settimeout(0)  # TLS may have something to read that is nothing for us
        with selectors.DefaultSelector() as selector:
            selector.register(camera, selectors.EVENT_READ)
            selector.register(reader, selectors.EVENT_READ)
            while not self._closing:
                for key, _ in selector.select():
                    if key.fileobj is camera:
                        if not self._answer(camera, reader, answers):
                            return
                        continue
                    request = reader.recv(CHUNK_BYTES)
                    if not request:
                        return
                    camera.settimeout(SEND_TIMEOUT_S)
                    camera.sendall(request)
                    camera.settimeout(0)

    def _answer(self, camera: socket.socket, reader: socket.socket, answers: Answers) -> bool:
        """Carry what the camera has said; False when it has ended."""
        pending = getattr(camera, "pending", lambda: 0)  # what TLS has read and not given out yet
        while True:
            try:
                data = camera.recv(CHUNK_BYTES)
            except self._nothing_yet:
                return True
            if not data:
                if not answers.messages:
                    raise Ended("the camera cut the connection without a word")
                return False
            reader.sendall(answers.feed(data))
            if not pending():
                return True

    def _close_sockets(self) -> None:
        for line in self._sockets:
            line.close()
