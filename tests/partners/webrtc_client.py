"""A WebRTC client made with aiortc, whose line to the server can be made bad on a schedule."""

import asyncio
import fractions
import json
from collections.abc import Callable, Sequence
from typing import Any

import av
import pytest
from aioice.ice import get_host_addresses
from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection, RTCSessionDescription


def has_address() -> bool:
    """Whether this machine has an address that ICE uses."""
    return bool(get_host_addresses(use_ipv4=True, use_ipv6=True))


needs_address = pytest.mark.skipif(
    not has_address(),
    reason="this machine has no address but loopback, which ICE does not use",
)


class Pictures(MediaStreamTrack):
    """A camera that shows pictures in turn, `fps` of them a second."""

    kind = "video"

    def __init__(self, pictures: Sequence[av.VideoFrame], fps: float = 15.0) -> None:
        super().__init__()
        self._pictures = pictures
        self._fps = fps
        self._shown = 0
        self._began_s: float | None = None

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        self._began_s = loop.time() if self._began_s is None else self._began_s
        await asyncio.sleep(max(0.0, self._began_s + self._shown / self._fps - loop.time()))
        picture = self._pictures[self._shown % len(self._pictures)]
        picture.pts, picture.time_base = round(self._shown * 90_000 / self._fps), fractions.Fraction(1, 90_000)
        self._shown += 1
        return picture


class Client:
    """A peer that offers video, or something else, and notes what it is told."""

    def __init__(
        self, *, video: MediaStreamTrack | None = None, audio: bool = False, channel: str = "rollcall"
    ) -> None:
        self.connection = RTCPeerConnection()
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        if video is not None:
            self.connection.addTrack(video)
        if audio:
            self.connection.addTransceiver("audio", direction="sendonly")
        self.channel: RTCDataChannel = self.connection.createDataChannel(channel)
        self.channel.on("message", lambda text: self.messages.put_nowait(json.loads(text)))

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def connected(self) -> None:
        async with asyncio.timeout(30):
            while self.connection.connectionState != "connected":
                await asyncio.sleep(0.01)

    async def until(self, type_: str, within_s: float = 30.0) -> dict[str, Any]:
        """The next message of a type; others are passed over."""
        async with asyncio.timeout(within_s):
            while (message := await self.messages.get())["type"] != type_:
                pass
        return message

    async def reported_lost(self) -> int:
        """Packets that the server says it missed (RTCP receiver reports)."""
        stats = await self.connection.getTransceivers()[0].sender.getStats()
        return sum(stat.packetsLost for stat in stats.values() if stat.type == "remote-inbound-rtp")

    def damage_line(self, lost: Callable[[int], bool], late: Callable[[int], bool]) -> "Damage":
        """From now on lose and delay packets by their number; a late one is sent after the next."""
        return Damage(self.connection, lost, late)

    async def close(self) -> None:
        await self.connection.close()


class Damage:
    """A bad line: what it did is counted."""

    def __init__(self, connection: RTCPeerConnection, lost: Callable[[int], bool], late: Callable[[int], bool]) -> None:
        transport = connection.getTransceivers()[0].sender.transport.transport
        self._send, transport._send = transport._send, self.send
        self._is_lost, self._is_late = lost, late
        self._held: bytes | None = None
        self.sent = self.lost = self.late = 0

    async def send(self, data: bytes) -> None:
        if not 127 < data[0] < 192:  # only video suffers: RTP, and not DTLS
            await self._send(data)
            return
        number = self.sent
        self.sent += 1
        if self._is_lost(number):
            self.lost += 1
        elif self._is_late(number) and self._held is None:
            self.late += 1
            self._held = data
        else:
            held, self._held = self._held, None
            await self._send(data)
            if held is not None:
                await self._send(held)
