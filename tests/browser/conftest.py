"""A real browser with a fake camera, a real server, and a place for screenshots.

Screenshots show people's photographs: their folder is not committed.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from recognition.types import ImageBgr
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from stream_server.demo.views import MovingView
from stream_server.serving.pages import BUILT
from tests.integration.conftest import Photographs
from tests.partners import chromium

SHOTS = Path(__file__).parent / "shots"
FLAGS = tuple(flag for flag in chromium.FLAGS if not flag.startswith(("--headless", "--remote-debugging")))
# What a name of its own, that is no secure origin, needs to be reached without a name server.
INSECURE_HOST = "rollcall.test"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.models)


@pytest.fixture(scope="session")
def pages() -> Path:
    """The built pages, and what is needed to look at them."""
    pytest.importorskip("playwright.async_api", reason="the package playwright is not installed")
    if chromium.path() is None:
        pytest.skip("Chromium is not installed")
    if not (BUILT / "camera.html").is_file():
        pytest.skip("the web pages are not built (run `make web`)")
    return BUILT


@pytest.fixture(scope="session")
def pictures(models_dir: Path) -> Photographs:
    return Photographs(models_dir)


@pytest.fixture(scope="session")
def server(models_dir: Path, pages: Path) -> Iterator[ChildServer]:
    """One server for all; a test that stops it starts it again."""
    with temporary_folder() as folder:
        # Browsers are closed without a goodbye.
        settings = {"ROLLCALL_WEBRTC__IDLE_TIMEOUT_S": "3"}
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        asyncio.run(server.start())
        yield server
        assert asyncio.run(server.stop()) == 0
        log = server.log_path.read_text()
        assert "Traceback" not in log, log
        assert "rcd_" not in log, "a token stands in the log"


@pytest_asyncio.fixture
async def client(server: ChildServer) -> AsyncIterator[ServerClient]:
    async with server.client() as client:
        yield client


Enrol = Callable[..., Awaitable[UUID]]


@pytest_asyncio.fixture
async def enrol(client: ServerClient) -> AsyncIterator[Enrol]:
    """Add somebody who agreed, and wait until the server compares; they are erased after the test."""
    added: list[UUID] = []

    async def templates(wanted: int) -> None:
        async with asyncio.timeout(20):
            while (await client.readiness())["gallery"]["templates"] != wanted:
                await asyncio.sleep(0.05)

    async def enrol(name: str, *photos: bytes) -> UUID:
        added.append(await client.add_person(name, consent=True))
        for photo in photos:
            await client.enrol(added[-1], photo)
        await templates(len(photos))
        return added[-1]

    yield enrol
    for person_id in added:
        await client.call("DELETE", f"/api/v1/people/{person_id}")
    await templates(0)


@pytest.fixture
def code(client: ServerClient) -> Callable[[str, str], Awaitable[str]]:
    """Issue a pairing code for a camera."""

    async def code(camera_id: str, name: str) -> str:
        body = {"camera_id": camera_id, "name": name, "create_camera": True}
        return str((await client.call("POST", "/api/v1/pairings", body=body))["code"])

    return code


def write_mjpeg(path: Path, image_bgr: ImageBgr, width_px: int = 640, height_px: int = 480) -> Path:
    """Two seconds of a camera that looks at a picture."""
    view = MovingView(image_bgr, width_px, height_px)
    path.write_bytes(b"".join(view.jpeg(number / 15) for number in range(30)))
    return path


@pytest.fixture(scope="session")
def class_camera(pictures: Photographs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that looks at several people."""
    return write_mjpeg(tmp_path_factory.mktemp("camera") / "class.mjpeg", pictures.image("sample3.jpg"))


