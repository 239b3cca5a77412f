"""Cameras over WebRTC and WHIP that other people wrote: a browser, GStreamer, FFmpeg. Faces end up as attendance."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from stream_server.demo.views import MovingView
from tests.partners import chromium
from tests.partners.pages import serve_pages
from tests.partners.webrtc_client import needs_address

PARTNERS = Path(__file__).resolve().parent.parent / "partners"
SYSTEM_PYTHON = "/usr/bin/python3"
pytestmark = needs_address

needs_chromium = pytest.mark.skipif(chromium.path() is None, reason="Chromium is not installed")


def _gstreamer_lacks() -> str:
    asks = (
        "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('GstSdp', '1.0'); "
        "from gi.repository import Gst; Gst.init(None); elements = ('webrtcbin', 'nicesink', 'vp8enc', 'jpegdec'); "
        "print([name for name in elements if not Gst.ElementFactory.find(name)])"
    )
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([SYSTEM_PYTHON, "-c", asks], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0 and done.stdout.strip() == "[]":
            return ""
    return "GStreamer with webrtcbin and the system's Python bindings are not installed"


@pytest.fixture(scope="module")
def mjpeg(pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a camera that looks at a sample photograph."""
    view = MovingView(pictures.image("sample3.jpg"))
    path: Path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    path.write_bytes(b"".join(view.jpeg(number / 15) for number in range(30)))
    return path


@pytest.fixture(scope="module")
def page_server() -> Iterator[str]:
    with serve_pages() as origin:
        yield origin


@pytest.fixture(scope="module")
def webrtc_server(models_dir: Path, page_server: str) -> Iterator[ChildServer]:
    with temporary_folder() as folder:
        settings = {
            "ROLLCALL_HTTP__ALLOWED_ORIGINS": json.dumps([page_server]),
            "ROLLCALL_WEBRTC__IDLE_TIMEOUT_S": "3",  # for partners that are ended without a goodbye
        }
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        asyncio.run(server.start())
        yield server
        assert asyncio.run(server.stop()) == 0
        log = server.log_path.read_text()
        assert "Traceback" not in log, log


@pytest.fixture
async def client(webrtc_server: ChildServer) -> AsyncIterator[ServerClient]:
    async with webrtc_server.client() as client:
        yield client


def photos(pictures: Any) -> tuple[bytes, bytes]:
    """Of one woman; the second is what the cameras show, for a browser's video is poor until it trusts the line."""
    return pictures.crop("sample1.jpg", 2), pictures.crop("sample3.jpg", 1)


async def marked(client: ServerClient, person_id: Any, within_s: float = 40.0) -> dict[str, Any]:
    """The stored record of a person, once there is one."""
    async with asyncio.timeout(within_s):
        while True:
            for record in await client.attendance():
                if record["person"]["id"] == str(person_id):
                    return record
            await asyncio.sleep(0.1)


async def no_peers(client: ServerClient) -> None:
    async with asyncio.timeout(30):
        while (await client.readiness())["sockets"]["webrtc_peers"]:
            await asyncio.sleep(0.1)


@needs_chromium
@pytest.mark.parametrize("options", ["{}", "{trickle: true, audio: true}"])
async def test_a_browser_streams_and_is_told_who_it_saw(
    options: str, client: ServerClient, webrtc_server: ChildServer, page_server: str, mjpeg: Path, pictures: Any,
    enrol: Any, tmp_path: Path,
) -> None:  # fmt: skip
    camera = "browser-trickle" if "trickle" in options else "browser"
    person_id = await enrol("Right of one", *photos(pictures))
    await client.add_camera(camera)
    heard = asyncio.create_task(_first_event(client, str(person_id)))
    async with chromium.open_page(f"{page_server}/webrtc_page.html", camera=mjpeg, folder=tmp_path) as page:
        done = await page.run(f"stream({webrtc_server.url!r}, {camera!r}, {webrtc_server.token!r}, {options})")
        print(done)
        assert done["patched"] == (204 if "trickle" in options else None)
        welcome = await page.run("until('welcome')")
        assert welcome["camera"] == camera
        faces = await page.run("until('faces')")
        assert faces["width_px"] > 0
        attendance = await page.run("until('attendance')")
        assert attendance["person"] == {"id": str(person_id), "name": "Right of one"}
        assert (await client.readiness())["sockets"]["webrtc_peers"] == 1
        assert await page.run("stop()") == 200
    event = await heard
    assert event.data["camera"] == camera
    assert (await marked(client, person_id))["id"] == attendance["attendance_id"]
    await no_peers(client)


@needs_chromium
async def test_a_browser_that_is_closed_leaves_no_peer(
    client: ServerClient, webrtc_server: ChildServer, page_server: str, mjpeg: Path, tmp_path: Path
) -> None:
    await client.add_camera("closed")
    async with chromium.open_page(f"{page_server}/webrtc_page.html", camera=mjpeg, folder=tmp_path) as page:
        await page.run(f"stream({webrtc_server.url!r}, 'closed', {webrtc_server.token!r})")
        await page.run("until('faces')")
    await no_peers(client)


@pytest.mark.parametrize("setup", ["actpass", "passive"])
async def test_gstreamer_streams_with_its_rsa_certificate(
    setup: str, client: ServerClient, webrtc_server: ChildServer, mjpeg: Path, pictures: Any, enrol: Any
) -> None:
    if lacks := _gstreamer_lacks():
        pytest.skip(lacks)
    camera = f"gstreamer-{setup}"
    person_id = await enrol("Right of one", *photos(pictures))
    await client.add_camera(camera)
    url = f"{webrtc_server.url}/whip/{camera}"
    arguments = (SYSTEM_PYTHON, PARTNERS / "webrtc_gstreamer.py", url, webrtc_server.token, mjpeg, setup)
    with running(*arguments):
        await marked(client, person_id)
    await no_peers(client)


async def test_ffmpegs_whip_muxer_streams_h264(
    client: ServerClient, webrtc_server: ChildServer, mjpeg: Path, pictures: Any, enrol: Any, tmp_path: Path
) -> None:
    person_id = await enrol("Right of one", *photos(pictures))
    await client.add_camera("ffmpeg")
    url = f"{webrtc_server.url}/whip/ffmpeg"
    with running(sys.executable, PARTNERS / "webrtc_pyav.py", url, webrtc_server.token, mjpeg, tmp_path, 60):
        await marked(client, person_id)
    await no_peers(client)


async def _first_event(client: ServerClient, person_id: str) -> Any:
    async for event in client.events():
        if event.type == "attendance.marked" and event.data["person"]["id"] == person_id:
            return event
    raise AssertionError("the stream of events ended")


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[None]:
    """A program that runs while the block does; what it says is shown when the block fails."""
    process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            words = process.communicate(timeout=10)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            words = process.communicate()[0]
        print(words[-3000:])
