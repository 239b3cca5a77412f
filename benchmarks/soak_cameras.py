"""The cameras of the soak: real servers and clients of every kind, and the ways in which some of them are broken."""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av

from benchmarks.soak_scenes import FPS, Person, record
from stream_server.client import ServerClient
from stream_server.demo.feed import open_feed
from tests.partners import http_cameras, rtsp_cameras

KINDS = ("rtsp-tcp", "rtsp-udp", "mjpeg", "websocket", "webrtc")


@dataclass(slots=True)
class SoakCamera:
    """One camera. `sent` counts the frames that it offered, where it can tell.

    `breakers` are pairs of a name and two functions: how it is broken, and how it is mended.
    """

    camera_id: str
    kind: str
    person: Person
    address: str | None = None
    breakers: list[tuple[str, Callable[[], None], Callable[[], None]]] = field(default_factory=list)
    sent: int = 0
    problems: list[str] = field(default_factory=list)


@asynccontextmanager
async def partners(plan: Sequence[tuple[str, Person]], folder: Path, seconds: float) -> AsyncIterator[list[SoakCamera]]:
    """The cameras of the plan, kind and person of each, ready to be opened or connected. Raises PartnerMissing."""
    async with AsyncExitStack() as stack:
        cameras = []
        for number, (kind, person) in enumerate(plan):
            camera = SoakCamera(f"{kind}-{number}", kind, person)
            cameras.append(camera)
            if kind.startswith("rtsp"):
                path = folder / f"{person.name.replace(' ', '-')}.mp4"
                if not path.exists():
                    await asyncio.to_thread(record, person.frames, path, seconds)
            match kind:
                case "rtsp-tcp":
                    mounts = {"/cam": {"launch": rtsp_cameras.played(path)}}
                    server = await asyncio.to_thread(stack.enter_context, rtsp_cameras.gst_server(mounts))
                    camera.address = server.url("/cam")
                    camera.breakers = [("killed", server.kill, server.start), ("frozen", server.freeze, server.thaw)]
                case "rtsp-udp":
                    vlc = await asyncio.to_thread(rtsp_cameras.VlcServer, path)
                    stack.callback(vlc.kill)
                    camera.address = vlc.url
                    camera.breakers = [("frozen", vlc.freeze, vlc.thaw)]
                case "mjpeg":
                    pause = threading.Event()
                    answer = http_cameras.playing(person.frames, fps=FPS, pause=pause)
                    camera.address = stack.enter_context(http_cameras.http_camera({"/video": answer})) + "/video"
                    camera.breakers = [("silent", pause.set, pause.clear)]
        yield cameras


@asynccontextmanager
async def streaming(client: ServerClient, cameras: Sequence[SoakCamera]) -> AsyncIterator[None]:
    """Open all of them, one after the other, while the block runs; afterwards they are removed."""
    async with AsyncExitStack() as stack:
        for camera in cameras:
            if camera.address is not None:
                body = {"address": camera.address, "transport": "udp" if camera.kind == "rtsp-udp" else "auto"}
                await client.call("PUT", f"/api/v1/cameras/{camera.camera_id}", body=body)
            elif camera.kind == "websocket":
                await stack.enter_async_context(_websocket(client, camera))
            else:
                await stack.enter_async_context(_webrtc(client, camera))
        try:
            yield
        finally:
            await stack.aclose()
            for camera in cameras:
                await client.call("DELETE", f"/api/v1/cameras/{camera.camera_id}")


@asynccontextmanager
async def _websocket(client: ServerClient, camera: SoakCamera) -> AsyncIterator[None]:
    async def send() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await feed.send(camera.person.frames[camera.sent % len(camera.person.frames)])
            camera.sent += 1
            await asyncio.sleep(max(0.0, began + camera.sent / FPS - loop.time()))

    async with open_feed(client, camera.camera_id) as feed:
        sending = asyncio.create_task(send(), name=camera.camera_id)
        sending.add_done_callback(lambda task: _note_end(camera, task))
        try:
            yield
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


@asynccontextmanager
async def _webrtc(client: ServerClient, camera: SoakCamera) -> AsyncIterator[None]:
    from tests.partners.webrtc_client import Client, Pictures

    class Film(Pictures):
        async def recv(self) -> av.VideoFrame:
            # Decoded as it is shown: all of it at once would take 70 MB.
            self._pictures = [_decoded(camera.person.frames[self._shown % len(camera.person.frames)])]
            camera.sent += 1
            return await super().recv()

    def changed() -> None:
        if peer.connection.connectionState in ("failed", "closed") and not ending:
            camera.problems.append(f"its connection is {peer.connection.connectionState}")

    await client.add_camera(camera.camera_id)
    peer, ending = Client(video=Film([], fps=FPS)), False
    peer.connection.on("connectionstatechange", changed)
    await peer.take(await client.whip(camera.camera_id, await peer.offer()))
    await peer.connected()
    reading = asyncio.create_task(_forget_messages(peer.messages), name=f"{camera.camera_id}-messages")
    try:
        yield
    finally:
        ending = True
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await peer.close()


async def _forget_messages(messages: "asyncio.Queue[object]") -> None:
    while True:
        await messages.get()


def _note_end(camera: SoakCamera, task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        camera.problems.append(f"its connection ended: {error}")


def _decoded(jpeg: bytes) -> av.VideoFrame:
    with contextlib.closing(av.open(io.BytesIO(jpeg), format="mjpeg")) as picture:
        return next(picture.decode(video=0)).reformat(format="yuv420p")
