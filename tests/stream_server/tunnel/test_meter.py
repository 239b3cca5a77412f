"""The meter between a real socket and uvicorn's protocols is part of tests/integration/test_tunnel.py."""

import asyncio
from typing import Any

from stream_server.access.door import Traffic
from stream_server.tunnel.meter import MeteredProtocol


class Echo(asyncio.Protocol):
    """Sends back what comes; `upgrade` makes another protocol of the connection."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data == b"upgrade":
            other = Shout()
            other.connection_made(self.transport)
            self.transport.set_protocol(other)
            assert self.transport.get_protocol() is other
        else:
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class Shout(Echo):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(b"?")

    def data_received(self, data: bytes) -> None:
        self.transport.writelines([data.upper(), b"!"])


async def test_bytes_are_counted_before_and_after_a_connection_becomes_another_protocols() -> None:
    traffic, made = Traffic(), []

    def make() -> asyncio.Protocol:
        made.append(Echo())
        return made[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: MeteredProtocol(make, traffic), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    assert (traffic.bytes_in, traffic.bytes_out) == (5, 5)
    writer.write(b"upgrade")
    assert await reader.readexactly(1) == b"?"
    writer.write(b"abc")
    assert await reader.readexactly(4) == b"ABC!"
    assert (traffic.bytes_in, traffic.bytes_out) == (15, 10)
    assert made[0].transport.get_extra_info("peername") == writer.get_extra_info("sockname")
    made[0].transport.close()
    assert made[0].transport.is_closing()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    assert not made[0].lost  # the protocol that has it now hears of the end
