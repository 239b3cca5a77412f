"""Twenty cameras at thirty frames a second into half a processor and 256 MB, held by the kernel."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cgroups import NoControlGroups, limited
from storage import migrate
from storage.embedded import EmbeddedPostgres
from stream_server.child import ChildServer, temporary_folder
from tests.integration.test_overload import camera, readiness_where

CAMERAS, FPS, FOR_S = 20, 30.0, 10.0


@pytest.mark.timeout(240)
async def test_twenty_cameras_at_30_fps_into_half_a_processor_all_get_their_turn_and_nothing_else_suffers(
    models_dir: Path, pictures: Any
) -> None:
    views = pictures.view("sample1.jpg")

    async def stream(connection: Any, until_s: float) -> int:
        sent = 0
        reading = asyncio.create_task(drain(connection))
        try:
            while time.monotonic() < until_s:
                await connection.send(views[sent % len(views)])
                sent += 1
                await asyncio.sleep(1 / FPS)
        finally:
            reading.cancel()
        return sent

    async def drain(connection: Any) -> None:
        async for _ in connection:
            pass

    try:
        with temporary_folder() as folder, limited(memory_bytes=256 * 2**20, cores=0.5) as group:
            postgres = EmbeddedPostgres(Path(folder) / "postgres")
            dsn = await asyncio.to_thread(postgres.start)
            try:
                await migrate.upgrade(dsn)
                settings = {"DATABASE_URL": dsn, "ROLLCALL_CAMERAS__AUTO_REGISTER": "true"}
                server = ChildServer(
                    data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings, wrapper=group.joined_by
                )
                await server.start()
                try:
                    async with server.client() as client, asyncio.TaskGroup() as streams:
                        until_s = time.monotonic() + FOR_S
                        opened = [camera(server, f"c{number}") for number in range(CAMERAS)]
                        connections = [await one.__aenter__() for one in opened]
                        sending = [streams.create_task(stream(one, until_s)) for one in connections]
                        # The office is answered meanwhile.
                        while time.monotonic() < until_s:
                            await client.call("GET", "/api/v1/people")
                            await asyncio.sleep(0.5)
                        sent = sum([await one for one in sending])
                        told = await readiness_where(
                            client,
                            lambda body: body["recognition"]["waiting"] == 0 and body["frames"]["received"] >= sent,
                        )
                        cameras = (await client.call("GET", "/api/v1/cameras"))["cameras"]
                        for one in opened:
                            await one.__aexit__(None, None, None)
                finally:
                    exit_code = await server.stop()
            finally:
                await asyncio.to_thread(postgres.stop)
            usage = group.usage()
    except NoControlGroups as error:
        pytest.skip(str(error))
    assert (usage.oom_kills, exit_code) == (0, 0)
    frames = told["frames"]
    assert frames["dropped"] > 0
    assert frames["received"] == sent
    assert frames["received"] - frames["processed"] - frames["dropped"] - frames["failed"] <= 1
    assert frames["failed"] == 0
    assert len(cameras) == CAMERAS
    assert min(one["frames"]["processed"] for one in cameras) >= 1
