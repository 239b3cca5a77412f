"""The free host on which the predecessor was killed: 256 MB of memory, no swap, half a core, held by the kernel.

The command that serves runs inside the limit; PostgreSQL, the cameras and whoever asks run outside. Three phones send
two frames a second over WebSocket, one IP camera is pulled over HTTP, two dashboards follow the events, people are
enrolled, a phone tries to join over WebRTC (taken in, or refused in words), and a report is exported, over and over.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.cgroups import LimitedGroup, Usage, limited
from benchmarks.measurement import Advance, percentile, slope
from benchmarks.pictures import Scene, scenes
from recognition.errors import InternalError, RollcallError, UnavailableError
from storage import migrate
from storage.embedded import EmbeddedPostgres
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerAway, ServerClient, ServerSaidNo
from stream_server.demo.feed import CameraFeed, open_feed
from tests.partners import http_cameras

MEMORY_BYTES = 256 * 2**20
CORES = 0.5
PHONES, PHONE_FPS = 3, 2.0
IP_CAMERA_FPS = 5.0
DASHBOARDS = 2
ENROLLED = 5
AIM_RSS_MB = 200.0
AIM_READY_S = 10.0
AIM_ANSWER_S = 1.0
# What five minutes can tell apart from noise.
AIM_MB_PER_MIN = 0.5
LOOK_EVERY_S = 1.0
OFFICE_EVERY_S = 20.0
JOIN_EVERY_S = 30.0
JOIN_FOR_S = 10.0
# A frame that has no answer by then was dropped, or its answer gave way to a newer one.
FORGOTTEN_AFTER = 64
_STOP_WITHIN_S = 10.0


@dataclass(slots=True)
class Answers:
    """What came of the frames of the phones."""

    sent: int = 0
    taken_s: list[float] = field(default_factory=list)
    dropped: int = 0
    lost: int = 0

    @property
    def unanswered(self) -> int:
        """Frames that nobody said anything of."""
        return max(0, self.sent - len(self.taken_s) - self.dropped)


@dataclass(slots=True)
class Envelope:
    """What came of it."""

    seconds: float
    cgroup_version: int
    ready_s: float
    stopped_s: float
    exit_code: int | None
    peak_rss_mb: float
    peak_group_mb: float
    slope_mb_a_minute: float
    usage: Usage
    answers: Answers
    office: dict[str, list[float]]
    joins: Counter[str]
    events: list[int]
    marked: int
    ip_camera_frames: int
    paces: tuple[float, float]
    complaints: Counter[str]

    @property
    def killed(self) -> bool:
        """Whether the kernel, or the server itself, put an end to it."""
        return self.usage.oom_kills > 0 or self.exit_code != 0

    @property
    def failures(self) -> list[str]:
        """Everything that is not as it should be."""
        found = []
        if self.killed:
            found.append(f"{self.usage.oom_kills} processes were killed for want of memory; exit {self.exit_code}")
        if self.peak_rss_mb > AIM_RSS_MB:
            found.append(f"the server held up to {self.peak_rss_mb:.0f} MB (aim {AIM_RSS_MB:.0f})")
        if self.slope_mb_a_minute > AIM_MB_PER_MIN:
            found.append(f"its memory rose by {self.slope_mb_a_minute:.2f} MB a minute (aim {AIM_MB_PER_MIN})")
        if self.ready_s > AIM_READY_S:
            found.append(f"it was ready after {self.ready_s:.1f} s (aim {AIM_READY_S:.0f})")
        if not self.answers.taken_s or percentile(self.answers.taken_s, 95) > AIM_ANSWER_S:
            found.append(f"answers to frames took longer than {AIM_ANSWER_S:g} s (p95)")
        if not self.marked:
            found.append("nobody was marked present")
        if not all(self.events):
            found.append("a dashboard heard nothing")
        if self.stopped_s > _STOP_WITHIN_S:
            found.append(f"it took {self.stopped_s:.1f} s to stop")
        return found + [f"{count} x {what}" for what, count in self.complaints.items()]


async def envelope(models_dir: Path, *, minutes: float, advance: Advance = lambda done: None) -> Envelope:
    """Run it. Raises NoControlGroups."""
    seen = scenes(models_dir)  # encoded before anything is limited
    with temporary_folder() as folder, limited(memory_bytes=MEMORY_BYTES, cores=CORES) as group:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        dsn = await asyncio.to_thread(postgres.start)
        try:
            await migrate.upgrade(dsn)
            settings = {"DATABASE_URL": dsn, "ROLLCALL_PULL__ALLOW_LOOPBACK": "true"}
            server = ChildServer(
                data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings, wrapper=group.joined_by
            )
            await server.start()
            try:
                async with server.client() as client:
                    run = _Run(client, server.pid, group, seen, minutes * 60, advance)
                    await run.run()
                    peak_mb = processes.peak_rss_mb(server.pid)
            finally:
                began = time.perf_counter()
                exit_code = await server.stop()
                stopped_s = time.perf_counter() - began
        finally:
            await asyncio.to_thread(postgres.stop)
        usage = group.usage()
    if peak_mb is None:
        raise InternalError("the kernel does not tell the peak of the server")
    later = run.points[len(run.points) // 3 :]  # after the caches are warm
    return Envelope(
        seconds=minutes * 60,
        cgroup_version=group.version,
        ready_s=server.started_s,
        stopped_s=stopped_s,
        exit_code=exit_code,
        peak_rss_mb=peak_mb,
        peak_group_mb=max(mb for _, mb in run.points),
        slope_mb_a_minute=slope([(at_s / 60, mb) for at_s, mb in later]),
        usage=usage,
        answers=run.answers,
        office=run.office,
        joins=run.joins,
        events=run.events,
        marked=run.marked,
        ip_camera_frames=run.ip_camera_frames,
        paces=(min(run.paces), max(run.paces)),
        complaints=run.complaints,
    )


class _Run:
    """Everybody at once, for so long."""

    def __init__(
        self,
        client: ServerClient,
        pid: int,
        group: LimitedGroup,
        seen: Sequence[Scene],
        seconds: float,
        advance: Advance,
    ) -> None:
        self._client = client
        self._pid = pid
        self._group = group
        self._scenes = seen
        self._seconds = seconds
        self._advance = advance
        self.answers = Answers()
        self.office: dict[str, list[float]] = {}
        self.joins: Counter[str] = Counter()
        self._refusals: dict[str, str] = {}
        self.events = [0] * DASHBOARDS
        self.marked = 0
        self.ip_camera_frames = 0
        self.points: list[tuple[float, float]] = []
        self.paces: list[float] = []
        self.complaints: Counter[str] = Counter()

    async def run(self) -> None:
        people = [(name, photo) for scene in self._scenes for name, photo in scene.people.items()]
        async with AsyncExitStack() as stack:
            phones = [await stack.enter_async_context(self._phone(number)) for number in range(PHONES)]
            await stack.enter_async_context(self._ip_camera(self._scenes[PHONES].frames))
            work = [
                *(self._stream(feed, sent, self._scenes[number].frames) for number, (feed, sent) in enumerate(phones)),
                *(self._dashboard(number) for number in range(DASHBOARDS)),
                self._office(people),
                self._join(),
                self._look(),
            ]
            tasks = [asyncio.create_task(one) for one in work]
            try:
                done, _ = await asyncio.wait(tasks, timeout=self._seconds, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in done:
                await task  # says what it was
            cameras = (await self._client.call("GET", "/api/v1/cameras"))["cameras"]
        self.ip_camera_frames = next(c["frames"]["processed"] for c in cameras if c["id"] == "ip-camera")

    @asynccontextmanager
    async def _phone(self, number: int) -> AsyncIterator[tuple[CameraFeed, deque[tuple[int, float]]]]:
        sent: deque[tuple[int, float]] = deque(maxlen=FORGOTTEN_AFTER)
        dropped = 0

        def answered(message: dict[str, Any]) -> None:
            nonlocal dropped
            if message["type"] != "faces":
                return
            self.answers.dropped += message["dropped"] - dropped
            dropped = message["dropped"]
            while sent and sent[0][0] <= message["frame"]:
                frame, at_s = sent.popleft()
                if frame == message["frame"]:
                    self.answers.taken_s.append(time.perf_counter() - at_s)

        async with open_feed(self._client, f"phone-{number + 1}", answered) as feed:
            yield feed, sent

    async def _stream(self, feed: CameraFeed, sent: deque[tuple[int, float]], frames: Sequence[bytes]) -> None:
        dice = random.Random(len(frames))
        while True:
            picture = frames[feed.sent % len(frames)]
            sent.append((feed.sent + 1, time.perf_counter()))
            await feed.send(picture)
            self.answers.sent += 1
            # A phone keeps to the pace that it is asked for.
            await asyncio.sleep(dice.uniform(0.8, 1.2) / min(PHONE_FPS, feed.pace_fps))

    @asynccontextmanager
    async def _ip_camera(self, frames: Sequence[bytes]) -> AsyncIterator[None]:
        answers = {"/video": http_cameras.playing(frames, fps=IP_CAMERA_FPS)}
        with http_cameras.http_camera(answers) as address:
            await self._client.call("PUT", "/api/v1/cameras/ip-camera", body={"address": f"{address}/video"})
            yield

    async def _dashboard(self, number: int) -> None:
        async for event in self._client.events():
            self.events[number] += 1
            if number == 0 and event.type == "attendance.marked":
                self.marked += 1

    async def _office(self, people: Sequence[tuple[str, bytes]]) -> None:
        """Enrols five people, looks at what an office looks at, exports a report, and erases them again."""
        while True:
            began, enrolled = asyncio.get_running_loop().time(), []
            for name, photo in people[:ENROLLED]:
                with contextlib.suppress(ServerSaidNo):  # photographed from the side
                    person_id = await self._timed("a person added", self._client.add_person(name, consent=True))
                    enrolled.append(person_id)
                    await self._timed("a picture enrolled", self._client.enrol(person_id, photo))
            for path in ("/api/v1/people", "/api/v1/attendance", "/api/v1/cameras"):
                await self._timed("a list", self._client.call("GET", path))
            await asyncio.sleep(max(1.0, began + OFFICE_EVERY_S - asyncio.get_running_loop().time()))
            await self._timed("a report", self._report())
            for person_id in enrolled:
                await self._client.call("DELETE", f"/api/v1/people/{person_id}")

    async def _report(self) -> None:
        async for _ in self._client.download("/api/v1/reports/attendance", {"format": "csv", "from": "2020-01-01"}):
            pass

    async def _timed(self, what: str, asked: Any) -> Any:
        began = time.perf_counter()
        try:
            answer = await asked
        except (ServerAway, UnavailableError) as error:
            self.complaints[f"{what}: {error}"] += 1
            raise
        self.office.setdefault(what, []).append(time.perf_counter() - began)
        return answer

    async def _join(self) -> None:
        """A phone that would rather use WebRTC."""
        try:
            from tests.partners.webrtc_client import Client, Pictures
        except ImportError:
            self.joins["not tried: aiortc is not installed"] += 1
            return
        await self._client.add_camera("webrtc-phone")
        while True:
            await asyncio.sleep(JOIN_EVERY_S - JOIN_FOR_S)
            peer = Client(video=Pictures([_picture(self._scenes[0].frames[0])], fps=PHONE_FPS))
            try:
                await peer.take(await self._client.whip("webrtc-phone", await peer.offer()))
                await peer.connected()
                self.joins["taken in"] += 1
                await asyncio.sleep(JOIN_FOR_S)
            except RollcallError as error:
                # In the words of the first time: the figures in them are others every time.
                self.joins[self._refusals.setdefault(error.code, f"refused: {error.detail}")] += 1
                await asyncio.sleep(JOIN_FOR_S)
            finally:
                await peer.close()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            self.points.append((loop.time() - began, self._group.usage().memory_mb))
            readiness = await self._client.readiness()
            self.paces.append(readiness["recognition"]["pace_fps"])
            if self._group.usage().oom_kills:
                raise UnavailableError("a process was killed for want of memory")
            self._advance(min(1.0, (loop.time() - began) / self._seconds))
            await asyncio.sleep(LOOK_EVERY_S)


def _picture(jpeg: bytes) -> Any:
    import io

    import av

    with contextlib.closing(av.open(io.BytesIO(jpeg), format="mjpeg")) as content:
        return next(content.decode(video=0)).reformat(format="yuv420p")
