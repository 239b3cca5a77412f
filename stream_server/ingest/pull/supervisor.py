"""Decides which cameras are read by whom, and carries their pictures to the camera hub."""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from recognition.errors import RollcallError
from stream_server.ingest.pull.group import ReaderGroup
from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.life import Patience, PullLife, Todo
from stream_server.ingest.pull.pictures import payload_of
from stream_server.ingest.pull.state import PullState
from stream_server.ingest.pull.wire import Header
from stream_server.messages.wire import AttendanceNotice, ErrorNotice, Faces, Pace
from stream_server.session import CLOSE_REPLACED, CameraHub, CameraSession
from stream_server.telemetry.log_context import about

log = logging.getLogger("rollcall.pull")

LOOK_EVERY_S = 0.2
# A look that comes so late says that this process had no time, and nothing of those it looks after.
HELD_UP_S = 1.0
# A reader says every half second that it is alive. All its cameras suffer when it is ended for a busy machine.
READER_SILENT_S = 10.0
TAKEN_OVER = "another connection streams as this camera"


@dataclass(frozen=True, slots=True)
class PullStatus:
    """How a pulled camera does."""

    state: PullState
    reason: str
    last_frame_age_s: float | None
    frames: int
    connects: int
    failures: int
    via: str | None
    codec: str | None


@dataclass(slots=True)
class _Camera:
    camera_id: str
    order: Order
    life: PullLife
    group: ReaderGroup | None = None
    session: CameraSession | None = None
    sink: "_Sink | None" = None
    away: bool = False  # another connection has it
    packets: int = 0
    opened: Header = field(default_factory=dict)


class _Sink:
    """The way back to a pulled camera: of all that is said, only the pace and the end concern it."""

    def __init__(self, on_pace: Callable[[float], None], on_end: Callable[[str], None]) -> None:
        self._on_pace = on_pace
        self._on_end = on_end

    @property
    def dropped(self) -> int:
        """Nothing is: what concerns the camera is handed on at once."""
        return 0

    def show(self, faces: Faces) -> None:
        """Nobody is there to see them."""

    def tell(self, message: Pace | AttendanceNotice | ErrorNotice) -> None:
        """Pass a new pace on."""
        if isinstance(message, Pace):
            self._on_pace(message.pace_fps)

    def end(self, code: int, reason: str) -> None:
        """Another connection of the camera has taken over, or it was removed, or the server stops."""
        self._on_end(TAKEN_OVER if code == CLOSE_REPLACED else reason)


