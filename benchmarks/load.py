"""Four cameras at 5 frames a second, made of software, that send frames encoded in advance."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from benchmarks.pictures import RING_FPS, Scene, empty_room
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.demo.feed import CameraFeed, open_feed


class LoadCamera:
    """A connected camera that sends what it is told to look at, for as long as the block of `cameras` runs.

    Its frames come at 5 a second, each up to half a period late: frames of different cameras meet in every way.
    """

    def __init__(self, camera_id: str, feed: CameraFeed, seed: int) -> None:
        self.camera_id = camera_id
        self.shown_at: datetime | None = None
        self._feed = feed
        self._random = random.Random(seed)
        self._frames: Sequence[bytes] = empty_room()
        self._next = 0

    def look_at(self, frames: Sequence[bytes]) -> None:
        """Send these from now on, over and over. `shown_at` becomes the time at which the first of them was sent."""
        self._frames, self._next, self.shown_at = frames, 0, None

    async def run(self) -> None:
        """Send for ever."""
        loop = asyncio.get_running_loop()
        period_s = 1 / RING_FPS
        due = loop.time() + self._random.uniform(0, period_s)
        while True:
            await asyncio.sleep(max(0.0, due + self._random.uniform(0, period_s / 2) - loop.time()))
            frame = self._frames[self._next % len(self._frames)]
            if self._next == 0:
                self.shown_at = datetime.now(UTC)
            self._next += 1
            await self._feed.send(frame)
            due += period_s


@asynccontextmanager
async def cameras(client: ServerClient, count: int) -> AsyncIterator[list[LoadCamera]]:
    """`count` cameras that stream, at first an empty room, while the block runs."""
    async with AsyncExitStack() as stack:
        connected = []
        for number in range(1, count + 1):
            feed = await stack.enter_async_context(open_feed(client, f"camera-{number}"))
            connected.append(LoadCamera(f"camera-{number}", feed, seed=number))
        sending = [asyncio.create_task(camera.run(), name=camera.camera_id) for camera in connected]
        try:
            yield connected
        finally:
            for task in sending:
                task.cancel()
            ended = await asyncio.gather(*sending, return_exceptions=True)
        # A camera that lost its connection was no load, and what was measured meanwhile means nothing.
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome


async def enrol(client: ServerClient, scenes: Sequence[Scene]) -> dict[UUID, int]:
    """Enrol everybody who is in the scenes and can be; returns the index of each person's scene."""
    enrolled = {}
    for index, scene in enumerate(scenes):
        for name, photo in scene.people.items():
            person_id = await client.add_person(name, consent=True)
            try:
                await client.enrol(person_id, photo)
            except ServerSaidNo:  # photographed from the side
                await erase(client, [person_id])
            else:
                enrolled[person_id] = index
    return enrolled


async def erase(client: ServerClient, people: Sequence[UUID]) -> None:
    """Erase people."""
    for person_id in people:
        await client.call("DELETE", f"/api/v1/people/{person_id}")


async def gallery_of(client: ServerClient, people: int) -> None:
    """Wait until the server compares with so many people; TimeoutError when that never happens."""
    async with asyncio.timeout(10):
        while True:
            if (await client.readiness())["gallery"]["people"] == people:
                return
            await asyncio.sleep(0.05)
