"""A disk that is full while the database is away, too: a real file system under a real server."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.embedded import EmbeddedPostgres
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from tests.integration.test_outage import add, kill, marked, postgres, readiness_where

__all__ = ["postgres"]


class Disk:
    """A small file system in memory, mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        assert shutil.disk_usage(self.folder).free == 0

    def make_room(self) -> None:
        """Take the filler away."""
        self._filler.unlink()


async def send_until(
    client: ServerClient, camera: str, pictures: list[bytes], true: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Stream, as a camera that is known, until the server says so of itself."""
    waiting = asyncio.create_task(readiness_where(client, true))
    async with client.socket(f"/ws/v1/camera/{camera}") as socket:
        for number in range(300):
            await socket.send(pictures[number % len(pictures)])
            await asyncio.sleep(0.1)
            if waiting.done():
                break
    return await waiting


@pytest.fixture
def disk() -> Iterator[Disk]:
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    with temporary_folder() as name:
        folder = Path(name) / "spool"
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("a file system cannot be mounted here: that takes root")
        yield Disk(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


async def test_a_full_disk_loses_sightings_with_a_count_and_nothing_else(
    own_server: Callable[..., ChildServer], postgres: EmbeddedPostgres, disk: Disk, pictures: Any
) -> None:
    server = own_server(DATABASE_URL=postgres.dsn)
    server.data_dir.mkdir(parents=True)
    (server.data_dir / "spool").symlink_to(disk.folder)
    await asyncio.to_thread(server.upgrade)
    await server.start()
    async with server.client() as client:
        await add(client, "Unlucky", pictures.crop("sample1.jpg", 0))
        await add(client, "Lucky", pictures.crop("sample2.jpg", 1))
        await readiness_where(client, lambda body: body["gallery"]["people"] == 2)
        for camera in ("first", "second"):
            await client.add_camera(camera)
        await asyncio.to_thread(disk.fill)
        kill(postgres)
        await readiness_where(client, lambda body: body["storage"]["state"] == "away")

        told = await send_until(
            client, "first", pictures.view("sample1.jpg", frames=5), lambda body: body["storage"]["lost"] > 0
        )
        assert told["status"] == "degraded"
        assert any("the disk could not take them" in reason for reason in told["reasons"])
        assert (await client.call("GET", "/healthz")) == {"status": "ok"}

        await asyncio.to_thread(disk.make_room)
        await send_until(
            client, "second", pictures.view("sample2.jpg", frames=5), lambda body: body["storage"]["pending"] > 0
        )
        postgres.stop()
        await asyncio.to_thread(postgres.start)
        await readiness_where(client, lambda body: body["storage"]["state"] == "ok" and body["storage"]["pending"] == 0)
        assert "Lucky" in await marked(client)
