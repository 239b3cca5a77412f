"""The camera page at a server that has no room for it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from stream_server.demo.feed import open_feed
from tests.browser.conftest import Phone


@pytest.fixture(scope="module")
def server(models_dir: Path, pages: Path) -> Iterator[ChildServer]:
    """One that takes one camera."""
    with temporary_folder() as folder:
        settings = {"ROLLCALL_CAMERAS__MAX_CAMERAS": "1"}
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        asyncio.run(server.start())
        yield server
        assert asyncio.run(server.stop()) == 0


async def test_a_phone_that_finds_no_room_says_so_and_is_live_when_there_is_some(
    phone: Phone, client: ServerClient, code: Any, class_camera: Path
) -> None:
    scanned = await code("second", "Second phone")
    async with phone(f"#code={scanned}", camera=class_camera) as browser:
        async with open_feed(client, "first"):
            await browser.press("Start the camera")
            await browser.says("The server has no room for another camera just now.")
            assert await browser.blocking_violations() == []
        await browser.says("Live")
        await browser.sends(2)
