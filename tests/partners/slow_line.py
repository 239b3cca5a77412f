"""A line to a server that carries only so many bits a second upwards, as a tunnel over a mobile phone does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK_BYTES = 1460
# What waits in such a line without anybody knowing of it; more is left to the sender.
QUEUE_BYTES = 64 * 1024


@asynccontextmanager
async def slow_line(port: int, *, up_kbit_s: float) -> AsyncIterator[int]:
    """A port of this machine that leads to another `port`, slowly on the way there."""
    wires: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds_a_byte: float) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                await asyncio.sleep(len(chunk) * seconds_a_byte)
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        wires.add(task)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(
                    carry(reader, server_writer, 8 / (1000 * up_kbit_s)), carry(server_reader, writer, 0.0)
                )
            finally:
                server_writer.close()
        except (OSError, asyncio.CancelledError):
            pass  # either side is gone, or the test is over
        finally:
            wires.discard(task)
            writer.close()

    listening = await asyncio.start_server(connect, "127.0.0.1", 0, limit=QUEUE_BYTES)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in wires:
            task.cancel()
        await asyncio.gather(*wires, return_exceptions=True)
