"""One attempt to read one camera, as the threads of a reader share it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from stream_server.ingest.pull.address import AddressRules, CameraAddress, parse


@dataclass(frozen=True, slots=True)
class Order:
    """What a reader is told of a camera. Holds credentials: only ever sent over the socket, never logged.

    `transport` is `auto`, `tcp` or `udp`, for RTSP. Pictures of more than `max_pixels` or, encoded, `max_bytes` are
    refused; decoded ones are made smaller to `max_side_px`.
    """

    camera: str
    attempt: int
    url: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    transport: str = "auto"
    pace_fps: float = 10.0
    open_s: float = 4.0
    read_s: float = 4.0
    first_frame_s: float = 12.0
    max_pixels: int = 12_000_000
    max_bytes: int = 2**20
    max_side_px: int = 1280
    verify_tls: bool = True
    allow_private: bool = False
    allow_loopback: bool = False
    replay_dir: str | None = None

    def __repr__(self) -> str:
        # The address may hold a password in its path.
        return f"Order({self.camera}, attempt {self.attempt})"

    def to_wire(self) -> dict[str, Any]:
        """As the header of a message."""
        return {"type": "open", **asdict(self)}

    @classmethod
    def from_wire(cls, header: dict[str, Any]) -> Self:
        """What `to_wire` made."""
        return cls(**{key: value for key, value in header.items() if key != "type"})

    @property
    def rules(self) -> AddressRules:
        """Where connections may lead."""
        return AddressRules(
            self.allow_private, self.allow_loopback, None if self.replay_dir is None else Path(self.replay_dir)
        )

    @property
    def address(self) -> CameraAddress:
        """The address, checked again. Raises as `parse` does."""
        return parse(self.url, self.rules)[0]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on its way to the server: `form` is `encoded` (JPEG, PNG or WebP) or `i420` (planes, 12 bits a pixel).

    `data` is anything with a buffer; width and height are 0 where nobody has looked.
    """

    form: str
    data: Any
    width_px: int = 0
    height_px: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found at the address."""

    via: str
    codec: str
    width_px: int = 0
    height_px: int = 0
    fps: float | None = None


class Ended(Exception):
    """The attempt is over. `reason` is for people and never holds an address or a password."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused


class Job:
    """An order, how far it got, and the wish that it ends. Shared by the camera's thread and the reader's own."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.pace_fps = order.pace_fps
        self.packets = 0
        self.step_mono = time.monotonic()
        self._stop = threading.Event()
        self._due_s: float | None = None

    @property
    def stopped(self) -> bool:
        """Whether nobody wants it any more."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask it to end at its next step."""
        self._stop.set()

    def step(self, packets: int = 0) -> None:
        """Say that the thread is not stuck, and how much has come from the camera since. Ended when it shall stop."""
        self.step_mono = time.monotonic()
        self.packets += packets
        if self._stop.is_set():
            raise Ended("not wanted any more")

    def wait(self, seconds: float) -> None:
        """Wait on purpose; such a wait counts as a sign of life."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            self._stop.wait(min(left_s, 0.5))
            self.step(1)

    def is_due(self, at_s: float) -> bool:
        """Whether a picture of that time is wanted at the pace now asked for; counts it if so."""
        period_s = 1.0 / self.pace_fps
        due_s = self._due_s
        if due_s is None or not -5.0 < at_s - due_s < 60.0:  # the first, or a clock that jumped
            due_s = at_s
        if at_s < due_s - 0.1 * period_s:
            return False
        self._due_s = max(due_s, at_s - period_s) + period_s
        return True


class Clock:
    """The time of pictures: the stream's own where it is sane, else when they came."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def at(self, stream_s: float | None, now_mono: float) -> float:
        """Seconds on a clock that never goes away from the real one by more than half a second."""
        if stream_s is None or self._last is None:
            self._last = (now_mono, stream_s if stream_s is not None else float("nan"))
            return now_mono
        last_at, last_stream = self._last
        forward_s = stream_s - last_stream
        at = last_at + forward_s
        if not (0 <= forward_s < 5.0 and abs(at - now_mono) < 0.5):  # also false for a time that is no number
            at = now_mono
        self._last = (at, stream_s)
        return at


Pictures = Iterator[Opened | Picture]
