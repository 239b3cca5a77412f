"""The office in a real browser: the first run, signing in, the dashboard while a camera streams, and every page."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from storage import reviews
from storage.attendance_policy import AttendancePolicy
from storage.database import Database
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from stream_server.serving.pages import OFFICE
from tests.browser import test_people_pages
from tests.browser.conftest import OWNER, Browser, Enrol, Office, Phone
from tests.integration.conftest import Photographs

NAME = "Grace Hopper"
CLASS = (
    "Ada Lovelace", "Alan Turing", "Grace Hopper", "Katherine Johnson", "Edsger Dijkstra", "Barbara Liskov",
    "Donald Knuth", "Margaret Hamilton", "Tony Hoare", "Frances Allen", "Ken Thompson", "Radia Perlman",
)  # fmt: skip
PAGES = ("/", "/devices", "/access", "/webhooks", "/health", "/settings")


async def is_tidy(browser: Browser, width: int) -> None:
    """Nothing wider than the screen, nothing that axe finds serious, no error in the console."""
    assert await browser.page.evaluate("document.documentElement.scrollWidth") <= width
    assert await browser.blocking_violations() == []
    assert browser.errors == []


async def ready(browser: Browser) -> None:
    """Wait until a page shows what it has read."""
    await browser.page.locator("h1").first.wait_for()
    async with asyncio.timeout(20):
        while await browser.page.locator(".skeleton").count():
            await asyncio.sleep(0.05)


def test_no_page_of_the_office_is_left_out_of_what_axe_is_shown() -> None:
    elsewhere = {"/welcome", "/sign-in", "/webhooks/{webhook_id}"}  # in the tests of what they are for
    assert {*PAGES, *test_people_pages.PAGES} | elsewhere == set(OFFICE)


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(1280, 900, "light"), (360, 740, "light"), (1280, 900, "dark")]
)
async def test_every_page_is_accessible_fits_the_screen_and_says_nothing_in_the_console(
    width: int, height: int, scheme: str, office: Office, code: Any
) -> None:
    await code("entrance", "Entrance")
    async with office(width=width, height=height, scheme=scheme) as browser:
        for path in PAGES:
            await browser.page.goto(path)
            await ready(browser)
            await asyncio.sleep(0.4)  # for what moves in
            await is_tidy(browser, width)
            await browser.shot(f"office-{path.strip('/') or 'today'}-{width}-{scheme}")


async def test_the_first_owner_is_led_from_the_printed_address_to_the_dashboard(
    office: Office, pages: Path, models_dir: Path
) -> None:
    with temporary_folder() as folder:
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir)
        server.upgrade()
        await server.start()
        try:
            async with office(f"/welcome#token={server.token}", of=server, signed_in=False, width=360) as browser:
                page = browser.page
                await browser.says("Welcome to Rollcall")
                assert "#" not in page.url, "the token is left in the address"
                await is_tidy(browser, 360)
                await browser.shot("office-welcome-360")
                await page.get_by_label("Your name").fill(OWNER["name"])
                await page.get_by_label("User name").fill(OWNER["login"])
                await page.get_by_label("Password", exact=True).fill("short")
                await browser.press("Make me the owner")
                await page.get_by_role("alert").get_by_text("at least").wait_for()
                browser.errors.clear()  # the browser notes the refusal
                await page.get_by_label("Password", exact=True).fill(OWNER["password"])
                await browser.press("Make me the owner")
                await page.get_by_label("Name of the site").fill("")
                await browser.press("Next")
                await browser.says("What is the site called?")
                await page.get_by_label("Name of the site").fill("Hill School")
                await page.get_by_label("Time zone").select_option("Asia/Tokyo")
                await is_tidy(browser, 360)
                await browser.shot("office-welcome-site-360")
                await browser.press("Next")
                await page.get_by_role("img", name="QR code").wait_for()
                async with server.client() as client:
                    ready_now = await client.readiness()
                    assert (ready_now["site"], ready_now["time_zone"]) == ("Hill School", "Asia/Tokyo")
                    assert [one["id"] for one in (await client.call("GET", "/api/v1/cameras"))["cameras"]] == [
                        "phone-1"
                    ]
                    await page.get_by_text("Call it something else").click()
                    await page.get_by_label("Name of this camera").fill("Phone of room 5")
                    assert await page.get_by_label("Camera id").input_value() == "phone-of-room-5"
                    await is_tidy(browser, 360)
                    await browser.shot("office-welcome-phone-360")
                    first = await page.locator(".pair-code").inner_text()
                    await browser.press("Make a code")
                    await page.get_by_text("It will be called Phone of room 5").wait_for()
                    code = await page.locator(".pair-code").inner_text()
                    assert code != first
                    cameras = (await client.call("GET", "/api/v1/cameras"))["cameras"]
                    assert [one["id"] for one in cameras] == ["phone-of-room-5"], "what was not used is gone"
                    await client.call("POST", "/api/v1/pair", body={"code": code, "device_name": "Pixel"})
                await browser.says("Phone of room 5 is paired.")
                await browser.press("Next")
                await browser.says("The first people")
                await is_tidy(browser, 360)
                await browser.press("Add the demo people")
                await page.get_by_role("button", name="Erase the demo people").wait_for(timeout=120_000)
                await browser.shot("office-welcome-people-360")
                async with server.client() as client:
                    demo = await client.call("GET", "/api/v1/demo")
                    assert all(one["enrolled"] for one in demo["people"])
                    people = (await client.call("GET", "/api/v1/people?limit=200"))["people"]
                    assert len(people) == len(demo["people"]) >= 9
                await browser.press("To the dashboard")
                await browser.page.get_by_role("heading", name="Today").wait_for()
                assert page.url == f"{server.url}/"
                # Once is enough: whoever opens the address again is at home.
                await page.goto("/people")
                await browser.press("More")
                await page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
                await page.get_by_role("heading", name="Sign in").wait_for()
        finally:
            await server.stop()
        assert server.token not in server.log_path.read_text()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_the_site_is_set_among_the_settings_and_what_the_environment_sets_is_locked(
    width: int, scheme: str, office: Office, pages: Path, models_dir: Path
) -> None:
    with temporary_folder() as folder:
        settings = {"ROLLCALL_SITE__NAME": "Dale School"}
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        await server.start()
        try:
            async with office("/settings", of=server, width=width, scheme=scheme) as browser, server.client() as client:
                page = browser.page
                await ready(browser)
                name = page.get_by_label("Name of the site")
                assert await name.input_value() == "Dale School"
                assert await name.is_disabled()
                await browser.says("The server's environment sets it (ROLLCALL_SITE__NAME)")
                await page.get_by_label("Time zone").select_option("America/Lima")
                await page.get_by_role("button", name="Save").click()
                await browser.says("The site is set.")
                assert (await client.readiness())["time_zone"] == "America/Lima"
                await client.call("PUT", "/api/v1/demo/person-01")
                await page.reload()
                await browser.says("are here.")
                await is_tidy(browser, width)
                await browser.shot(f"office-settings-site-{width}-{scheme}")
                await browser.press("Erase the demo people")
                await browser.press("Erase them")
                await browser.says("None of them is here.")
                assert (await client.call("GET", "/api/v1/people"))["people"] == []
        finally:
            await server.stop()


async def test_a_phone_among_the_cameras_has_its_code_at_once_and_leaves_nothing_unused(
    office: Office, client: ServerClient
) -> None:
    async with office("/cameras", width=360) as browser:
        page = browser.page
        before = (await client.call("GET", "/api/v1/cameras"))["cameras"]
        await page.get_by_role("button", name="Add a camera").first.click()
        await page.get_by_label("Network camera").focus()
        await page.keyboard.press("ArrowDown")
        await page.get_by_role("img", name="QR code").wait_for()
        assert await page.get_by_label("Phone or tablet").evaluate("one => one === document.activeElement")
        await is_tidy(browser, 360)
        await browser.shot("office-camera-phone-360")
        assert len((await client.call("GET", "/api/v1/pairings"))["pairings"]) > 0
        opened = {one["id"] for one in (await client.call("GET", "/api/v1/pairings"))["pairings"]}
        await page.keyboard.press("Escape")
        async with asyncio.timeout(10):
            while len((await client.call("GET", "/api/v1/cameras"))["cameras"]) > len(before):
                await asyncio.sleep(0.05)
        left = {one["id"] for one in (await client.call("GET", "/api/v1/pairings"))["pairings"]}
        assert len(left) == len(opened) - 1


async def test_whoever_is_not_signed_in_signs_in_and_is_where_they_wanted_to_be(office: Office, server: Any) -> None:
    async with office("/", width=360) as browser:  # so that there is an owner
        await ready(browser)
    async with office("/health", signed_in=False) as browser:
        page = browser.page
        await page.get_by_role("heading", name="Sign in").wait_for()
        browser.errors.clear()  # the browser notes that it was asked who it is
        await is_tidy(browser, 1280)
        await browser.shot("office-sign-in")
        await page.get_by_label("User name").fill(OWNER["login"])
        await page.get_by_label("Password", exact=True).fill("not this one")
        await browser.press("Sign in")
        await browser.says("The name or the password is wrong.")
        await page.get_by_label("Password", exact=True).fill(OWNER["password"])
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Health").wait_for()
        assert page.url == f"{server.url}/health"
        # Another tab signs out: this page says so, and leads back afterwards.
        browser.errors.clear()
        async with server.client() as client:
            users = await client.call("GET", "/api/v1/users", params={"login": OWNER["login"]})
            await client.call("DELETE", f"/api/v1/users/{users['users'][0]['id']}/sessions")
        await browser.says("You were signed out")
        assert "next=%2Fhealth" in page.url


async def test_nobody_is_led_to_another_site_by_the_way_back(office: Office, server: Any) -> None:
    for wicked in ("//evil.example/", "https://evil.example/", "/\\\\evil.example"):
        async with office(f"/sign-in?next={wicked}") as browser:
            await browser.page.get_by_role("heading", name="Today").wait_for()
            assert browser.page.url == f"{server.url}/"


async def test_a_name_ticks_in_on_the_dashboard_the_moment_a_camera_sees_somebody(
    office: Office,
    phone: Phone,
    client: ServerClient,
    enrol: Enrol,
    code: Any,
    pictures: Photographs,
    class_camera: Path,
) -> None:
    wicked = f"<b>{NAME}</b>"
    await enrol(wicked, pictures.crop("sample1.jpg", 2), pictures.crop("sample3.jpg", 1))
    fragment = f"#code={await code('room-7', 'Room 7')}"
    async with office() as board, phone(fragment, camera=class_camera) as camera:
        await ready(board)
        await camera.press("Start the camera")
        await board.page.locator(".items .item-name", has_text=NAME).wait_for(timeout=60_000)
        assert await board.page.locator(".items .item-name").first.inner_text() == wicked
        assert await board.page.locator("main b").count() == 0
        card = board.page.locator(".session-card", has_text="Open check-in")
        await card.locator(".names li", has_text=NAME).wait_for()
        assert re.fullmatch(r"[1-9]\d*", await card.locator(".ring-number").inner_text())
        picture = board.page.get_by_role("img", name="What Room 7 sees")
        await picture.wait_for(timeout=20_000)
        assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
        await board.page.get_by_text(re.compile(r"\d faces? in view")).first.wait_for()
        watched = await client.call("GET", "/api/v1/audit", params={"action": "camera.watched"})
        assert {entry["subject"] for entry in watched["audit"]} == {"camera:room-7"}
        await asyncio.sleep(0.5)
        await is_tidy(board, 1280)
        await board.shot("office-today-live")
        await board.page.set_viewport_size({"width": 360, "height": 740})
        await board.page.emulate_media(color_scheme="dark")
        await asyncio.sleep(0.5)
        await is_tidy(board, 360)
        await board.shot("office-today-live-360-dark")
        await camera.press("Stop")
        await board.page.get_by_text("Camera Room 7 is away.").wait_for(timeout=20_000)
        # Nothing of a picture is left once the camera is gone.
        assert await board.page.locator(".glance img").count() == 0


async def test_names_that_come_together_all_tick_in_without_another_look_at_the_server(
    office: Office, server: ChildServer
) -> None:
    names = [f"Together {number}" for number in range(8)]
    async with server.client() as client:
        people = [
            (await client.call("POST", "/api/v1/people", body={"name": name, "consent": False}))["id"] for name in names
        ]
        # So that there is a session that runs.
        await client.call("POST", "/api/v1/attendance", body={"person_id": people[0], "status": "present"})
        async with office() as browser:
            await ready(browser)
            await browser.page.locator(".items .item-name", has_text=names[0]).wait_for()
            await browser.page.route("**/api/v1/sessions?**", lambda route: route.abort())
            bodies = [{"person_id": person_id, "status": "present"} for person_id in people[1:]]
            await asyncio.gather(*(client.call("POST", "/api/v1/attendance", body=body) for body in bodies))
            card = browser.page.locator(".session-card", has_text="Open check-in")
            for name in names[1:]:
                await browser.page.locator(".items .item-name", has_text=name).wait_for()
            assert int(await card.locator(".ring-number").inner_text()) >= len(names)
        for person_id in people:
            await client.call("DELETE", f"/api/v1/people/{person_id}")


async def test_the_dashboard_says_when_it_is_not_live_and_misses_nothing_while_the_server_starts_again(
    office: Office, server: ChildServer
) -> None:
    async with office() as browser:
        await ready(browser)
        await server.stop()
        await browser.says("Not live.")
        await asyncio.sleep(0.3)
        await browser.shot("office-not-live")
        await server.start()
        async with server.client() as client:
            person = await client.call("POST", "/api/v1/people", body={"name": "Late Riser", "consent": False})
            await client.call("POST", "/api/v1/attendance", body={"person_id": person["id"], "status": "late"})
        await browser.page.locator(".items .item-name", has_text="Late Riser").wait_for(timeout=40_000)
        async with asyncio.timeout(20):
            while await browser.page.locator(".banner", has_text="Not live").count():
                await asyncio.sleep(0.1)
        assert all("ERR_" in error or "Failed to load" in error for error in browser.errors), browser.errors
        async with server.client() as client:
            await client.call("DELETE", f"/api/v1/people/{person['id']}")


async def test_users_and_tokens_are_made_and_removed_by_keyboard_alone(office: Office) -> None:
    async with office("/access") as browser:
        page = browser.page
        await ready(browser)
        await page.get_by_role("button", name="Add a user").focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name", exact=True).fill("Tom Teacher")
        await dialog.get_by_label("User name").fill("tom")
        await dialog.get_by_label("Password").fill("a long enough password")
        assert await browser.blocking_violations() == []
        await browser.shot("office-user-dialog")
        await page.keyboard.press("Enter")
        row = page.get_by_role("row").filter(has_text="Tom Teacher")
        await row.wait_for()
        assert "Teacher" in await row.inner_text()
        await row.get_by_role("button", name="Remove").focus()
        await page.keyboard.press("Enter")
        await browser.says("Remove Tom Teacher?")
        for _ in range(5):  # one key upon the other: each question is shown, and gives the focus back
            await page.keyboard.press("Escape")
            assert await page.get_by_role("dialog").count() == 0
            await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await row.wait_for(state="detached")

        await browser.press("Make a token")
        await dialog.get_by_label("Name", exact=True).fill("Nightly export")
        await dialog.get_by_role("button", name="Make a token").click()
        secret = dialog.locator("code")
        await secret.wait_for()
        assert (await secret.inner_text()).startswith("rct_")
        assert await browser.blocking_violations() == []
        await browser.press("Done")
        token = page.get_by_role("row").filter(has_text="Nightly export")
        await token.get_by_role("button", name="Revoke").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await token.wait_for(state="detached")
        assert browser.errors == []


async def test_a_viewer_is_shown_what_a_viewer_may(office: Office, server: ChildServer) -> None:
    async with office("/") as browser:
        await ready(browser)
        async with server.client() as client:
            body = {"login": "vera", "name": "Vera Viewer", "role": "viewer", "password": OWNER["password"]}
            await client.call("POST", "/api/v1/users", body=body)
        answer = await browser.page.context.request.post(
            "/api/v1/login", data={"login": "vera", "password": OWNER["password"]}
        )
        assert answer.ok
        await browser.page.goto("/devices")
        await browser.page.get_by_role("heading", name="This page is not for you").wait_for()
        await is_tidy(browser, 1280)
        names = await browser.page.locator(".rail .nav-link").all_inner_texts()
        assert "Users" not in names
        assert "Today" in names
        async with server.client() as client:
            users = await client.call("GET", "/api/v1/users", params={"login": "vera"})
            await client.call("DELETE", f"/api/v1/users/{users['users'][0]['id']}")


async def test_a_lesson_fills_its_ring_and_a_near_match_is_settled_with_one_key(
    office: Office, pages: Path, models_dir: Path, database_dsn: str
) -> None:
    with temporary_folder() as folder:
        server = ChildServer(
            data_dir=Path(folder) / "data", models_dir=models_dir, settings={"DATABASE_URL": database_dsn}
        )
        await server.start()
        try:
            session_id, people = await a_lesson_that_runs(server)
            async with server.client() as client:
                for number, person_id in enumerate(people[:7]):
                    body = {
                        "person_id": person_id,
                        "session_id": session_id,
                        "status": "late" if number > 5 else "present",
                    }
                    await client.call("POST", "/api/v1/attendance", body=body)
            async with office(of=server, height=760) as browser:
                page = browser.page
                ring = page.get_by_role("img", name="Maths: 7 of 12 here")
                await ring.wait_for()
                await browser.says("5 missing")
                await browser.says("1 late")
                await a_near_match(database_dsn, people[8], people[9])
                await browser.says("1 waiting")
                await asyncio.sleep(0.5)
                await is_tidy(browser, 1280)
                await browser.shot("office-lesson")
                await page.emulate_media(color_scheme="dark")
                await asyncio.sleep(0.3)
                assert await browser.blocking_violations() == []
                await browser.shot("office-lesson-dark")
                await page.locator(".question button").first.focus()
                await page.keyboard.press("1")
                await browser.says("Tony Hoare is marked.")
                await page.get_by_role("img", name="Maths: 8 of 12 here").wait_for()
                await browser.says("Nothing to settle.")
                await is_tidy(browser, 1280)
        finally:
            await server.stop()


async def a_lesson_that_runs(server: ChildServer) -> tuple[str, list[str]]:
    """A class in its lesson; the session and the people."""
    began = datetime.now(UTC) - timedelta(minutes=10)
    async with server.client() as client:
        group = await client.call("POST", "/api/v1/groups", body={"name": "7a"})
        people = []
        for name in CLASS:
            person = await client.call("POST", "/api/v1/people", body={"name": name, "consent": True})
            people.append(str(person["id"]))
            await client.call("POST", f"/api/v1/groups/{group['id']}/memberships", body={"person_id": person["id"]})
        room = await client.call("POST", "/api/v1/rooms", body={"name": "Room 5"})
        await client.add_camera("door", "Door of room 5")
        await client.call("PUT", "/api/v1/cameras/door/place", body={"room_id": room["id"]})
        lesson = {
            "title": "Maths",
            "room_id": room["id"],
            "group_id": group["id"],
            "day": f"{began:%Y-%m-%d}",
            "starts_at": f"{began:%H:%M}",
            "ends_at": f"{began + timedelta(minutes=45):%H:%M}",
        }
        await client.call("POST", "/api/v1/lessons", body=lesson)
        async with asyncio.timeout(30):
            while True:
                running = await client.call("GET", "/api/v1/sessions", params={"state": "running"})
                if running["sessions"]:
                    return str(running["sessions"][0]["id"]), people
                await asyncio.sleep(0.2)


async def a_near_match(dsn: str, *people: str) -> None:
    """A face came near to some people, in this order."""
    database = await Database.connect(dsn, pool_max=1)
    try:
        async with database.acquire() as connection:
            assert await reviews.record(
                connection,
                camera_id="door",
                candidates=[(UUID(one), 0.56 + 0.02 * number) for number, one in enumerate(people)],
                at=datetime.now(UTC),
                zone=ZoneInfo("UTC"),
                policy=AttendancePolicy(),
            )
    finally:
        await database.close()
