"""What a camera costs outside recognition, over WebRTC and RTSP: 640x480 at 15 frames a second, 5 of which are used.

Cameras and receiver are processes of their own, and the receiver's processor time counts, with that of its readers.
"""

import asyncio
import contextlib
import io
import json
import sys
import unittest
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import click

from benchmarks import processes
from benchmarks.measurement import Advance, Measurement, median, rounded
from benchmarks.pictures import scenes
from tests.partners import rtsp_cameras

if TYPE_CHECKING:
    from tests.partners.webrtc_client import Client

FPS = 15
WEBRTC_PEERS = RTSP_CAMERAS = 4
AIM_WEBRTC_CORES, AIM_RTSP_CORES = 0.06, 0.03
AIM_CONNECT_S, AIM_STALLED_S, AIM_LIVE_AGAIN_S = 1.0, 5.0, 3.0
AIM_PEER_MB = 6.0
WITHIN_S = 40.0
_SETTLE_S = 4.0


class Receiver:
    """The process that receives."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def do(self, **order: Any) -> None:
        """Tell it to do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self, **wanted: Any) -> dict[str, Any]:
        """The next thing it says with these values (None: any); what comes before is passed over."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                words = await self._told.get()
                if all(key in words and value in (None, words[key]) for key, value in wanted.items()):
                    return words

    async def tell(self) -> dict[str, Any]:
        """How it does."""
        await self.do(do="tell")
        return await self.hear(rss_mb=None)

    async def cores(self, seconds: float) -> float | None:
        """Processor time of it and its readers over some seconds, in cores; None where the kernel does not say."""
        loop = asyncio.get_running_loop()
        pids = (self._process.pid, *(await self.tell())["readers"])
        before, began = [processes.cpu_s(pid) for pid in pids], loop.time()
        await asyncio.sleep(seconds)
        after, passed_s = [processes.cpu_s(pid) for pid in pids], loop.time() - began
        used = [now - then for then, now in zip(before, after, strict=True) if now is not None and then is not None]
        return sum(used) / passed_s if len(used) == len(pids) else None

    async def read(self) -> None:
        """Note what it says, until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._told.put_nowait(json.loads(line))


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that runs while the block does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.receiver",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    there = Receiver(process)
    reading = asyncio.create_task(there.read(), name="receiver")
    try:
        await there.hear(ready=True)
        yield there
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reading


def measure(models_dir: Path, *, quick: bool, advance: Advance) -> list[Measurement]:
    """What WebRTC peers and RTSP cameras cost, and how long they take."""
    measurements: list[Measurement] = []
    for number, (name, work) in enumerate((("WebRTC", _webrtc), ("RTSP", _rtsp)), start=1):
        try:
            measurements += asyncio.run(work(models_dir, quick))
        except unittest.SkipTest as missing:
            click.echo(f"cameras: {name} is left out: {missing}", err=True)
        advance(number / 2)
    return measurements


async def _webrtc(models_dir: Path, quick: bool) -> list[Measurement]:
    from tests.partners.webrtc_client import Client, Pictures, has_address

    if not has_address():
        raise unittest.SkipTest("this machine has no address but loopback, which ICE does not use")
    connects_s, clients, rss_mb = [], [], []
    loop = asyncio.get_running_loop()
    async with receiver() as there:
        try:
            for number in range(WEBRTC_PEERS):
                client = Client(video=Pictures(_pictures(models_dir, number), fps=FPS))
                clients.append(client)
                offer = await client.offer()
                began = loop.time()
                await there.do(do="offer", camera=f"peer-{number}", sdp=offer)
                await client.take((await there.hear(answer=None))["answer"])
                await client.connected()
                connects_s.append(loop.time() - began)
                await client.until("faces")
                if number in (0, WEBRTC_PEERS - 1):
                    await _drain(clients, _SETTLE_S)
                    rss_mb.append(float((await there.tell())["rss_mb"]))
            before = (await there.tell())["frames"]
            draining = asyncio.create_task(_drain(clients, 1e9))
            sent, began = await _sent_bytes(clients), loop.time()
            cores = await there.cores(3.0 if quick else 15.0)
            kbps = (await _sent_bytes(clients) - sent) * 8 / 1000 / (loop.time() - began) / WEBRTC_PEERS
            draining.cancel()
            frames = _since(before, (await there.tell())["frames"])
        finally:
            for client in clients:
                await client.close()
    # Half of the cost is decoding, which grows with the bitrate; and that is as the line was found to be.
    detail = {"peers": WEBRTC_PEERS, "frames": frames, "kbps": rounded(kbps)}
    results = [
        Measurement(
            "cameras.webrtc_connect",
            rounded(max(connects_s)),
            "s",
            AIM_CONNECT_S,
            {"first": rounded(connects_s[0]), "median": rounded(median(connects_s))},
            title="WebRTC: offer to connected, the slowest (the first loads aiortc)",
        ),
        Measurement(
            "cameras.webrtc_memory",
            rounded((rss_mb[1] - rss_mb[0]) / (WEBRTC_PEERS - 1)),
            "MB",
            AIM_PEER_MB,
            {"peers": WEBRTC_PEERS, "with_one_mb": rss_mb[0], "with_all_mb": rss_mb[1]},
            title="WebRTC: memory of a peer after the first",
        ),
    ]
    if cores is not None:
        results.append(
            Measurement(
                "cameras.webrtc_cpu",
                rounded(cores / WEBRTC_PEERS),
                "cores",
                AIM_WEBRTC_CORES,
                detail,
                title="WebRTC: processor use of a peer, without recognition",
            )
        )
    return results