@pytest.fixture(scope="session")
def one_person_camera(pictures: Photographs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that one person stands before."""
    face = pictures.faces("sample3.jpg")[1]
    x1, y1, x2, y2 = face.box_xyxy
    grow = round(0.9 * (x2 - x1))
    image = pictures.image("sample3.jpg")[max(0, y1 - grow) : y2 + grow, max(0, x1 - grow) : x2 + grow]
    return write_mjpeg(tmp_path_factory.mktemp("camera") / "one.mjpeg", image)


@dataclass
class Browser:
    """An open page, and what went wrong in it."""

    page: Any
    errors: list[str] = field(default_factory=list)

    async def shot(self, name: str) -> None:
        """Write a screenshot for people to look at."""
        SHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=str(SHOTS / f"{name}.png"))

    async def says(self, words: str, within_s: float = 30) -> None:
        """Wait until these words are to be read."""
        await self.page.get_by_text(words).first.wait_for(timeout=within_s * 1000)

    async def press(self, name: str) -> None:
        """Press the button of this name."""
        await self.page.get_by_role("button", name=name).click()

    async def figure(self, name: str) -> str:
        """A figure of the panel, such as Sent."""
        row = self.page.locator(".figures dl > div").filter(has_text=re.compile(f"^{name}"))
        return str(await row.locator("dd").inner_text())

    async def sends_at_all(self) -> None:
        """Wait until the panel of figures is there."""
        await self.page.locator(".figures dd").first.wait_for()

    async def sends(self, more: int, within_s: float = 30) -> None:
        """Wait until so many more frames are said to be sent."""
        before = int(await self.figure("Sent"))
        async with asyncio.timeout(within_s):
            while int(await self.figure("Sent")) < before + more:
                await asyncio.sleep(0.1)

    async def blocking_violations(self) -> list[str]:
        """Serious findings of axe-core."""
        source = (BUILT.parent / "node_modules" / "axe-core" / "axe.min.js").read_text()
        # Evaluated by the debugger: the policy of the page lets no such script in, and should not.
        await self.page.evaluate(source)
        found = await self.page.evaluate(
            "async () => (await axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa']}))"
            ".violations.map(v => `${v.impact}: ${v.id}: ${v.nodes.map(n => n.html).join(' ')}`)"
        )
        return [str(text) for text in found]


Phone = Callable[..., AbstractAsyncContextManager[Browser]]


@pytest.fixture
def phone(server: ChildServer, tmp_path: Path) -> Phone:
    """Open a page in a browser with a camera."""

    @asynccontextmanager
    async def phone(
        fragment: str = "",
        *,
        camera: Path,
        width: int = 390,
        height: int = 844,
        scheme: str = "light",
        host: str = "127.0.0.1",
        port: int | None = None,
        origin: str | None = None,
        flags: tuple[str, ...] = (),
    ) -> AsyncIterator[Browser]:
        from playwright.async_api import async_playwright

        arguments = [
            *FLAGS,
            f"--use-file-for-fake-video-capture={camera}",
            f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
        ]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium.path(), args=[*arguments, *flags])
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=2,
                color_scheme=scheme,
                locale="en-GB",
                ignore_https_errors=origin is not None,
            )
            page = await context.new_page()
            opened = Browser(page)
            page.on("console", lambda said: said.type == "error" and opened.errors.append(said.text))
            page.on("pageerror", lambda error: opened.errors.append(str(error)))
            await page.goto(f"{origin or f'http://{host}:{port or server.port}'}/camera{fragment}")
            try:
                yield opened
            except BaseException:
                await opened.shot("failure")
                raise
            finally:
                await browser.close()

    return phone


OWNER = {"login": "olga", "name": "Olga Owner", "password": "correct horse battery staple"}
Office = Callable[..., AbstractAsyncContextManager[Browser]]


async def make_owner(server: ChildServer) -> None:
    """Somebody who may sign in, if there is nobody yet."""
    async with server.client() as client:
        if (await client.call("GET", "/api/v1/setup"))["needed"]:
            await client.call("POST", "/api/v1/setup", body=OWNER)


@pytest.fixture
def office(server: ChildServer) -> Office:
    """Open a page of the office in a browser, signed in as the owner unless told otherwise."""

    @asynccontextmanager
    async def office(
        path: str = "/",
        *,
        of: ChildServer = server,
        origin: str | None = None,
        signed_in: bool = True,
        camera: Path | None = None,
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
    ) -> AsyncIterator[Browser]:
        from playwright.async_api import async_playwright

        async with async_playwright() as playwright:
            capture = [] if camera is None else [f"--use-file-for-fake-video-capture={camera}"]
            browser = await playwright.chromium.launch(executable_path=chromium.path(), args=[*FLAGS, *capture])
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                locale="en-GB",
                base_url=origin or of.url,
                ignore_https_errors=origin is not None,
            )
            if signed_in:
                await make_owner(of)
                credentials = {name: OWNER[name] for name in ("login", "password")}
                answer = await context.request.post("/api/v1/login", data=credentials)
                assert answer.ok, await answer.text()
            page = await context.new_page()
            opened = Browser(page)
            page.on("console", lambda said: said.type == "error" and opened.errors.append(said.text))
            page.on("pageerror", lambda error: opened.errors.append(str(error)))
            await page.goto(path)
            try:
                yield opened
            except BaseException:
                await opened.shot("failure-office")
                raise
            finally:
                await browser.close()

    return office
