"""Counts the bytes of connections of the tunnel, on the socket itself: requests, answers and WebSockets alike."""

import asyncio
from collections.abc import Callable
from typing import Any

from stream_server.access.door import Traffic


class MeteredTransport(asyncio.Transport):
    """The transport as the protocol sees it: counts what is written, and follows a change of protocol."""

    def __init__(self, transport: asyncio.Transport, meter: "MeteredProtocol", traffic: Traffic) -> None:
        super().__init__()
        self._transport = transport
        self._meter = meter
        self._traffic = traffic

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Count and write."""
        self._traffic.bytes_out += len(data)
        self._transport.write(data)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As when an HTTP connection becomes a WebSocket."""
        self._meter.inner = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that is counted."""
        protocol: asyncio.BaseProtocol = self._meter.inner
        return protocol

    # `asyncio.Transport` defines these as unimplemented, so that passing them on has to be written down.
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Passed on."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Passed on."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Passed on."""
        self._transport.close()

    def abort(self) -> None:
        """Passed on."""
        self._transport.abort()

    def is_reading(self) -> bool:
        """Passed on."""
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        """Passed on."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Passed on."""
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Passed on."""
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Passed on."""
        return self._transport.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """Passed on."""
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        """Passed on."""
        self._transport.write_eof()


class MeteredProtocol(asyncio.Protocol):
    """Stands between the socket and the protocol that does the work."""

    def __init__(self, make: Callable[[], asyncio.Protocol], traffic: Traffic) -> None:
        self.inner: Any = make()
        self._traffic = traffic

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the protocol a transport that counts."""
        self.inner.connection_made(MeteredTransport(transport, self, self._traffic))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Count and pass on."""
        self._traffic.bytes_in += len(data)
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        result: bool | None = self.inner.eof_received()
        return result

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on."""
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on to whichever protocol it is now."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self.inner.resume_writing()
