"""Receiving pictures over WebSocket: four cameras that send as fast as they may, and at 15 frames a second.

The sender runs on the other cores, the same for every receiver; processor time is the receiver's own.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.measurement import median, rounded
from benchmarks.peers.process import PeerFailed, PeerProcess, off_last_core

CAMERAS = 4
PACED_FPS = 15.0
_CLOSE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """Frames for each camera, all at once and then paced."""

    flood_frames: int
    paced_frames: int
    rounds: int


FULL, QUICK = Load(1500, 150, 7), Load(200, 15, 2)


@dataclass(frozen=True, slots=True)
class Passage:
    """What came of sending: frames taken a second, and milliseconds of processor time for each of them."""

    fps: float
    cpu_ms: float


def measured(receiver: PeerProcess, port: int, jpeg: bytes, load: Load) -> dict[str, Passage]:
    """One round of a receiver that listens. PeerFailed when frames were lost."""
    return {
        "flood": _passage(receiver, port, jpeg, load.flood_frames, None),
        "paced": _passage(receiver, port, jpeg, load.paced_frames, PACED_FPS),
    }


def figures(rounds: list[dict[str, Passage]], base: list[dict[str, Passage]]) -> dict[str, Any]:
    """Medians over the rounds, and the ratio to what the base took in the same round."""
    result = {}
    for name in ("flood", "paced"):
        ratios = [own[name].cpu_ms / other[name].cpu_ms for own, other in zip(rounds, base, strict=False)]
        result[name] = {
            "fps": rounded(median([own[name].fps for own in rounds])),
            "cpu_ms_per_frame": rounded(median([own[name].cpu_ms for own in rounds])),
            "cpu_ratio": rounded(median(ratios)) if ratios else None,
        }
    return result


def _passage(receiver: PeerProcess, port: int, jpeg: bytes, frames: int, fps: float | None) -> Passage:
    before = receiver.ask(do="tell")
    with off_last_core():
        seconds = asyncio.run(_send(port, jpeg, frames, fps))
    after = receiver.ask(do="tell")
    sent, came = frames * CAMERAS, after["frames"] - before["frames"]
    if came != sent:
        raise PeerFailed(f"{receiver.name} received {came} frames of {sent}")
    return Passage(sent / seconds, (after["cpu_s"] - before["cpu_s"]) * 1e3 / sent)


async def _send(port: int, jpeg: bytes, frames: int, fps: float | None) -> float:
    """Seconds until all frames were taken: a close is answered when what came before it has been read."""
    sockets = await asyncio.gather(*(_open(port, number) for number in range(CAMERAS)))
    began = time.perf_counter()
    await asyncio.gather(*(_stream(socket, jpeg, frames, fps) for socket in sockets))
    return time.perf_counter() - began


async def _open(port: int, number: int) -> ClientConnection:
    return await connect(
        f"ws://127.0.0.1:{port}/ws/v1/camera/camera-{number}",
        compression=None,
        close_timeout=_CLOSE_TIMEOUT_S,
        ping_interval=None,
    )


async def _stream(socket: ClientConnection, jpeg: bytes, frames: int, fps: float | None) -> None:
    hearing = asyncio.create_task(_hear(socket))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(frames):
        if fps is not None:
            await asyncio.sleep(max(0.0, began + number / fps - loop.time()))
        await socket.send(jpeg)
    await socket.close()
    await hearing


async def _hear(socket: ClientConnection) -> None:
    """Read what the receiver answers, so that it never has to wait for the camera."""
    async for _ in socket:
        pass
