"""A Chromium that looks at a server: its windows, its fake camera, and what it says of itself."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import SkipTest

from stream_server.child import ChildServer
from stream_server.serving.pages import BUILT
from tests.partners import chromium

_FLAGS = tuple(flag for flag in chromium.FLAGS if not flag.startswith(("--headless", "--remote-debugging")))
_OWNER = {"login": "owner", "name": "Owner", "password": secrets.token_urlsafe(16)}


def requirements() -> None:
    """SkipTest, with the reason, where nothing can be looked at."""
    try:
        import playwright.async_api  # noqa: F401
    except ImportError as error:
        raise SkipTest("the package playwright is not installed") from error
    if chromium.path() is None:
        raise SkipTest("Chromium is not installed")
    if not (BUILT / "camera.html").is_file():
        raise SkipTest("the web pages are not built (run `make web`)")


@asynccontextmanager
async def browser(film: Path | None = None) -> AsyncIterator[Any]:
    """A browser of its own, as Playwright's object; its camera shows the MJPEG file `film`."""
    from playwright.async_api import async_playwright

    camera = [] if film is None else [f"--use-file-for-fake-video-capture={film}"]
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=chromium.path(), args=[*_FLAGS, *camera])
        try:
            yield opened
        finally:
            await opened.close()


async def stranger(opened: Any, server: ChildServer) -> Any:
    """A browser context that has never been here: nothing is kept or cached."""
    return await opened.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", base_url=server.url)


async def owner(opened: Any, server: ChildServer) -> Any:
    """The same, with the owner signed in; they are made when there is nobody yet."""
    async with server.client() as client:
        if (await client.call("GET", "/api/v1/setup"))["needed"]:
            await client.call("POST", "/api/v1/setup", body=_OWNER)
    context = await stranger(opened, server)
    credentials = {name: _OWNER[name] for name in ("login", "password")}
    answer = await context.request.post("/api/v1/login", data=credentials)
    assert answer.ok, await answer.text()
    return context


async def pairing(server: ChildServer, camera_id: str) -> str:
    """The address that a QR code leads to, from the slash on: it makes the page a camera."""
    async with server.client() as client:
        body = {"camera_id": camera_id, "name": camera_id.capitalize(), "create_camera": True}
        return f"/camera#code={(await client.call('POST', '/api/v1/pairings', body=body))['code']}"


async def stream(page: Any, server: ChildServer, camera_id: str) -> None:
    """Make the page that camera, and wait until it sends."""
    await page.goto(await pairing(server, camera_id))
    await page.get_by_role("button", name="Start the camera").click()
    await page.locator(".badge.live").wait_for(timeout=60_000)


async def renderer_mb(opened: Any) -> float | None:
    """Memory that only the largest process of a page holds, in MB (10^6 bytes); None where nothing tells."""
    import psutil

    session = await opened.new_browser_cdp_session()
    try:
        processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    finally:
        await session.detach()
    held = []
    for process in processes:
        if process["type"] == "renderer":
            with contextlib.suppress(psutil.Error):
                held.append(psutil.Process(process["id"]).memory_full_info().uss / 1e6)
    return max(held, default=None)
