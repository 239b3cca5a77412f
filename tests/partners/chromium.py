"""Chromium with a fake camera, driven over its debugging protocol by WebSocket."""

import asyncio
import contextlib
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--remote-debugging-port=0",
)  # fmt: skip


def path() -> str | None:
    """The browser's program; None when it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """An open page."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    async def run(self, expression: str, within_s: float = 60.0) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        number = next(self._numbers)
        parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        await self._connection.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": parameters}))
        async with asyncio.timeout(within_s):
            while True:
                answer = json.loads(await self._connection.recv())
                if answer.get("id") == number:
                    break
        result = answer["result"]
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def close(self) -> None:
        """Close the browser, as its user would."""
        await self._connection.send(json.dumps({"id": next(self._numbers), "method": "Browser.close"}))


@asynccontextmanager
async def open_page(url: str, *, camera: Path, folder: Path, flags: tuple[str, ...] = ()) -> AsyncIterator[Page]:
    """A browser whose camera shows the MJPEG file `camera`, with a page; `folder` is for its profile."""
    program = path()
    assert program is not None
    process = await asyncio.to_thread(
        subprocess.Popen,
        [program, *FLAGS, *flags, f"--user-data-dir={folder}", f"--use-file-for-fake-video-capture={camera}", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = await _page_address(folder, url, process)
        async with connect(address, max_size=2**24, compression=None) as connection:
            page = Page(connection)
            while not await page.run(f"location.href.startsWith({url!r}) && document.readyState === 'complete'"):
                await asyncio.sleep(0.05)
            yield page
            await page.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, 10)
    finally:
        process.kill()
        process.wait()


async def _page_address(folder: Path, url: str, process: "subprocess.Popen[bytes]") -> str:
    """Where the page's debugging socket is: the browser writes its port into its profile."""
    import httpx

    note = folder / "DevToolsActivePort"
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            assert process.poll() is None, f"the browser ended with {process.returncode}"
            if note.is_file() and (port := note.read_text().partition("\n")[0]):
                with contextlib.suppress(httpx.HTTPError):
                    for target in (await http.get(f"http://127.0.0.1:{port}/json")).json():
                        if target["type"] == "page" and target["url"].startswith(url):
                            return str(target["webSocketDebuggerUrl"])
            await asyncio.sleep(0.1)
