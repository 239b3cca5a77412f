"""A supervisor with a hub that only counts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio

from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.life import Patience
from stream_server.ingest.pull.state import PullState
from stream_server.ingest.pull.supervisor import PullSupervisor

# Times for tests on a machine that is busy with other things too.
PATIENCE = Patience(stall_after_s=1.2, retry_max_s=1.0, refused_retry_s=60.0, hung_after_s=20.0)


@dataclass
class Session:
    camera_id: str
    sink: Any
    wants_faces: bool = True
    payloads: list[Any] = field(default_factory=list)


class CountingHub:
    """Takes the place of CameraHub."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.frames: dict[str, int] = {}
        self.newest: dict[str, Any] = {}

    def is_connected(self, camera_id: str) -> bool:
        return camera_id in self.sessions

    def check_room(self, camera_id: str) -> None:
        return

    def attach(self, camera_id: str, sink: Any) -> Session:
        older = self.sessions.get(camera_id)
        if older is not None:
            older.sink.end(4409, "another connection of this camera took over")
        self.sessions[camera_id] = Session(camera_id, sink)
        return self.sessions[camera_id]

    def detach(self, session: Session, sink: Any) -> None:
        if self.sessions.get(session.camera_id) is session:
            del self.sessions[session.camera_id]

    def offer(self, session: Session, payload: Any) -> None:
        self.frames[session.camera_id] = self.frames.get(session.camera_id, 0) + 1
        self.newest[session.camera_id] = payload


class Pulled:
    """A running supervisor, what it told, and ways to wait for it."""

    def __init__(self, hub: CountingHub, group_size: int, pace_fps: float) -> None:
        self.hub = hub
        self.told: list[tuple[str, PullState, str, float]] = []
        self.supervisor = PullSupervisor(
            hub=hub,  # type: ignore[arg-type]
            pace_fps=lambda: pace_fps,
            record=lambda camera, state, reason: self.told.append((camera, state, reason, self.now())),
            patience=PATIENCE,
            group_size=group_size,
        )

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def pull(self, camera_id: str, url: str, **more: Any) -> None:
        values: dict[str, Any] = {"allow_loopback": True, "open_s": 2.0, "read_s": 3.0, **more}
        self.supervisor.set(camera_id, Order(camera_id, 0, url, **values))

    def state(self, camera_id: str) -> PullState:
        status = self.supervisor.status(camera_id)
        assert status is not None
        return status.state

    def reason(self, camera_id: str) -> str:
        status = self.supervisor.status(camera_id)
        assert status is not None
        return status.reason

    async def until(self, condition: Callable[[], bool], within_s: float = 20.0) -> float:
        """Wait until it holds; returns how long that took."""
        began = self.now()
        while not condition():
            if self.now() - began > within_s:
                raise AssertionError(f"not within {within_s} s; told: {self.told}")
            await asyncio.sleep(0.02)
        return self.now() - began

    async def until_state(self, camera_id: str, *states: PullState, within_s: float = 20.0) -> float:
        return await self.until(lambda: self.state(camera_id) in states, within_s)

    def states(self, camera_id: str) -> list[PullState]:
        return [state for camera, state, _, _ in self.told if camera == camera_id]


@pytest_asyncio.fixture
async def make_pulled() -> AsyncIterator[Callable[..., Pulled]]:
    made: list[tuple[Pulled, asyncio.Task[None]]] = []

    def make(*, group_size: int = 8, pace_fps: float = 5.0) -> Pulled:
        pulled = Pulled(CountingHub(), group_size, pace_fps)
        made.append((pulled, asyncio.create_task(pulled.supervisor.run())))
        return pulled

    yield make
    for pulled, running in made:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await pulled.supervisor.close()
        assert pulled.supervisor.reader_pids == ()


@pytest_asyncio.fixture
async def pulled(make_pulled: Callable[..., Pulled]) -> Pulled:
    return make_pulled()
