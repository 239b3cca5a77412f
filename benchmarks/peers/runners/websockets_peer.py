"""The least that receives pictures over WebSocket: counts messages and bytes.

Says its port, and at each line on standard input what it has received and the processor time that it has used.
"""

import asyncio
import json
import sys
import time

import websockets
from websockets.asyncio.server import ServerConnection, serve


async def main() -> None:
    """Serve until standard input ends."""
    received = {"frames": 0, "bytes": 0}

    async def receive(socket: ServerConnection) -> None:
        async for message in socket:
            received["frames"] += 1
            received["bytes"] += len(message)

    async with serve(receive, "127.0.0.1", 0) as server:
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.readline():
            told = {**received, "cpu_s": time.process_time(), "versions": {"websockets": websockets.__version__}}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
