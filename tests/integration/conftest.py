"""A real server on a real socket and PostgreSQL, and pictures for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
import pytest_asyncio

from recognition.models.photographs import PhotographedFace, photographs, read
from recognition.types import ImageBgr
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from stream_server.demo.views import MovingView, encode_jpeg
from tests.partners.tunnelled import Make, Tunnelled, tunnelled


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.models)


@pytest.fixture(scope="session")
def running_server(models_dir: Path) -> Iterator[ChildServer]:
    """One server for all tests that do not harm it."""
    with temporary_folder() as folder:
        # Tests stream faster than a camera is asked to, and several at once.
        settings = {"ROLLCALL_CAMERAS__MAX_FPS": "20"}
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        asyncio.run(server.start())
        yield server
        assert asyncio.run(server.stop()) == 0
        log = server.log_path.read_text()
        assert "Traceback" not in log, log
        assert "CRITICAL" not in log, log


@pytest_asyncio.fixture
async def client(running_server: ChildServer) -> AsyncIterator[ServerClient]:
    async with running_server.client() as client:
        yield client


@pytest.fixture
def own_server(models_dir: Path) -> Iterator[Callable[..., ChildServer]]:
    """Make servers that a test may harm; each has a data folder of its own."""
    made: list[ChildServer] = []
    with temporary_folder() as folder:

        def make(**settings: str) -> ChildServer:
            data_dir = Path(folder) / f"data-{len(made)}"
            made.append(ChildServer(data_dir=data_dir, models_dir=models_dir, settings=settings))
            return made[-1]

        yield make
        for server in made:
            asyncio.run(server.stop())


class Photographs:
    """The sample photographs: whole, as crops of one face, and as moving views."""

    def __init__(self, models_dir: Path) -> None:
        self._folder = models_dir
        self._by_name = {photograph.name: photograph for photograph in photographs()}

    def image(self, name: str) -> ImageBgr:
        return read(self._by_name[name], self._folder)

    def faces(self, name: str) -> tuple[PhotographedFace, ...]:
        return self._by_name[name].faces

    def crop(self, name: str, number: int, margin: float = 0.35) -> bytes:
        """A JPEG of one face, counted from the left."""
        x1, y1, x2, y2 = self.faces(name)[number].box_xyxy
        grow = round(margin * max(x2 - x1, y2 - y1))
        return encode_jpeg(self.image(name)[max(0, y1 - grow) : y2 + grow, max(0, x1 - grow) : x2 + grow], 90)

    def view(self, name: str, frames: int = 10, seed: int = 1) -> list[bytes]:
        """JPEG frames of a camera that moves over the photograph."""
        view = MovingView(self.image(name), seed=seed)
        return [view.jpeg(number * 0.2) for number in range(frames)]


@pytest.fixture(scope="session")
def pictures(models_dir: Path) -> Photographs:
    return Photographs(models_dir)


@pytest.fixture(scope="session")
def blank_jpeg() -> bytes:
    """A picture without a face."""
    noise = np.random.default_rng(1).integers(90, 160, (480, 640, 3)).astype(np.uint8)
    return encode_jpeg(cv2.GaussianBlur(noise, (9, 9), 0), 80)


Enrol = Callable[..., Awaitable[UUID]]


@pytest_asyncio.fixture
async def enrol(client: ServerClient) -> AsyncIterator[Enrol]:
    """Add somebody who agreed, enrol, and wait until the server compares; they are erased after the test."""
    added: list[UUID] = []
    at_first = (await client.readiness())["gallery"]["templates"]

    async def templates() -> int:
        return int((await client.readiness())["gallery"]["templates"])

    async def enrol(name: str, *photos: bytes) -> UUID:
        added.append(await client.add_person(name, consent=True))
        if not photos:
            return added[-1]
        before = await templates()
        for photo in photos:
            await client.enrol(added[-1], photo)
        async with asyncio.timeout(10):
            while await templates() < before + len(photos):
                await asyncio.sleep(0.02)
        return added[-1]

    yield enrol
    for person_id in added:
        await client.call("DELETE", f"/api/v1/people/{person_id}")
    async with asyncio.timeout(10):
        while await templates() > at_first:
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def tunnel(own_server: Make, tmp_path: Path) -> AsyncIterator[Tunnelled]:
    """For a test that harms it, or counts what goes through."""
    async with tunnelled(own_server, tmp_path) as bench:
        yield bench