class PullSupervisor:
    """All pulled cameras. `record` hears of every change of state and must not block."""

    def __init__(
        self,
        *,
        hub: CameraHub,
        pace_fps: Callable[[], float],
        record: Callable[[str, PullState, str], None],
        patience: Patience,
        group_size: int = 8,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._hub = hub
        self._pace_fps = pace_fps
        self._record = record
        self._patience = patience
        self._group_size = group_size
        self._dice = dice
        self._cameras: dict[str, _Camera] = {}
        self._groups: list[ReaderGroup] = []
        self._alone: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._looked_mono = math.inf
        self._attempts = 0

    def set(self, camera_id: str, order: Order | None, *, refused: str = "") -> None:
        """Pull a camera from now on, with this order in place of an older one; None: do not (any more).

        `refused` says why it cannot be opened at all.
        """
        self.remove(camera_id)
        if order is None and not refused:
            return
        life = PullLife(self._patience, self._dice, lambda state, reason: self._changed(camera_id, state, reason))
        # Never a number again that a late answer may still carry.
        life.attempt = self._attempts
        camera = _Camera(camera_id, order or Order(camera_id, 0, ""), life)
        self._cameras[camera_id] = camera
        if refused:
            life.refuse(refused)
        else:
            life.start(self._now())

    def remove(self, camera_id: str) -> None:
        """Do not pull a camera any more."""
        camera = self._cameras.get(camera_id)
        if camera is None:
            return
        self._release(camera)
        camera.life.stop()
        del self._cameras[camera_id]

    def forget(self, camera_id: str) -> None:
        """Do not pull a camera any more, without a word: another server does, and tells how it does."""
        camera = self._cameras.get(camera_id)
        if camera is not None:
            camera.life.on_change = lambda state, reason: None
            self.remove(camera_id)

    def status(self, camera_id: str) -> PullStatus | None:
        """How a camera does; None when it is not pulled."""
        camera = self._cameras.get(camera_id)
        if camera is None:
            return None
        life = camera.life
        age_s = None if life.last_frame_mono is None else round(self._now() - life.last_frame_mono, 2)
        return PullStatus(
            state=life.state,
            reason=life.reason,
            last_frame_age_s=age_s,
            frames=life.frames,
            connects=life.connects,
            failures=life.failures,
            via=camera.opened.get("via"),
            codec=camera.opened.get("codec"),
        )

    def states(self) -> dict[str, PullState]:
        """The state of every camera."""
        return {camera_id: camera.life.state for camera_id, camera in self._cameras.items()}

    @property
    def reader_pids(self) -> tuple[int, ...]:
        """The processes that read."""
        return tuple(group.pid for group in self._groups if group.pid is not None)

    @property
    def ending(self) -> int:
        """Readers that were told to end and have not ended yet."""
        return len(self._ending)

    def counts(self) -> dict[str, int]:
        """Cameras by state, and the number of readers."""
        counts = dict.fromkeys((state.value for state in PullState), 0)
        for camera in self._cameras.values():
            counts[camera.life.state.value] += 1
        return counts | {"readers": len(self._groups)}

    async def run(self) -> None:
        """Look after all cameras, for ever."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        """End all readers and wait for it."""
        for camera_id in list(self._cameras):
            self.forget(camera_id)
        for group in list(self._groups):
            self._end(group)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _look(self) -> None:
        now = self._now()
        self._excuse(now, now - self._looked_mono - LOOK_EVERY_S)
        self._looked_mono = now
        for group in list(self._groups):
            if now - group.heard_mono > READER_SILENT_S:
                log.error("a reader is silent and is ended: its cameras are %s", ", ".join(sorted(group.cameras)))
                group.kill()
            elif not group.cameras:
                self._end(group)
        for camera in list(self._cameras.values()):
            taken = self._hub.is_connected(camera.camera_id) and camera.session is None
            if camera.away:
                if not taken:
                    camera.away = False
                    camera.life.start(now)
                continue
            match camera.life.look(now):
                case Todo.OPEN if taken:
                    self._step_back(camera)
                case Todo.OPEN:
                    await self._open(camera)
                case Todo.KILL:
                    self._kill_reader_of(camera)

    def _excuse(self, now: float, held_up_s: float) -> None:
        if held_up_s < HELD_UP_S:
            return
        log.warning("nobody could look after the cameras for %.1f s", held_up_s)
        for group in self._groups:
            group.heard_mono = min(now, group.heard_mono + held_up_s)
        for camera in self._cameras.values():
            camera.life.excuse(now, held_up_s)

    async def _open(self, camera: _Camera) -> None:
        attempt = camera.life.opening(self._now())
        self._attempts = max(self._attempts, attempt)
        try:
            self._hub.check_room(camera.camera_id)  # before a reader is started for it, or it is opened at all
        except RollcallError as error:
            camera.life.on_end(self._now(), str(error), refused=True)
            return
        if camera.group is None:
            try:
                group = await self._group_for(camera.camera_id)
            except OSError as error:
                camera.life.on_end(self._now(), f"no reader can be started: {error.strerror}", refused=False)
                return
            if self._cameras.get(camera.camera_id) is not camera or camera.life.attempt != attempt:
                return  # changed or removed while the reader started
            camera.group = group
            group.cameras.add(camera.camera_id)
        camera.packets, camera.opened = 0, {}
        wire = camera.order.to_wire()
        camera.group.send(wire | {"attempt": attempt, "pace_fps": self._pace_fps()})

    async def _group_for(self, camera_id: str) -> ReaderGroup:
        alone = camera_id in self._alone
        for group in self._groups:
            if not alone and not group.alone and len(group.cameras) < self._group_size:
                return group
        group = ReaderGroup(self._on_message, self._on_gone)
        group.alone = alone
        await group.start()
        self._groups.append(group)
        return group

    def _on_message(self, group: ReaderGroup, header: Header, payload: bytearray) -> None:
        now = self._now()
        if header["type"] == "alive":
            for camera_id, (attempt, packets, silent_s) in header["cameras"].items():
                camera = self._camera(group, camera_id, attempt)
                if camera is not None:
                    camera.life.on_word(now, silent_s=silent_s, progress=packets > camera.packets)
                    camera.packets = packets
            return
        camera = self._camera(group, header["camera"], header["attempt"])
        if camera is None:
            return
        match header["type"]:
            case "frame":
                self._take_frame(camera, header, payload)
            case "opened":
                camera.opened = header
                with about(camera_id=camera.camera_id):
                    log.info("camera %s: %s, %s", camera.camera_id, header["via"], header["codec"])
            case "ended":
                self._leave_hub(camera)
                camera.life.on_end(now, str(header["reason"]), refused=bool(header["refused"]))

    def _camera(self, group: ReaderGroup, camera_id: str, attempt: int) -> _Camera | None:
        camera = self._cameras.get(camera_id)
        if camera is None or camera.group is not group or camera.life.attempt != attempt or not camera.life.trying:
            return None  # of an attempt that is no longer wanted
        return camera

    def _take_frame(self, camera: _Camera, header: Header, payload: bytearray) -> None:
        if camera.session is None:
            if self._hub.is_connected(camera.camera_id):
                self._step_back(camera)
                return
            sink = _Sink(lambda pace_fps: self._set_pace(camera, pace_fps), lambda why: self._step_back(camera, why))
            try:
                camera.session = self._hub.attach(camera.camera_id, sink)
            except RollcallError as error:
                self._tell_close(camera)
                camera.life.on_end(self._now(), str(error), refused=True)
                return
            camera.session.wants_faces = False
            camera.sink = sink
        camera.life.on_frame(self._now())
        self._hub.offer(camera.session, payload_of(header, payload))

    def _set_pace(self, camera: _Camera, pace_fps: float) -> None:
        if camera.group is not None:
            camera.group.send({"type": "pace", "camera": camera.camera_id, "pace_fps": pace_fps})

    def _step_back(self, camera: _Camera, why: str = TAKEN_OVER) -> None:
        """Another connection streams as this camera: it counts for as long as it lasts."""
        # Who takes over also takes the session; it is not ours to leave.
        camera.session = camera.sink = None
        camera.away = True
        self._release(camera)
        camera.life.stop(why)

    def _release(self, camera: _Camera) -> None:
        self._leave_hub(camera)
        self._tell_close(camera)
        if camera.group is not None:
            camera.group.cameras.discard(camera.camera_id)
            camera.group = None

    def _tell_close(self, camera: _Camera) -> None:
        if camera.group is not None:
            camera.group.send({"type": "close", "camera": camera.camera_id})

    def _leave_hub(self, camera: _Camera) -> None:
        if camera.session is not None and camera.sink is not None:
            self._hub.detach(camera.session, camera.sink)
        camera.session = camera.sink = None

    def _kill_reader_of(self, camera: _Camera) -> None:
        # It gets a reader of its own from now on, so that the next time nobody else suffers.
        self._alone.add(camera.camera_id)
        log.error("camera %s hangs in its reader, which is ended", camera.camera_id)
        if camera.group is not None:
            camera.group.kill()

    def _on_gone(self, group: ReaderGroup) -> None:
        if group in self._groups:
            self._groups.remove(group)
        for camera_id in group.cameras:
            camera = self._cameras.get(camera_id)
            if camera is not None and camera.group is group:
                camera.group = None
                self._leave_hub(camera)
                if camera.life.trying:
                    camera.life.on_end(self._now(), "its reader has ended", refused=False)
        group.cameras.clear()
        self._end(group)

    def _end(self, group: ReaderGroup) -> None:
        if group in self._groups:
            self._groups.remove(group)
        task = asyncio.create_task(group.close(), name="reader-end")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _changed(self, camera_id: str, state: PullState, reason: str) -> None:
        with about(camera_id=camera_id):
            log.info("camera %s is %s%s", camera_id, state.value, f": {reason}" if reason else "")
        self._record(camera_id, state, reason)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
