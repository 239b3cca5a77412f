"""Somebody who has never seen Rollcall enrols and is marked present: what they press and are shown on the way.

No time is asserted: what takes one is counted, that is presses and pages. A press with its reading is a few seconds, a
picture is taken by itself as soon as it is good, and whoever is enrolled is recognised within a second or two.
"""

from pathlib import Path
from typing import Any

import pytest

from stream_server.client import ServerClient
from tests.browser.conftest import Browser, Office, Phone

NAME = "Grace Hopper"
PRESSES_MAX = 6


class Newcomer:
    """Presses what is in sight, and notes it."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.pressed: list[str] = []

    async def press(self, name: str) -> None:
        """Press a button that is to be seen without scrolling."""
        button = self._browser.page.get_by_role("button", name=name, exact=True).first
        await button.wait_for()
        box, height = await button.bounding_box(), self._browser.page.viewport_size["height"]
        assert box is not None
        assert box["y"] + box["height"] <= height, f"{name} has to be looked for"
        await self._browser.shot(f"first-minute-{len(self.pressed) + 1}")
        await button.click()
        self.pressed.append(name)

    async def tick(self) -> None:
        """Tick the one box there is."""
        await self._browser.page.get_by_role("checkbox").check()
        self.pressed.append("the box")


@pytest.mark.usefixtures("yunet_path")  # how far a head is turned is only roughly known without it
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
async def test_somebody_new_is_enrolled_and_marked_with_six_presses_and_one_name(
    width: int,
    height: int,
    office: Office,
    phone: Phone,
    client: ServerClient,
    code: Any,
    one_person_camera: Path,
) -> None:
    fragment = f"#code={await code('door', 'Door')}"
    try:
        async with (
            phone(fragment, camera=one_person_camera, width=820, height=1180) as kiosk,
            office("/people", camera=one_person_camera, width=width, height=height) as browser,
        ):
            # The door has been at work since the morning, and does not know them.
            await kiosk.press("Start the camera")
            await kiosk.press("Kiosk")
            await kiosk.says("We do not know you yet", within_s=60)
            newcomer = Newcomer(browser)
            await newcomer.press("Add a person")
            await browser.page.get_by_label("Name", exact=True).fill(NAME)
            await newcomer.tick()
            await newcomer.press("Add")
            await newcomer.press("By camera")
            await browser.page.get_by_role("progressbar", name="1 of 3 taken").wait_for(timeout=60_000)
            await newcomer.press("Finish")
            await browser.page.get_by_role("table", name="Enrolled faces").wait_for()
            # They go to the door, where nothing is to be pressed.
            confirmation = kiosk.page.locator(".confirmation")
            await confirmation.wait_for(timeout=60_000)
            assert NAME in await confirmation.inner_text()
            await kiosk.shot("first-minute-marked")
            assert len(newcomer.pressed) <= PRESSES_MAX, newcomer.pressed
            assert NAME in [record["person"]["name"] for record in await client.attendance()]
            assert browser.errors == kiosk.errors == []
    finally:
        for person in (await client.call("GET", "/api/v1/people?limit=200"))["people"]:
            await client.call("DELETE", f"/api/v1/people/{person['id']}")
