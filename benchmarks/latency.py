"""From a frame received to its event received by a subscriber, with four cameras at 5 frames a second.

In every round the same people are enrolled anew, as persons that the server has never seen, while all cameras show an
empty room; then they walk in, in four rooms at once. So every event is a first one, and every deciding frame has been
through all stages: its faces were found, aligned, embedded and compared, and those of one frame are stored one after
the other. The event carries the server's time of the deciding frame, and both processes go by the same clock.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from benchmarks.load import LoadCamera, cameras, enrol, erase, gallery_of
from benchmarks.measurement import Advance, Measurement, percentile, rounded
from benchmarks.pictures import RING_FPS, Scene, empty_room, scenes
from recognition.errors import InternalError
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from stream_server.messages.wire import Event

CAMERAS = 4
AIM_P95_MS = 300.0
# Longer than a track is kept without its face, so that everybody who walks in is looked at anew.
_EMPTY_S = 2.5
_PRESENT_S = 3.0


class Arrivals:
    """Who was reported to the subscriber: the time of the deciding frame, and that of the event's arrival."""

    def __init__(self) -> None:
        self.times: dict[UUID, tuple[datetime, datetime]] = {}
        self._expected: frozenset[UUID] = frozenset()
        self._complete = asyncio.Event()

    async def listen(self, client: ServerClient, listening: asyncio.Event) -> None:
        """Follow the events for ever; sets `listening` once it does."""
        listening.set()
        async for event in client.events():
            self.take(event, datetime.now(UTC))

    def take(self, event: Event, arrived: datetime) -> None:
        """Note an event of attendance; others are passed over."""
        if event.type == "attendance.marked":
            person_id = UUID(event.data["person"]["id"])
            self.times[person_id] = (datetime.fromisoformat(event.data["first_seen"]), arrived)
            if self.times.keys() >= self._expected:
                self._complete.set()

    async def wait_for(self, people: Sequence[UUID], timeout_s: float) -> None:
        """Wait until all of them were reported, or the time is up."""
        self._expected = frozenset(people)
        if self.times.keys() >= self._expected:
            return
        self._complete.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._complete.wait()
        except TimeoutError:
            return


def measure(models_dir: Path, *, quick: bool, advance: Advance) -> list[Measurement]:
    """Percentiles over all events."""
    return asyncio.run(_measure(models_dir, 2 if quick else 10, advance))


async def _measure(models_dir: Path, rounds: int, advance: Advance) -> list[Measurement]:
    seen = scenes(models_dir)
    received_ms: list[float] = []
    appeared_ms: list[float] = []
    missing = 0
    arrivals, listening = Arrivals(), asyncio.Event()
    with temporary_folder() as folder:
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir)
        async with server, server.client() as client, asyncio.TaskGroup() as group:
            subscriber = group.create_task(arrivals.listen(client, listening), name="subscriber")
            await listening.wait()
            async with cameras(client, CAMERAS) as streaming:
                for number in range(rounds):
                    people = await _round(client, streaming, seen, arrivals)
                    for person_id, scene in people.items():
                        if person_id not in arrivals.times:
                            missing += 1
                            continue
                        decided, arrived = arrivals.times[person_id]
                        received_ms.append((arrived - decided).total_seconds() * 1e3)
                        shown_at = streaming[scene].shown_at
                        if shown_at is not None:
                            appeared_ms.append((arrived - shown_at).total_seconds() * 1e3)
                    await erase(client, list(people))
                    advance((number + 1) / rounds)
                readiness = await client.readiness()
            subscriber.cancel()
    detail = {
        "events": len(received_ms),
        "missing": missing,
        "cameras": CAMERAS,
        "fps": RING_FPS,
        "engine": readiness["detector"]["engine"],
        "detector": readiness["detector"]["file"],
        "frames": readiness["frames"],
    }
    return [
        *_percentiles("latency.frame_to_event", "Frame received to event received", received_ms, AIM_P95_MS, detail),
        *_percentiles("latency.appearance_to_event", "Person in view to event received", appeared_ms, None, detail),
    ]


async def _round(
    client: ServerClient, streaming: Sequence[LoadCamera], seen: Sequence[Scene], arrivals: Arrivals
) -> dict[UUID, int]:
    """Empty rooms, new persons, and everybody walks in; returns the scene of each person."""
    for camera in streaming:
        camera.look_at(empty_room())
    empty = asyncio.create_task(asyncio.sleep(_EMPTY_S))
    await gallery_of(client, 0)
    people = await enrol(client, seen)
    await gallery_of(client, len(people))
    await empty
    for camera, scene in zip(streaming, seen, strict=True):
        camera.look_at(scene.frames)
    await arrivals.wait_for(list(people), _PRESENT_S)
    return people


def _percentiles(
    name: str, title: str, values_ms: Sequence[float], aim_p95_ms: float | None, detail: dict[str, object]
) -> list[Measurement]:
    if not values_ms:
        raise InternalError("nobody was recognised, so no event arrived")
    more = {**detail, "highest": rounded(max(values_ms))}
    return [
        Measurement(f"{name}.p50", rounded(percentile(values_ms, 50)), "ms", None, more, title=f"{title}, p50"),
        Measurement(f"{name}.p95", rounded(percentile(values_ms, 95)), "ms", aim_p95_ms, more, title=f"{title}, p95"),
    ]
