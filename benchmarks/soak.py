"""Ten cameras for ten minutes. Three are killed, frozen and silenced in turn; the other seven must lose nothing.

"Nothing" means, for each of the seven: it stays `live` or connected, is never opened a second time, no frame comes
more than GAP_MAX_S later than the pace asks for it, every frame that the server received is recognised or counted with
the reason why not (and of those sent to it over WebSocket and WebRTC it received every one), and everybody in view is
marked: in every round the same seven people are enrolled anew, as persons whom the server has never seen.

When all cameras have gone, the server holds no more tasks, threads, files, processes and memory than before.
"""

import asyncio
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.measurement import Advance, rounded
from benchmarks.processes import count_of
from benchmarks.soak_cameras import SoakCamera, partners, streaming
from benchmarks.soak_scenes import FPS, LOOP_S, Person, loop_of, people
from recognition.errors import InternalError
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient, ServerSaidNo

GOOD = ("rtsp-tcp", "rtsp-tcp", "rtsp-udp", "mjpeg", "websocket", "webrtc", "webrtc")
BAD = ("rtsp-tcp", "rtsp-udp", "mjpeg")
GAP_MAX_S = 2.0
LOOK_EVERY_S = 0.25
BROKEN_S = 8.0
MENDED_WITHIN_S = 20.0
WHOLE_S = 4.0
# A person is in view once in LOOP_S.
MARKED_WITHIN_S = 2 * LOOP_S + 5.0
START_WITHIN_S = 40.0
SETTLE_WITHIN_S = 60.0
ROUND_EVERY_S = 12.0
# What a C library keeps for later, and the pool of connections to PostgreSQL, of which there are one to four.
SLACK = {"memory_mb": 12.0, "open_files": 3.0}

LOG_LINES_MAX = 20

Held = dict[str, float]


@dataclass(slots=True)
class Watched:
    """What was seen of one camera from outside."""

    camera_id: str
    good: bool
    longest_gap_s: float = 0.0
    most_overdue_s: float = 0.0
    received: int = 0
    unaccounted: int = 0
    sent: int | None = None
    sent_slack: int = 0
    reopened: int = 0
    left_live: int = 0
    marked: int = 0
    missing: int = 0
    problems: list[str] = field(default_factory=list)
    _last: tuple[float, int] | None = None

    def see(self, now: float, camera: dict[str, Any], period_s: float = 0.0) -> None:
        """Take one answer of the server, which asks for a frame every `period_s`."""
        if not camera["connected"] or (camera["pull"] is not None and camera["pull"]["state"] != "live"):
            self.left_live += 1
        if camera["pull"] is not None:
            self.reopened = max(self.reopened, camera["pull"]["connects"] - 1)
        counts = camera["frames"]
        if counts is None:
            return
        received = counts["received"]
        if self._last is None or received != self._last[1]:
            self._last = (now, received)
        self.longest_gap_s = max(self.longest_gap_s, now - self._last[0])
        self.most_overdue_s = max(self.most_overdue_s, now - self._last[0] - period_s)
        self.received = received
        self.unaccounted = received - counts["processed"] - counts["failed"] - counts["dropped"]

    def lost(self, gap_max_s: float) -> list[str]:
        """In what way it lost something, if it did."""
        lost = list(self.problems)
        if self.left_live:
            lost.append(f"was not live {self.left_live} times when it was looked at")
        if self.reopened:
            lost.append(f"was opened again {self.reopened} times")
        if self.most_overdue_s > gap_max_s:
            lost.append(f"had no frame for {self.most_overdue_s:.1f} s longer than the pace asks")
        if not 0 <= self.unaccounted <= 2:  # one that waits and one that is being recognised
            lost.append(f"{self.unaccounted} frames are in no count")
        if self.sent is not None and not 0 <= self.sent - self.received <= self.sent_slack:
            lost.append(f"sent {self.sent} frames of which {self.received} were received")
        if self.missing:
            lost.append(f"{self.missing} of {self.missing + self.marked} times a person was not marked")
        return lost


@dataclass(slots=True)
class Fault:
    """One of the three was broken. `back_s`: from its mending until it was live; None: it was not in time."""

    camera_id: str
    how: str
    noticed_s: float | None
    back_s: float | None


