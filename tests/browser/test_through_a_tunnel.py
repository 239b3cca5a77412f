"""The pages as a phone outside sees them: over https, through a tunnel, behind its interstitial page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_server.child import ChildServer, temporary_folder
from tests.browser.conftest import OWNER, Office, Phone, make_owner
from tests.integration.conftest import Photographs
from tests.partners.tunnelled import Make, tunnelled

pytest.importorskip("ngrok", reason="the extra tunnel is not installed")
NAME = "Ada Lovelace"


@pytest.fixture
def make(models_dir: Path, pages: Path) -> Iterator[Make]:
    with temporary_folder() as folder:

        def make(**settings: str) -> ChildServer:
            return ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)

        yield make


async def visit(page: Any) -> None:
    """Past the page that the tunnel shows first."""
    await page.get_by_role("button", name="Visit Site").click()


async def test_a_phone_streams_through_the_tunnel_and_the_dashboard_shows_the_name_there_too(
    make: Make, phone: Phone, office: Office, pictures: Photographs, class_camera: Path, tmp_path: Path
) -> None:
    async with tunnelled(make, tmp_path) as tunnel:
        await make_owner(tunnel.server)
        async with tunnel.server.client() as client:
            person_id = await client.add_person(NAME, consent=True)
            for photo in (pictures.crop("sample1.jpg", 2), pictures.crop("sample3.jpg", 1)):
                await client.enrol(person_id, photo)
        code = await tunnel.new_code("gate")
        async with (
            office("/", of=tunnel.server, origin=tunnel.address, signed_in=False) as board,
            phone(f"#code={code}", camera=class_camera, origin=tunnel.address) as camera,
        ):
            await visit(board.page)
            await board.page.get_by_role("heading", name="Sign in").wait_for()
            board.errors.clear()  # the browser notes that it was asked who it is
            await board.page.get_by_label("User name").fill(OWNER["login"])
            await board.page.get_by_label("Password", exact=True).fill(OWNER["password"])
            await board.page.keyboard.press("Enter")
            await board.page.get_by_role("heading", name="Today").wait_for()

            await visit(camera.page)
            await camera.says("Ready when you are")
            assert "#" not in camera.page.url, "the code is left in the address"
            await camera.press("Start the camera")
            await camera.says("Live")
            await camera.page.locator(".marked li").filter(has_text=NAME).wait_for(timeout=60_000)
            await board.page.locator(".items .item-name", has_text=NAME).wait_for(timeout=60_000)
            await board.page.get_by_role("img", name="What gate sees").wait_for(timeout=30_000)
            assert await camera.blocking_violations() == []
            await camera.shot("tunnel-camera")
            await board.shot("tunnel-dashboard")
            # The line is cut in the middle: both pages find back by themselves.
            tunnel.edge.public.cut()
            await camera.page.locator(".badge.live").wait_for(timeout=60_000)
            before = int(await camera.figure("Sent"))
            await camera.sends(3, within_s=60)
            assert int(await camera.figure("Sent")) > before
            cookies = await board.page.context.cookies()
            (session,) = [cookie for cookie in cookies if cookie["httpOnly"]]
            assert (session["secure"], session["sameSite"] in ("Lax", "Strict")) == (True, True)
            noted = [text for text in camera.errors + board.errors if "ERR_" not in text and "WebSocket" not in text]
            assert noted == []
        # What a script asks for carries the header; what a browser loads by itself, and a socket, cannot.
        bare = [request.split(" ", 1)[1] for request in tunnel.edge.public.bare]
        assert [path for path in bare if path.startswith(("/api/", "/whip/", "/readyz"))] == []
        assert any(path.startswith("/assets/") for path in bare), "the stand-in noticed nothing at all"
