"""Peers in this process, and a hub that only notes what comes, for tests."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest_asyncio

from recognition.pipeline import CameraState
from stream_server.ingest.conversation import welcome
from stream_server.ingest.webrtc import WebRtcPeers
from stream_server.session import CameraSession, TooManyCameras
from stream_server.settings import CameraSettings, WebRtcSettings
from tests.partners.webrtc_client import Client

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Hub:
    """Takes every frame at once, like a hub whose pace is endless."""

    def __init__(self) -> None:
        self.images: asyncio.Queue[Any] = asyncio.Queue()
        self.sessions: list[CameraSession] = []
        self.skips = 0
        self.wait_s = 0.0
        self.full = False

    def check_room(self, camera_id: str) -> None:
        if self.full:
            raise TooManyCameras("no room")

    def attach(self, camera_id: str, sink: Any) -> CameraSession:
        self.check_room(camera_id)
        self.sessions.append(CameraSession(camera_id, CameraState(), sink=sink))
        return self.sessions[-1]

    def detach(self, session: CameraSession, sink: Any) -> None:
        session.sink = None

    def wanted_in_s(self, session: CameraSession) -> float:
        return self.wait_s

    def skipped(self, session: CameraSession, frames: int) -> None:
        self.skips += frames

    def offer(self, session: CameraSession, image: Any) -> None:
        self.images.put_nowait(image)

    async def image(self, within_s: float = 30.0) -> Any:
        async with asyncio.timeout(within_s):
            return await self.images.get()


def make_peers(
    hub: Hub,
    *,
    rss_mb: float = 100.0,
    memory_refusal: Callable[[int], str | None] = lambda _more_bytes: None,
    **settings: Any,
) -> WebRtcPeers:
    return WebRtcPeers(
        settings=WebRtcSettings(**settings),
        hub=hub,  # type: ignore[arg-type]
        welcome=lambda camera_id: welcome(CameraSettings(), camera_id, pace_fps=5.0, now=NOW),
        rss_mb=lambda: rss_mb,
        memory_refusal=memory_refusal,
    )


def pictures(width: int = 320, height: int = 240) -> list[av.VideoFrame]:
    """A square that moves over grey, dark on the left side and light on the right."""
    frames = []
    for number in range(8):
        image = np.full((height, width, 3), 128, np.uint8)
        image[:, : width // 2, 0] = 220  # blue
        image[20:60, 20 + number * 10 : 60 + number * 10] = 255
        frames.append(av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p"))
    return frames


def held() -> tuple[int, int, int]:
    """What could leak: tasks, decoder threads, open files and sockets."""
    decoders = sum("decoder" in thread.name for thread in threading.enumerate())
    return len(asyncio.all_tasks()), decoders, len(list(Path("/proc/self/fd").iterdir()))


async def settled(check: Callable[[], bool], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not check():
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Hub]:
    """With a check that whatever the test did, nothing is left of it."""
    await asyncio.to_thread(__import__, "stream_server.ingest.webrtc_peer")
    before = held()
    yield Hub()
    if sys.platform == "linux":
        await settled(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


async def connect(peers: WebRtcPeers, client: Client, camera: str = "door") -> Any:
    opened = await peers.open(camera, await client.offer())
    await client.take(opened.answer)
    await client.connected()
    return opened