@dataclass(slots=True)
class Soak:
    """What came of it."""

    seconds: float
    gap_max_s: float
    cameras: list[Watched]
    faults: list[Fault]
    rounds: int
    before: Held
    after: Held
    highest_rss_mb: float
    log_errors: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """Everything that is not as it should be."""
        failures = [
            f"{camera.camera_id}: {what}"
            for camera in self.cameras
            if camera.good
            for what in camera.lost(self.gap_max_s)
        ]
        failures += [
            f"{fault.camera_id}: {fault.how} and not noticed" for fault in self.faults if fault.noticed_s is None
        ]
        failures += [f"{fault.camera_id}: {fault.how} and not back" for fault in self.faults if fault.back_s is None]
        if not self.faults or not self.rounds:
            failures.append("it was too short: nothing was broken, or nobody was marked")
        for name, now in self.after.items():
            if now > self.before[name] + SLACK.get(name, 0.0):
                failures.append(f"left behind: {name} {self.before[name]:g} before and {now:g} after")
        return failures


async def soak(
    models_dir: Path,
    *,
    minutes: float,
    good: Sequence[str] = GOOD,
    bad: Sequence[str] = BAD,
    gap_max_s: float = GAP_MAX_S,
    advance: Advance = lambda done: None,
) -> Soak:
    """Run it. Raises PartnerMissing (a SkipTest) where GStreamer or VLC is not installed."""
    seconds = minutes * 60
    # Recordings are played once: longer than all of it takes.
    recorded_s = seconds + 4 * START_WITHIN_S
    settings = {"ROLLCALL_PULL__ALLOW_LOOPBACK": "true"}
    with temporary_folder() as folder:
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        async with server, server.client() as client:
            cast = await _cast(client, models_dir, len(good) + 1)
            plan = [*zip(good, cast, strict=False), *((kind, cast[-1]) for kind in bad)]
            async with partners(plan, Path(folder), recorded_s) as cameras:
                # Once before, so that what is loaded at the first camera of a kind and kept does not count.
                async with streaming(client, cameras):
                    await _all_live(client, cameras)
                before = await _settled(server, client, None)
                for camera in cameras:
                    camera.sent = 0
                async with streaming(client, cameras):
                    await _all_live(client, cameras)
                    run = _Run(client, cameras, len(good), seconds, advance)
                    await run.run()
            after = await _settled(server, client, before)
        log = server.log_path.read_text(errors="replace").splitlines()
    watched, errors = list(run.watched.values()), [line for line in log if " ERROR " in line][-LOG_LINES_MAX:]
    return Soak(seconds, gap_max_s, watched, run.faults, run.rounds, before, after, run.highest_rss_mb, errors)


