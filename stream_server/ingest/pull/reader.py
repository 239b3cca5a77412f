"""The child process that reads a group of cameras: `python -m stream_server.ingest.pull.reader FD`.

It gets orders and gives pictures over the socket FD, in the format of `wire`. Each camera has a thread; one more sends.
Of each camera only the newest picture waits to be sent. When the server goes away the process ends at once.
"""

import os
import socket
import sys
import threading
import time

from recognition.errors import RollcallError
from stream_server.ingest.pull.job import Ended, Job, Opened, Order, Picture, Pictures
from stream_server.ingest.pull.wire import Assembler, Header, pack
from stream_server.memory import limit_malloc

ALIVE_EVERY_S = 0.5
CONTROL_MAX = 1000


class Outbox:
    """What waits to be sent: a few messages, and the newest picture of each camera."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._news = threading.Condition()
        self._control: list[Header] = []
        self._slots: dict[str, tuple[Header, Picture]] = {}

    def tell(self, header: Header) -> None:
        """Send a message; far more than can ever wait are dropped."""
        with self._news:
            if len(self._control) < CONTROL_MAX:
                self._control.append(header)
            self._news.notify()

    def show(self, job: Job, picture: Picture) -> None:
        """Send a picture unless a newer one of the camera comes first."""
        header = _about(job, "frame", form=picture.form, width=picture.width_px, height=picture.height_px)
        with self._news:
            self._slots[job.order.camera] = (header, picture)
            self._news.notify()

    def run(self) -> None:
        """Send until the other side is gone."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._control or self._slots)
                control, self._control = self._control, []
                slots, self._slots = self._slots, {}
            for header in control:
                self._line.sendall(pack(header))
            for header, picture in slots.values():
                data = memoryview(picture.data).cast("B")
                self._line.sendall(pack(header, len(data)))
                self._line.sendall(data)


class Reader:
    """The cameras of this process."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._jobs: dict[str, Job] = {}

    def on_message(self, header: Header, _payload: bytearray) -> None:
        """Do what the server says."""
        camera = str(header.get("camera"))
        job = self._jobs.get(camera)
        match header.get("type"):
            case "open":
                if job is not None:
                    job.stop()
                job = self._jobs[camera] = Job(Order.from_wire(header))
                threading.Thread(target=self._read, args=(job,), name=f"camera-{camera}", daemon=True).start()
            case "close" if job is not None:
                job.stop()
                del self._jobs[camera]
            case "pace" if job is not None:
                job.pace_fps = float(header["pace_fps"])

    def say_alive(self) -> None:
        """Tell the server of every camera how much has come and how long its thread has been at one step."""
        now = time.monotonic()
        cameras = {
            job.order.camera: [job.order.attempt, job.packets, round(now - job.step_mono, 2)]
            for job in list(self._jobs.values())
        }
        self._outbox.tell({"type": "alive", "cameras": cameras})

    def _read(self, job: Job) -> None:
        try:
            for item in pictures_of(job):
                if isinstance(item, Opened):
                    self._outbox.tell(
                        _about(
                            job,
                            "opened",
                            via=item.via,
                            codec=item.codec,
                            width=item.width_px,
                            height=item.height_px,
                            fps=item.fps,
                        )
                    )
                elif not job.stopped:
                    self._outbox.show(job, item)
            reason, refused = "the stream has ended", False
        except Ended as end:
            reason, refused = end.reason, end.refused
        except RollcallError as error:  # the address is not, or no longer, allowed
            refused = error.code != "name_unknown"
            reason = f"{error.detail} ({error.hint})" if error.hint else error.detail
        except Exception as error:
            # One camera must not end the thread without a word; the words of the error may hold the address.
            reason, refused = f"the stream cannot be read ({type(error).__name__})", False
        self._outbox.tell(_about(job, "ended", reason=reason, refused=refused))


def pictures_of(job: Job) -> Pictures:
    """The pictures at the ordered address."""
    address = job.order.address
    if address.is_file:
        from stream_server.ingest.pull.video import file_pictures

        return file_pictures(job)
    if address.scheme in ("rtsp", "rtsps"):
        from stream_server.ingest.pull.video import rtsp_pictures

        return rtsp_pictures(job)
    from stream_server.ingest.pull.http import http_pictures

    return http_pictures(job)


def _about(job: Job, type_: str, **more: object) -> Header:
    return {"type": type_, "camera": job.order.camera, "attempt": job.order.attempt, **more}


def main(descriptor: int) -> None:
    """Serve the socket until it ends."""
    limit_malloc()
    line = socket.socket(fileno=descriptor)
    outbox = Outbox(line)
    reader = Reader(outbox)
    assembler = Assembler(reader.on_message)

    def send() -> None:
        try:
            outbox.run()
        except OSError:
            os._exit(0)  # the server is gone, and camera threads may hang in FFmpeg

    def tick() -> None:
        while True:
            time.sleep(ALIVE_EVERY_S)
            reader.say_alive()

    threading.Thread(target=send, name="send", daemon=True).start()
    threading.Thread(target=tick, name="alive", daemon=True).start()
    try:
        while count := line.recv_into(assembler.buffer()):
            assembler.filled(count)
    except OSError:
        pass
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
