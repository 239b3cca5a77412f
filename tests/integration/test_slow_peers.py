"""Peers that open connections and do not go on, readers that stay when the server stops, a database that hangs."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from storage.embedded import EmbeddedPostgres
from stream_server.child import ChildServer, temporary_folder
from stream_server.demo.feed import open_feed
from stream_server.serving.http_protocol import DeadlineProtocol


def signal_all(postmaster_pid: int, number: int) -> None:
    """Signal PostgreSQL and every process of it; each leads a process group of its own."""
    postmaster = psutil.Process(postmaster_pid)
    for process in (postmaster, *postmaster.children(recursive=True)):
        process.send_signal(number)


async def started(server: ChildServer) -> ChildServer:
    await asyncio.to_thread(server.upgrade)
    await server.start()
    return server


async def test_connections_that_send_nothing_or_half_a_header_are_closed(
    own_server: Callable[..., ChildServer],
) -> None:
    server = await started(own_server(ROLLCALL_HTTP__MAX_CONNECTIONS="20"))
    beginnings = [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow"]
    peers = []
    for number in range(24):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(beginnings[number % 3])
        peers.append((reader, writer))
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get("/healthz")).status_code == 503
        async with asyncio.timeout(DeadlineProtocol.header_s + 10):
            while (await http.get("/healthz")).status_code != 200:
                await asyncio.sleep(0.2)
    for reader, writer in peers:
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                while await reader.read(65536):
                    pass
        writer.close()


async def test_a_reader_of_events_does_not_hold_up_the_end(own_server: Callable[..., ChildServer]) -> None:
    server = await started(own_server())
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
        http.stream("GET", "/api/v1/events", headers=headers) as response,
    ):
        lines = response.aiter_lines()
        await anext(lines)
        stopping = asyncio.create_task(server.stop())
        async with asyncio.timeout(20):
            async for _ in lines:  # the stream ends in order, it is not cut
                pass
        assert await stopping == 0
    log = server.log_path.read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log


async def test_while_the_database_hangs_decisions_go_to_disk_and_the_server_says_so(
    own_server: Callable[..., ChildServer], pictures: Any
) -> None:
    views = pictures.view("sample1.jpg", frames=5)
    with temporary_folder() as folder:
        postgres = EmbeddedPostgres(Path(folder))
        await asyncio.to_thread(postgres.start)
        server = await started(own_server(DATABASE_URL=postgres.dsn))
        async with server.client() as client:
            person_id = await client.add_person("Patient", consent=True)
            await client.enrol(person_id, pictures.crop("sample1.jpg", 0))
            async with asyncio.timeout(10):
                while (await client.readiness())["gallery"]["people"] < 1:
                    await asyncio.sleep(0.05)
            pid = postgres.pid
            assert pid is not None
            async with open_feed(client, "door") as feed, asyncio.timeout(60):
                signal_all(pid, signal.SIGSTOP)
                try:
                    sent = 0
                    while (await client.readiness())["storage"]["state"] != "away":
                        await feed.send(views[sent % 5])
                        sent += 1
                        await asyncio.sleep(0.1)
                    storage = (await client.readiness())["storage"]
                    assert storage["pending"] >= 1
                    assert storage["lost"] == 0
                    assert list((server.data_dir / "spool").glob("*.jsonl"))
                finally:
                    signal_all(pid, signal.SIGCONT)
                while (await client.readiness())["storage"]["pending"] > 0:
                    await asyncio.sleep(0.1)
            assert [record["person"]["name"] for record in await client.attendance()] == ["Patient"]
        await server.stop()
        await asyncio.to_thread(postgres.stop)
