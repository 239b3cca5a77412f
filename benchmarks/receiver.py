"""A server without recognition, web and database: what it costs to receive cameras. `python -m benchmarks.receiver`.

It is told what to do by JSON lines on its standard input and answers on its standard output. All else on the way of a
frame is the real thing: readers and peers, the sampler and its pace, and the threads that would recognise.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from uvicorn.loops.auto import auto_loop_factory

from recognition.gallery import Gallery
from recognition.pipeline import CameraState
from recognition.types import Frame, FrameResult, Sighting
from stream_server.executor import RecognitionExecutor
from stream_server.ingest import conversation
from stream_server.ingest.pull.job import Order
from stream_server.ingest.pull.keeper import patience_of
from stream_server.ingest.pull.state import PullState
from stream_server.ingest.pull.supervisor import PullSupervisor
from stream_server.ingest.webrtc import WebRtcPeers
from stream_server.memory import limit_malloc, rss_mb
from stream_server.sampler import Pacing, Sampler
from stream_server.session import CameraHub
from stream_server.settings import CameraSettings, PullSettings, WebRtcSettings

USED_FPS = 5.0


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


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps({**words, "at_s": time.monotonic()}) + "\n")
    sys.stdout.flush()


def _forget(sighting: Sighting) -> None:
    return None


async def main() -> None:
    """Serve until standard input ends."""
    limit_malloc()
    now = lambda: datetime.now(UTC)  # noqa: E731
    executor = RecognitionExecutor(NoRecogniser, threads=1)  # type: ignore[arg-type]
    sampler = Sampler(Pacing(max_fps=USED_FPS, min_fps=USED_FPS, threads=1))
    hub = CameraHub(
        sampler=sampler, executor=executor, people=NoPeople(), record=_forget, make_state=CameraState, now=now
    )
    pull = PullSettings()
    supervisor = PullSupervisor(
        hub=hub,
        pace_fps=lambda: sampler.pace_fps,
        record=lambda camera, state, reason: _say(camera=camera, state=state.value, reason=reason),
        patience=patience_of(pull),
        group_size=pull.group_size,
    )
    peers = WebRtcPeers(
        settings=WebRtcSettings(),
        hub=hub,
        welcome=lambda camera: conversation.welcome(CameraSettings(), camera, pace_fps=USED_FPS, now=now()),
    )
    running = [asyncio.create_task(work) for work in (hub.run(), supervisor.run())]
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say(ready=True)
    while line := await reader.readline():
        order = json.loads(line)
        match order["do"]:
            case "pull":
                supervisor.set(order["camera"], _order(order["camera"], order["url"], pull))
            case "offer":
                opened = await peers.open(order["camera"], order["sdp"])
                _say(answer=opened.answer)
            case "tell":
                live = supervisor.counts()[PullState.LIVE.value]
                _say(rss_mb=rss_mb(), live=live, frames=sampler.totals().as_dict(), readers=supervisor.reader_pids)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await peers.close_all()
    await supervisor.close()
    executor.close()


def _order(camera: str, url: str, pull: PullSettings) -> Order:
    return Order(
        camera, 0, url, allow_loopback=True, open_s=pull.open_timeout_s, read_s=pull.read_timeout_s, pace_fps=USED_FPS
    )


if __name__ == "__main__":
    # The loop of the server, where there is one of its own.
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(main())