async def _rtsp(models_dir: Path, quick: bool) -> list[Measurement]:
    stalled_s, live_again_s = [], []
    with rtsp_cameras.gst_server({"/cam": {"launch": rtsp_cameras.h264(fps=FPS)}}) as server:
        async with receiver() as there:
            for number in range(RTSP_CAMERAS):
                await there.do(do="pull", camera=f"camera-{number}", url=server.url("/cam"))
                await there.hear(camera=f"camera-{number}", state="live")
            await asyncio.sleep(_SETTLE_S)
            before = (await there.tell())["frames"]
            cores = await there.cores(3.0 if quick else 15.0)
            frames = _since(before, (await there.tell())["frames"])
            loop = asyncio.get_running_loop()
            for number in range(1 if quick else 4):
                # Half a second later each time, for the camera is looked for again in a rhythm of its own.
                began = loop.time()
                server.freeze()
                stalled_s.append((await there.hear(camera="camera-0", state="stalled"))["at_s"] - began)
                await there.hear(camera="camera-0", state="reconnecting")
                await asyncio.sleep(1.0 + 0.5 * number)
                began = loop.time()
                server.thaw()
                live_again_s.append((await there.hear(camera="camera-0", state="live"))["at_s"] - began)
                await asyncio.sleep(2.0)
    results = [
        Measurement(
            "cameras.rtsp_stalled",
            rounded(max(stalled_s)),
            "s",
            AIM_STALLED_S,
            {"times": len(stalled_s), "median": rounded(median(stalled_s))},
            title="RTSP: server frozen to `stalled`, the slowest",
        ),
        Measurement(
            "cameras.rtsp_live_again",
            rounded(max(live_again_s)),
            "s",
            AIM_LIVE_AGAIN_S,
            {"times": len(live_again_s), "median": rounded(median(live_again_s))},
            title="RTSP: server back to `live`, the slowest",
        ),
    ]
    if cores is not None:
        results.insert(
            0,
            Measurement(
                "cameras.rtsp_cpu",
                rounded(cores / RTSP_CAMERAS),
                "cores",
                AIM_RTSP_CORES,
                {"cameras": RTSP_CAMERAS, "frames": frames},
                title="RTSP: processor use of a camera, without recognition",
            ),
        )
    return results


async def _drain(clients: "Sequence[Client]", seconds: float) -> None:
    """Let time pass, in which what the clients are told is not kept."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(_pass_over(client.messages) for client in clients))


async def _sent_bytes(clients: "Sequence[Client]") -> int:
    """What the clients have sent of video so far."""
    stats = [await client.connection.getTransceivers()[0].sender.getStats() for client in clients]
    return sum(one.bytesSent for report in stats for one in report.values() if one.type == "outbound-rtp")


async def _pass_over(messages: "asyncio.Queue[dict[str, Any]]") -> None:
    while True:
        await messages.get()


def _since(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in ("received", "processed")}


def _pictures(models_dir: Path, number: int) -> list[av.VideoFrame]:
    """Two seconds of what a camera sees, decoded; each client needs its own."""
    frames = []
    for jpeg in scenes(models_dir)[number % 4].frames[:30]:
        with contextlib.closing(av.open(io.BytesIO(jpeg), format="mjpeg")) as picture:
            frames.append(next(picture.decode(video=0)).reformat(format="yuv420p"))
    return frames
