"""Strangers on the pages of the office, on a real server that keeps them: shown, named, ignored and discarded."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from tests.browser.conftest import Browser, Office, Phone, write_mjpeg
from tests.integration.conftest import Photographs

PATH = "/api/v1/unknown-faces"
SETTINGS = {"ROLLCALL_UNKNOWN_FACES__KEEP_DAYS": "7", "ROLLCALL_UNKNOWN_FACES__CROPS": "true"}


@pytest.fixture(scope="session")
def four_strangers(pictures: Photographs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that looks at four people who are near enough."""
    around = pictures.image("sample4.jpg")[0:990, 188:1508]
    return write_mjpeg(tmp_path_factory.mktemp("camera") / "four.mjpeg", around)


async def collected(client: ServerClient, at_least: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(90):
        while len(faces := (await client.call("GET", PATH))["unknown_faces"]) < at_least:
            await asyncio.sleep(0.2)
    return list(faces)


async def shown(browser: Browser, faces: int) -> None:
    """Wait until the page shows so many faces."""
    cards = browser.page.locator(".face-card")
    async with asyncio.timeout(30):
        while await cards.count() != faces:
            await asyncio.sleep(0.1)


async def test_strangers_are_shown_with_their_picture_and_named_ignored_or_discarded(
    office: Office, phone: Phone, models_dir: Path, pages: Path, four_strangers: Path
) -> None:
    with temporary_folder() as folder:
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=SETTINGS)
        server.upgrade()
        await server.start()
        try:
            async with server.client() as client:
                asked = {"camera_id": "hall", "name": "Hall", "create_camera": True}
                code = (await client.call("POST", "/api/v1/pairings", body=asked))["code"]
                async with phone(f"#code={code}", camera=four_strangers, port=server.port) as camera:
                    await camera.press("Start the camera")
                    await collected(client, 4)
                await the_cards_are_worked_through(office, server, client)
        finally:
            assert await server.stop() == 0
        assert "Traceback" not in server.log_path.read_text()


async def the_cards_are_worked_through(office: Office, server: ChildServer, client: ServerClient) -> None:
    faces = len(await collected(client, 4))
    known = await client.add_person("Grace Hopper", consent=True)
    await client.add_person("Grace Nobody", consent=False)
    async with office("/unknown", of=server) as browser:
        page = browser.page
        await shown(browser, faces)
        first = page.locator(".face-card").first
        picture = first.get_by_role("img", name="Picture of an unknown face")
        assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 100
        assert "hall" in await first.inner_text()
        assert await browser.blocking_violations() == []
        await browser.shot("unknown-faces")

        await first.get_by_role("button", name="It is …").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name or number").fill("grace")
        await dialog.get_by_text("has not agreed to be recognised").wait_for()
        assert await dialog.get_by_role("button", name="It is this person: Grace Nobody").is_disabled()
        assert await browser.blocking_violations() == []
        await browser.shot("unknown-assign")
        await dialog.get_by_role("button", name="It is this person: Grace Hopper").click()
        await browser.says("This is Grace Hopper now.")
        await shown(browser, faces - 1)
        assert (await client.call("GET", f"/api/v1/people/{known}"))["templates"] >= 1

        await first.get_by_role("button", name="Somebody new").click()
        await dialog.get_by_label("Name", exact=True).fill("Katherine Johnson")
        submit = dialog.get_by_role("button", name="Add and enrol")
        assert await submit.is_disabled(), "nobody is enrolled who has not agreed"
        await dialog.get_by_role("checkbox").check()
        await submit.click()
        await browser.says("Katherine Johnson was added and enrolled.")
        await shown(browser, faces - 2)
        people = (await client.call("GET", "/api/v1/people?limit=200"))["people"]
        (added,) = (person for person in people if person["name"] == "Katherine Johnson")
        assert (added["consent"], added["templates"] >= 1) == ("granted", True)

        await first.get_by_role("button", name="Ignore").click()
        await dialog.get_by_role("button", name="Ignore it").click()
        await browser.says("This face is ignored from now on.")
        await shown(browser, faces - 3)
        await first.get_by_role("button", name="Discard").click()
        await dialog.get_by_role("button", name="Discard it").click()
        await browser.says("Everything kept of it is deleted.")
        await shown(browser, faces - 4)
        assert len((await client.call("GET", PATH))["unknown_faces"]) == faces - 4

        await browser.press("Ignored")
        await shown(browser, 1)
        # Of whom is left alone no picture is kept, and nothing of the kind is asked for.
        assert await first.get_by_role("img", name="Picture of an unknown face").count() == 0
        assert await first.get_by_role("button").all_inner_texts() == ["Discard"]
        await first.get_by_role("button", name="Discard").click()
        await dialog.get_by_role("button", name="Discard it").click()
        await browser.says("No face is ignored.")
        assert browser.errors == []
