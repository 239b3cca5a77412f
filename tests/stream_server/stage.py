"""A camera hub with everything around it, for tests."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio

from recognition.gallery import Gallery
from recognition.pipeline import CameraState
from recognition.types import FaceResult, FaceState, Frame, FrameResult, Match, Sighting
from stream_server.executor import RecognitionExecutor
from stream_server.messages.wire import Faces
from stream_server.sampler import Pacing, Sampler
from stream_server.session import CameraHub, CameraSession

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADA = UUID(int=1)
GALLERY = Gallery([], model_id="model-a")
# So fast that nothing is dropped for the pace.
NO_PACE = Pacing(max_fps=1e6, min_fps=1e6, threads=2, frame_deadline_s=60.0)


class Sink:
    """A camera that notes what it is told."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self.ended: tuple[int, str] | None = None
        self.dropped = 0

    def show(self, faces: Faces) -> None:
        self._messages.put_nowait(faces)

    def tell(self, message: Any) -> None:
        self._messages.put_nowait(message)

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            return await self._messages.get()

    @property
    def silent(self) -> bool:
        return self._messages.empty()


class People:
    def __init__(self) -> None:
        self.gallery = GALLERY
        self.names = {str(ADA): "Ada"}

    def name(self, person_id: str) -> str | None:
        return self.names.get(person_id)


class Recogniser:
    """Says what it was told to say of a payload, and notes which frames it saw at which time."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.states: list[CameraState] = []
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0
        self.hold = threading.Event()
        self.hold.set()
        self.began = threading.Event()
        self.answers: dict[bytes, tuple[tuple[FaceResult, ...], tuple[FaceResult, ...]]] = {}
        self.failures: dict[bytes, Exception] = {}

    def process(self, frame: Frame, state: CameraState, gallery: Gallery) -> FrameResult:
        assert isinstance(frame.payload, bytes)
        self.at_once[frame.camera_id] = self.at_once.get(frame.camera_id, 0) + 1
        self.most_at_once = max(self.most_at_once, self.at_once[frame.camera_id])
        self.seen.append((frame.camera_id, frame.sequence))
        self.states.append(state)
        self.began.set()
        self.hold.wait(10)
        self.at_once[frame.camera_id] -= 1
        if frame.payload in self.failures:
            raise self.failures[frame.payload]
        faces, newly_known = self.answers.get(frame.payload, ((), ()))
        return FrameResult(frame.camera_id, frame.sequence, 640, 480, faces, newly_known)


class Stage:
    """A hub with everything around it."""

    def __init__(self, pacing: Pacing = NO_PACE, **options: Any) -> None:
        self.recogniser = Recogniser()
        self.sampler = Sampler(pacing)
        self.people = People()
        self.recorded: list[Sighting] = []
        self.executor = RecognitionExecutor(lambda: self.recogniser, threads=2)  # type: ignore[arg-type,return-value]
        self.hub = CameraHub(
            sampler=self.sampler,
            executor=self.executor,
            people=self.people,
            record=self.recorded.append,
            make_state=CameraState,
            now=lambda: NOW,
            **options,
        )
        self.running = asyncio.create_task(self.hub.run())

    async def close(self) -> None:
        self.recogniser.hold.set()
        self.hub.end_all(1001, "")
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.executor.close()

    def attach(self, camera_id: str) -> tuple[CameraSession, Sink]:
        sink = Sink()
        return self.hub.attach(camera_id, sink), sink


@pytest_asyncio.fixture
async def make_stage() -> AsyncIterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(*arguments: Any, **options: Any) -> Stage:
        stages.append(Stage(*arguments, **options))
        return stages[-1]

    yield make
    for stage in stages:
        await stage.close()


@pytest_asyncio.fixture
async def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()


def face(state: FaceState, person_id: UUID | None = None, **more: Any) -> FaceResult:
    match = None if person_id is None else Match(str(person_id), str(uuid4()), 0.3, str(UUID(int=2)), 0.8)
    known = str(person_id) if state is FaceState.KNOWN else None
    return FaceResult((10.04, 20.0, 110.0, 140.0), state, 0.9, person_id=known, match=match, **more)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)