class _Run:
    """The cameras stream: faults, rounds and looks go on side by side."""

    def __init__(
        self, client: ServerClient, cameras: Sequence[SoakCamera], good: int, seconds: float, advance: Advance
    ) -> None:
        self._client = client
        self._good, self._bad = cameras[:good], cameras[good:]
        self._seconds = seconds
        self._advance = advance
        self.watched = {camera.camera_id: Watched(camera.camera_id, camera in self._good) for camera in cameras}
        self.faults: list[Fault] = []
        self.rounds = 0
        self.highest_rss_mb = 0.0
        self._pace_fps = math.inf
        self._states: dict[str, str] = {}
        self._news = asyncio.Event()
        self._marked: dict[UUID, str] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        listening = asyncio.Event()
        subscriber = asyncio.create_task(self._listen(listening), name="subscriber")
        looking = asyncio.create_task(self._look_for_ever(until), name="looks")
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await listening.wait()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._rounds(until))
                group.create_task(self._faults(until))
            await asyncio.sleep(2 * LOOK_EVERY_S)  # a last look when all is done
        finally:
            for task in (subscriber, looking):
                task.cancel()
            outcomes = await asyncio.gather(subscriber, looking, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        await self._look(loop.time())
        for camera in self._good:
            watched = self.watched[camera.camera_id]
            watched.problems = camera.problems
            if camera.kind in ("websocket", "webrtc"):
                watched.sent = camera.sent
            # On their way, or still in the encoder; UDP may lose one of the first.
            watched.sent_slack = 2 if camera.kind == "websocket" else 2 * FPS

    async def _look_for_ever(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._look(loop.time())
            self._advance(min(1.0, max(0.0, 1 - (until - loop.time()) / self._seconds)))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self, now: float) -> None:
        readiness = await self._client.readiness()
        self.highest_rss_mb = max(self.highest_rss_mb, readiness["memory"]["rss_mb"])
        # What it was at the last look or is now: a camera may not have heard of a new one yet.
        pace_fps, self._pace_fps = min(self._pace_fps, (now_fps := readiness["recognition"]["pace_fps"])), now_fps
        for camera in (await self._client.call("GET", "/api/v1/cameras"))["cameras"]:
            self._states[camera["id"]] = camera["pull"]["state"] if camera["pull"] else ""
            self.watched[camera["id"]].see(now, camera, 1 / pace_fps)

    async def _listen(self, listening: asyncio.Event) -> None:
        async for event in self._client.events(opened=listening):
            if event.type == "attendance.marked":
                self._marked[UUID(event.data["person"]["id"])] = event.data["camera"]
                self._news.set()

    async def _rounds(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while self.rounds == 0 or loop.time() < until:
            next_round = loop.time() + ROUND_EVERY_S
            enrolled = {}
            for camera in self._good:
                person_id = await self._client.add_person(camera.person.name, consent=True)
                await self._client.enrol(person_id, camera.person.photo)
                enrolled[person_id] = camera.camera_id
            try:
                async with asyncio.timeout(MARKED_WITHIN_S):
                    while not self._marked.keys() >= enrolled.keys():
                        self._news.clear()
                        await self._news.wait()
            except TimeoutError:
                pass
            for person_id, camera_id in enrolled.items():
                watched = self.watched[camera_id]
                if self._marked.get(person_id) == camera_id:
                    watched.marked += 1
                else:
                    watched.missing += 1
                await self._client.call("DELETE", f"/api/v1/people/{person_id}")
            self._marked.clear()
            self.rounds += 1
            await asyncio.sleep(max(0.0, min(next_round, until) - loop.time()))

    async def _faults(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        most = max(len(camera.breakers) for camera in self._bad)
        turns = [(camera, camera.breakers[n % len(camera.breakers)]) for n in range(most) for camera in self._bad]
        for camera, (how, break_it, mend) in itertools.cycle(turns):
            if self.faults and loop.time() > until:
                return
            await asyncio.to_thread(break_it)
            noticed_s = await self._until(camera, live=False, within_s=BROKEN_S)
            await asyncio.sleep(max(0.0, BROKEN_S - (noticed_s or 0.0)))
            await asyncio.to_thread(mend)
            back_s = await self._until(camera, live=True, within_s=MENDED_WITHIN_S)
            self.faults.append(Fault(camera.camera_id, how, noticed_s, back_s))
            await asyncio.sleep(WHOLE_S)

    async def _until(self, camera: SoakCamera, *, live: bool, within_s: float) -> float | None:
        """Seconds until it is (or is not) live, as far as looks can tell."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < within_s:
            if (self._states.get(camera.camera_id) == "live") is live:
                return rounded(loop.time() - began)
            await asyncio.sleep(LOOK_EVERY_S)
        return None


async def _cast(client: ServerClient, models_dir: Path, count: int) -> list[Person]:
    """People who can be enrolled: some are photographed from the side."""
    cast: list[Person] = []
    for name, photo, seen_bgr in people(models_dir):
        person_id = await client.add_person(name, consent=True)
        try:
            await client.enrol(person_id, photo)
        except ServerSaidNo:
            continue
        finally:
            await client.call("DELETE", f"/api/v1/people/{person_id}")
        frames = await asyncio.to_thread(loop_of, seen_bgr, len(cast))
        cast.append(Person(name, photo, frames))
        if len(cast) == count:
            return cast
    raise InternalError("the photographs show too few people")


async def _all_live(client: ServerClient, cameras: Sequence[SoakCamera]) -> None:
    expected = {camera.camera_id for camera in cameras}
    live: set[str] = set()
    try:
        async with asyncio.timeout(START_WITHIN_S):
            while live != expected:
                listed = (await client.call("GET", "/api/v1/cameras"))["cameras"]
                live = {c["id"] for c in listed if c["connected"] and (c["frames"] or {}).get("processed")}
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise InternalError(f"cameras that never came up: {', '.join(sorted(expected - live))}") from None


async def _settled(server: ChildServer, client: ServerClient, before: Held | None) -> Held:
    """What the server holds when nothing has changed for a while, or when it is no more than before."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SETTLE_WITHIN_S
    seen: list[Held] = []
    while True:
        seen.append(await _held(server, client))
        if before is None:
            if len(seen) > 8 and len({tuple(held.items())[:-1] for held in seen[-8:]}) == 1:
                return seen[-1]
        elif all(seen[-1][name] <= before[name] + SLACK.get(name, 0.0) for name in before):
            return seen[-1]
        if loop.time() > until:
            return seen[-1]
        await asyncio.sleep(1.0)


async def _held(server: ChildServer, client: ServerClient) -> Held:
    readiness = await client.readiness()
    process = readiness["process"]
    return {
        "tasks": process["tasks"],
        "threads": process["threads"],
        "open_files": process["open_files"] or 0,
        "reader_processes": count_of(server.pid, "reader"),
        "webrtc_peers": readiness["sockets"]["webrtc_peers"],
        "memory_mb": readiness["memory"]["rss_mb"],
    }
