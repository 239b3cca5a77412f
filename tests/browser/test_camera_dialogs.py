"""Every kind of camera added on the page of cameras, with a real one behind it until its pictures are looked at."""

import asyncio
import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_server.child import ChildServer, temporary_folder
from tests.browser.conftest import Browser, Office
from tests.partners import http_cameras
from tests.partners.onvif_camera import answers_who_looks, onvif_camera
from tests.partners.webrtc_client import needs_address

PARTNERS = Path(__file__).resolve().parent.parent / "partners"
NOTED = "Failed to load resource"


@pytest.fixture(scope="module")
def camera_server(models_dir: Path, pages: Path) -> Iterator[ChildServer]:
    """A server that may open cameras on this machine."""
    with temporary_folder() as folder:
        settings = {
            "ROLLCALL_PULL__ALLOW_LOOPBACK": "true",
            "ROLLCALL_PULL__ALLOW_PRIVATE": "true",
            "ROLLCALL_WEBRTC__IDLE_TIMEOUT_S": "3",
        }
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        asyncio.run(server.start())
        yield server
        assert asyncio.run(server.stop()) == 0
        assert "Traceback" not in server.log_path.read_text()


async def is_live(browser: Browser, name: str) -> None:
    """Wait until the list says so of this camera."""
    row = browser.page.get_by_role("row").filter(has_text=name)
    await row.locator(".badge").get_by_text("live").wait_for(timeout=60_000)


async def test_a_camera_with_a_password_says_when_it_is_wrong_and_its_picture_is_shown_when_it_is_right(
    office: Office, camera_server: ChildServer
) -> None:
    right = base64.b64encode(b"viewer:geheim").decode()
    answers = {"/live": http_cameras.basic(right, http_cameras.mjpeg(http_cameras.picture()))}
    with http_cameras.http_camera(answers) as url:
        async with office("/cameras", of=camera_server) as browser:
            page = browser.page
            await page.get_by_role("button", name="Add a camera").first.click()
            await page.get_by_label("Name", exact=True).fill("Door")
            await page.get_by_role("textbox", name="Address").fill(f"{url}/live")
            await page.get_by_label("User", exact=False).fill("viewer")
            await page.get_by_label("Password").fill("falsch")
            await browser.press("Test")
            await browser.says("No picture came", within_s=60)
            await browser.shot("cameras-wrong-password")
            await page.get_by_label("Password").fill("geheim")
            await browser.press("Test")
            await page.get_by_role("img", name="The first picture of the camera").wait_for(timeout=60_000)
            await browser.press("Save")
            await is_live(browser, "Door")
            assert "geheim" not in await page.content()
            assert [text for text in browser.errors if not text.startswith(NOTED)] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_an_onvif_camera_is_found_in_the_network_tried_and_added(
    office: Office, camera_server: ChildServer
) -> None:
    for package in ("onvif", "wsdiscovery"):
        pytest.importorskip(package, reason="the extra onvif is not installed", exc_type=ImportError)
    with (
        http_cameras.http_camera({"/sub": http_cameras.mjpeg(http_cameras.picture())}) as url,
        onvif_camera(f"{url}/sub") as device,
    ):
        async with office("/cameras", of=camera_server) as browser:
            page = browser.page
            await browser.press("Look for cameras")
            dialog = page.get_by_role("dialog")
            await dialog.get_by_role("button", name="Look", exact=True).click()
            await browser.says("No camera answered.", within_s=90)
            found = dialog.get_by_role("list", name="Cameras that answered").get_by_role("listitem")
            async with asyncio.timeout(90):
                with answers_who_looks(device):
                    while not await found.filter(has_text=f"{url}/sub").count():
                        await dialog.get_by_role("button", name="Look", exact=True).click()
                        await page.wait_for_timeout(500)
                        await dialog.get_by_role("button", name="Look", exact=True).wait_for(timeout=60_000)
            await dialog.get_by_text("640 × 360").first.wait_for()  # noqa: RUF001 - as the page writes it
            assert await browser.blocking_violations() == []
            await browser.shot("cameras-found")
            await found.filter(has_text=f"{url}/sub").get_by_role("button", name="Use it").click()
            assert await page.get_by_role("textbox", name="Address").input_value() == f"{url}/sub"
            await browser.press("Test")
            await page.get_by_role("img", name="The first picture of the camera").wait_for(timeout=60_000)
            await page.get_by_label("Name", exact=True).fill("Hall")
            await browser.press("Save")
            await is_live(browser, "Hall")
            assert browser.errors == []


@needs_address
async def test_a_program_is_told_where_to_send_and_its_camera_is_live_when_it_does(
    office: Office, camera_server: ChildServer, class_camera: Path, tmp_path: Path
) -> None:
    async with office("/cameras", of=camera_server) as browser:
        page = browser.page
        await page.get_by_role("button", name="Add a camera").first.click()
        await page.get_by_role("radio", name="Program that sends (WHIP)").check()
        await page.get_by_label("Name", exact=True).fill("Studio")
        assert await page.get_by_role("textbox", name="Address").count() == 0
        await browser.press("Save")
        address = f"{camera_server.url}/whip/studio"
        await browser.says(f"Send to {address} with an API token")
        assert await browser.blocking_violations() == []
        await browser.shot("cameras-whip")
        await browser.press("Done")
        await page.goto("/access")
        await browser.press("Make a token")
        await page.get_by_label("Name", exact=True).fill("OBS")
        await page.get_by_role("checkbox", name="read", exact=True).uncheck()
        await page.get_by_role("checkbox", name="stream", exact=True).check()
        await page.get_by_role("dialog").get_by_role("button", name="Make a token").click()
        token = await page.get_by_role("dialog").locator("code").inner_text()
        await browser.press("Done")
        await page.goto("/cameras")
        sender = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, str(PARTNERS / "webrtc_pyav.py"), address, token, str(class_camera), str(tmp_path), "60"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            await is_live(browser, "Studio")
            await browser.shot("cameras-whip-live")
        finally:
            sender.kill()
            await asyncio.to_thread(sender.communicate)
        assert browser.errors == []
