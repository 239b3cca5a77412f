"""Rollcall's camera WebSocket without recognition, database and guard: what receiving a picture costs.

Says its port, and at each line on standard input what it has received and the processor time that it has used.
"""

import asyncio
import json
import socket
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from types import SimpleNamespace

import uvicorn
import uvloop
from fastapi import FastAPI

from recognition.gallery import Gallery
from recognition.pipeline import CameraState
from recognition.types import Frame, FrameResult
from stream_server.executor import RecognitionExecutor
from stream_server.ingest import websocket
from stream_server.memory import limit_malloc
from stream_server.sampler import Pacing, Sampler
from stream_server.serving.server import config_of
from stream_server.session import CameraHub
from stream_server.settings import load_settings


class NoRecogniser:
    """Sees nobody."""

    def process(self, frame: Frame, state: CameraState, gallery: Gallery) -> FrameResult:
        """An empty result."""
        return FrameResult(frame.camera_id, frame.sequence, 640, 480, (), ())


class NoPeople:
    """Nobody is enrolled."""

    gallery = Gallery([], model_id="none")

    def name(self, person_id: str) -> str | None:
        """Nobody's."""
        return None


async def _every_camera(camera_id: str) -> None:
    return None


async def main() -> None:
    """Serve until standard input ends."""
    limit_malloc()
    settings = load_settings()
    now = lambda: datetime.now(UTC)  # noqa: E731
    executor = RecognitionExecutor(NoRecogniser, threads=1)  # type: ignore[arg-type]
    sampler = Sampler(Pacing(max_fps=settings.cameras.max_fps, min_fps=settings.cameras.min_fps, threads=1))
    hub = CameraHub(
        sampler=sampler,
        executor=executor,
        people=NoPeople(),
        record=lambda sighting: None,
        make_state=CameraState,
        now=now,
    )
    app = FastAPI()
    app.include_router(websocket.router)
    app.state.services = SimpleNamespace(
        cameras=SimpleNamespace(require=_every_camera), hub=hub, sampler=sampler, settings=settings, now=now
    )
    server = uvicorn.Server(config_of(app, settings, lifespan=False))
    listening = socket.create_server(("127.0.0.1", 0))
    tasks = [asyncio.create_task(hub.run()), asyncio.create_task(server.serve(sockets=[listening]))]
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    versions = {name: version(name) for name in ("uvicorn", "websockets", "uvloop", "fastapi")}
    while await reader.readline():
        counts = sampler.totals()
        told = {"frames": counts.received, "used": counts.processed, "cpu_s": time.process_time(), "versions": versions}
        print(json.dumps(told), flush=True)
    server.should_exit = True
    await tasks[1]
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    executor.close()


if __name__ == "__main__":
    uvloop.run(main())
