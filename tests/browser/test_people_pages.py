"""The office's pages of people, sessions, reports, unknown faces and cameras, in a real browser on a real server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio

from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient
from tests.browser.conftest import Browser, Office, Phone
from tests.integration.conftest import Photographs
from tests.partners import http_cameras

NAME = "Ada Lovelace"
PAGES = ("/people", "/people/{person_id}", "/sessions", "/sessions/{session_id}", "/reports", "/unknown", "/cameras")
CONSENT = "We keep a mathematical description of your face, to mark your attendance, until you take this back."
# A browser notes each refusal of the server, also those that a page explains.
REFUSAL = "Failed to load resource"
# Of a canvas: whether more than its ground is drawn.
COLOURS = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size > 3;
}"""


async def ready(browser: Browser) -> None:
    """Wait until a page shows what it has read."""
    await browser.page.locator("h1").first.wait_for()
    async with asyncio.timeout(20):
        while await browser.page.locator(".skeleton").count():
            await asyncio.sleep(0.05)


async def is_tidy(browser: Browser, width: int) -> None:
    """Nothing wider than the screen, nothing that axe finds, no error in the console."""
    await asyncio.sleep(0.4)  # for what moves in
    assert await browser.page.evaluate("document.documentElement.scrollWidth") <= width
    assert await browser.blocking_violations() == []
    assert [text for text in browser.errors if not text.startswith(REFUSAL)] == []


@pytest_asyncio.fixture
async def people(client: ServerClient) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Add people who agreed; everybody whom a test leaves behind is erased after it."""

    async def add(name: str, *, consent: bool = True) -> str:
        return str(await client.add_person(name, consent=consent))

    yield add
    for person in (await client.call("GET", "/api/v1/people?limit=200"))["people"]:
        await client.call("DELETE", f"/api/v1/people/{person['id']}")
    async with asyncio.timeout(20):
        while (await client.readiness())["gallery"]["templates"]:
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def lesson(client: ServerClient, people: Any) -> AsyncIterator[dict[str, Any]]:
    """A lesson that runs now, of a group of three."""
    group = await client.call("POST", "/api/v1/groups", body={"name": f"7a {uuid4().hex[:6]}"})
    names = ("Ada Lovelace", "Alan Turing", "Grace Hopper")
    members = [await people(name) for name in names]
    for member in members:
        await client.call("POST", f"/api/v1/groups/{group['id']}/memberships", body={"person_id": member})
    now = datetime.now(UTC)
    start, end = (now - timedelta(minutes=2)), (now + timedelta(minutes=90))
    form = {
        "title": "Mathematics",
        "group_id": group["id"],
        "day": start.date().isoformat(),
        "starts_at": start.strftime("%H:%M"),
        "ends_at": end.strftime("%H:%M"),
    }
    made = await client.call("POST", "/api/v1/lessons", body=form)
    async with asyncio.timeout(90):
        while True:
            listed = await client.call("GET", f"/api/v1/sessions?group_id={group['id']}&state=running")
            if listed["sessions"]:
                break
            await asyncio.sleep(0.2)
    yield {"session": listed["sessions"][0], "group": group, "members": members}
    await client.call("DELETE", f"/api/v1/lessons/{made['id']}", headers={"If-Match": "*"})
    await client.call("DELETE", f"/api/v1/groups/{group['id']}", headers={"If-Match": "*"})


@pytest.fixture
def files(tmp_path: Path, pictures: Photographs, blank_picture: bytes) -> dict[str, str]:
    """Pictures of one woman and such as are refused, by name."""
    contents = {
        "first.jpg": pictures.crop("sample1.jpg", 2),
        "second.jpg": pictures.crop("sample3.jpg", 1),
        "wall.jpg": blank_picture,
        "notes.png": b"no picture at all",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


@pytest.fixture(scope="session")
def blank_picture() -> bytes:
    import numpy as np

    from stream_server.demo.views import encode_jpeg

    return encode_jpeg(np.full((480, 640, 3), 128, np.uint8), 85)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_every_page_is_accessible_and_fits_the_screen(
    width: int, scheme: str, office: Office, client: ServerClient, lesson: dict[str, Any]
) -> None:
    session, member = lesson["session"]["id"], lesson["members"][0]
    await client.call("POST", "/api/v1/attendance", body={"person_id": member, "session_id": session, "status": "late"})
    await client.call("PUT", "/api/v1/cameras/hall", body={"name": "Hall"})
    async with office("/people", width=width, height=800, scheme=scheme) as browser:
        for page in PAGES:
            path = page.format(person_id=member, session_id=session)
            await browser.page.goto(path)
            await ready(browser)
            await is_tidy(browser, width)
            await browser.shot(f"people-{path.split('/')[1]}{'-one' if path.count('/') > 1 else ''}-{width}-{scheme}")
        assert browser.errors == []


async def test_somebody_is_added_agrees_is_enrolled_by_pictures_and_marked_by_a_camera(
    office: Office,
    phone: Phone,
    client: ServerClient,
    people: Any,
    code: Any,
    files: dict[str, str],
    class_camera: Path,
) -> None:
    await client.call("POST", "/api/v1/consent-texts", body={"text": CONSENT})
    async with office("/people") as browser:
        page = browser.page
        await page.get_by_role("button", name="Add a person").first.click()
        await page.get_by_label("Name", exact=True).fill(NAME)
        await page.get_by_role("textbox", name="Number").fill("s-1815")
        await page.get_by_role("button", name="Add", exact=True).click()
        await page.get_by_role("heading", name=NAME).wait_for()
        await browser.says("Faces can be enrolled once consent is recorded")
        await browser.press("Record consent")
        await browser.says(CONSENT)
        await page.get_by_role("checkbox").check()
        await page.get_by_role("button", name="Record", exact=True).click()
        await browser.press("By pictures")
        await page.get_by_label("Choose pictures").set_input_files(list(files.values()))
        await browser.says("2 pictures taken, 2 refused")
        reasons = await page.get_by_role("list", name="What became of the pictures").inner_text()
        assert "No face was found" in reasons
        assert "This is no JPEG, PNG or WebP picture" in reasons
        await is_tidy(browser, 1280)
        await browser.shot("people-uploads")
        await browser.press("Done")
        await page.get_by_role("table", name="Enrolled faces").wait_for()
        assert await page.get_by_role("table", name="Enrolled faces").get_by_role("row").count() == 3
        person_id = urlsplit(page.url).path.split("/")[-1]
        assert (await client.call("GET", f"/api/v1/people/{person_id}"))["external_id"] == "s-1815"
        history = (await client.call("GET", f"/api/v1/people/{person_id}/consents"))["consents"]
        assert [(entry["state"], entry["consent_text"] is None) for entry in history] == [("granted", False)]
        async with phone(f"#code={await code('hall', 'Hall')}", camera=class_camera) as camera:
            await camera.press("Start the camera")
            await camera.page.locator(".marked li").filter(has_text=NAME).wait_for(timeout=60_000)
        records = [record for record in await client.attendance() if record["person"]["id"] == person_id]
        assert [record["method"] for record in records] == ["face"]
        assert [text for text in browser.errors if not text.startswith(REFUSAL)] == []


@pytest.mark.usefixtures("yunet_path")  # how far a head is turned is only roughly known without it
async def test_somebody_is_enrolled_before_a_camera_and_looks_like_one_who_is_enrolled(
    office: Office, client: ServerClient, people: Any, pictures: Photographs, one_person_camera: Path
) -> None:
    first = await people(NAME)
    await client.call("POST", f"/api/v1/people/{first}/templates", photo=pictures.crop("sample1.jpg", 2))
    async with asyncio.timeout(20):
        while not (await client.readiness())["gallery"]["templates"]:
            await asyncio.sleep(0.05)
    twice = await people("Ada Again")
    async with office(f"/people/{twice}", camera=one_person_camera) as browser:
        await browser.press("By camera")
        await browser.says("Look straight into the camera")
        await browser.says("Turn your head a little to your left", within_s=60)
        await browser.says("A little further")
        await is_tidy(browser, 1280)
        await browser.shot("people-webcam")
        await browser.says(f"This may be {NAME}, who is enrolled already")
        await browser.press("Finish")
        await browser.page.get_by_role("table", name="Enrolled faces").wait_for()
        assert (await client.call("GET", f"/api/v1/people/{twice}"))["templates"] == 1
        assert await browser.page.locator("video").count() == 0
        assert browser.errors == []


async def test_a_withdrawal_says_what_is_deleted_and_erasing_needs_the_name(
    office: Office, client: ServerClient, people: Any, pictures: Photographs
) -> None:
    person_id = await people(NAME)
    await client.call("POST", f"/api/v1/people/{person_id}/templates", photo=pictures.crop("sample1.jpg", 2))
    async with office(f"/people/{person_id}") as browser:
        page = browser.page
        await browser.press("Withdraw consent")
        await browser.says("the enrolled face, every sighting")
        await browser.press("Withdraw and delete")
        await browser.says("This person has taken consent back")
        assert (await client.call("GET", f"/api/v1/people/{person_id}"))["templates"] == 0
        await browser.press("New QR code")
        await browser.press("Make it")
        await page.get_by_role("img", name=f"QR code of {NAME}").wait_for()
        await page.keyboard.press("Escape")
        await browser.press("Erase this person")
        erase = page.get_by_role("button", name="Erase for good")
        await page.get_by_label("Type the name to confirm").fill("Ada")
        assert await erase.is_disabled()
        await page.get_by_label("Type the name to confirm").fill(NAME)
        await erase.click()
        await page.wait_for_url("**/people")
        assert (await client.call("GET", f"/api/v1/people/{person_id}"))["name"] == "erased"
        assert browser.errors == []


async def test_people_are_found_by_name_and_group_and_no_name_gets_into_the_address(
    office: Office, client: ServerClient, lesson: dict[str, Any], people: Any
) -> None:
    await people("Konrad <b>Zuse</b>")
    async with office("/people") as browser:
        page = browser.page
        await page.get_by_label("Search by name or number").fill("zuse")
        await browser.says("One person.")
        assert await page.get_by_role("link", name="Konrad <b>Zuse</b>").count() == 1
        assert "zuse" not in page.url.lower()
        await page.get_by_label("Group").select_option(lesson["group"]["id"])
        await browser.says("Nobody is found")
        await page.get_by_label("Search by name or number").fill("")
        await browser.says("3 people.")
        assert browser.errors == []


async def test_a_roster_is_tried_before_it_is_stored(
    office: Office, client: ServerClient, people: Any, tmp_path: Path
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("external_id,name,groups,consent\nn-1,New One,,yes\n,Nobody,,no\n")
    async with office("/people") as browser:
        await browser.press("Import")
        await browser.page.get_by_label("Choose a roster").set_input_files(str(roster))
        await browser.says("Nothing is stored yet")
        await browser.says("1 refused")
        assert (await client.call("GET", "/api/v1/people?external_id=n-1"))["people"] == []
        await is_tidy(browser, 1280)
        await browser.shot("people-import")
        await browser.press("Import it")
        await browser.says("The roster is imported")
        assert len((await client.call("GET", "/api/v1/people?external_id=n-1"))["people"]) == 1


async def test_the_attendance_sheet_is_kept_by_keyboard_with_its_history(
    office: Office, client: ServerClient, lesson: dict[str, Any]
) -> None:
    session = lesson["session"]["id"]

    async def said(number: int, status: str) -> dict[str, Any]:
        async with asyncio.timeout(15):
            while True:
                records = (await client.call("GET", f"/api/v1/attendance?session_id={session}"))["attendance"]
                for record in records:
                    if record["person"]["id"] == lesson["members"][number] and record["status"] == status:
                        return dict(record)
                await asyncio.sleep(0.1)

    async with office(f"/sessions/{session}") as browser:
        page = browser.page
        rows = page.locator("tr[data-row]")
        await rows.nth(2).wait_for()
        await rows.nth(0).focus()
        await page.keyboard.press("p")
        await said(0, "present")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("a")
        record = await said(1, "absent")
        await page.get_by_label("Reason for corrections").fill("came with a note")
        await rows.nth(1).focus()
        await page.keyboard.press("e")
        assert (await said(1, "excused"))["version"] == 2
        await page.keyboard.press("h")
        await browser.says("came with a note")
        await browser.says("by Olga Owner")
        await is_tidy(browser, 1280)
        await browser.shot("people-history")
        await page.keyboard.press("Escape")
        # Somebody else corrects it, and this page does not hear of it in time.
        await page.route("**/api/v1/attendance?**", lambda route: route.abort())
        path = f"/api/v1/attendance/{record['id']}"
        body = {"status": "late", "reason": "seen on the stairs"}
        await client.call("PATCH", path, body=body, headers={"If-Match": "*"})
        await rows.nth(1).focus()
        await page.keyboard.press("p")
        await browser.says("was changed by somebody else meanwhile: late")
        assert (await client.call("GET", path))["status"] == "late"
        await page.unroute("**/api/v1/attendance?**")
        await browser.press("Close the session")
        await browser.press("Close it")
        await said(2, "absent")
        await page.locator(".badge").get_by_text("ended").wait_for()
        assert [text for text in browser.errors if not text.startswith(REFUSAL)] == []


async def test_a_report_draws_says_the_same_as_a_table_and_is_taken_along(
    office: Office, client: ServerClient, lesson: dict[str, Any]
) -> None:
    for member, status in zip(lesson["members"], ("present", "late", "absent"), strict=True):
        body = {"person_id": member, "session_id": lesson["session"]["id"], "status": status}
        await client.call("POST", "/api/v1/attendance", body=body)
    async with office(f"/reports?group={lesson['group']['id']}&period=week") as browser:
        page = browser.page
        table = page.get_by_role("table", name="By person")
        await table.wait_for()
        assert [await row.inner_text() for row in await table.locator("tbody th").all()] == [
            "Grace Hopper",
            "Alan Turing",
            "Ada Lovelace",
        ]
        drawn = page.get_by_role("img", name=re.compile("^By week"))
        async with asyncio.timeout(15):  # more than one colour: something is drawn
            while not await drawn.evaluate(COLOURS):
                await asyncio.sleep(0.1)
        await browser.shot("people-report-drawn")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV").click()
        text = Path(await (await download.value).path()).read_text("utf-8-sig")
        assert len(text.splitlines()) == 4
        assert browser.errors == []


async def test_an_address_is_tried_with_its_picture_before_a_camera_is_added_placed_and_removed(
    office: Office, models_dir: Path, pages: Path
) -> None:
    with temporary_folder() as folder:
        settings = {"ROLLCALL_PULL__ALLOW_LOOPBACK": "true", "ROLLCALL_PULL__ALLOW_PRIVATE": "true"}
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        await server.start()
        try:
            with http_cameras.http_camera({"/snap": http_cameras.snapshot(http_cameras.picture())}) as url:
                await add_place_and_remove(office, server, url)
            async with office("/unknown", of=server) as browser:
                await browser.says("Unknown faces are not kept on this site")
                await browser.says("ROLLCALL_UNKNOWN_FACES__KEEP_DAYS=7")
        finally:
            await server.stop()


async def add_place_and_remove(office: Office, server: ChildServer, url: str) -> None:
    async with office("/cameras", of=server) as browser, server.client() as client:
        page = browser.page
        await page.get_by_role("button", name="Add a camera").first.click()
        await page.get_by_label("Name", exact=True).fill("Room 12, Süd")
        assert await page.get_by_label("Short name").input_value() == "room-12-sud"
        await page.get_by_role("textbox", name="Address").fill(f"{url}/nothing")
        await browser.press("Test")
        await browser.says("No picture came", within_s=60)
        await page.get_by_role("textbox", name="Address").fill(f"{url}/snap")
        await browser.press("Test")
        await page.get_by_role("img", name="The first picture of the camera").wait_for(timeout=60_000)
        await browser.says("A picture of 640")
        await is_tidy(browser, 1280)
        await browser.shot("people-camera-test")
        await browser.press("Save")
        await page.locator(".badge").get_by_text("live").wait_for(timeout=30_000)
        await page.get_by_role("button", name="Change Room 12, Süd").click()
        await browser.press("New room")
        await page.get_by_label("Name of the room").fill("Room 12")
        await browser.press("Add the room")
        await page.get_by_label("Being seen means").select_option("in")
        await page.get_by_role("button", name="Save").nth(1).click()
        await page.get_by_role("cell", name="Room 12", exact=True).wait_for()
        place = await client.call("GET", "/api/v1/cameras/room-12-sud/place")
        assert place["direction"] == "in"
        await page.get_by_role("button", name="Change Room 12, Süd").click()
        await browser.press("Remove this camera")
        await browser.press("Remove it")
        await browser.says("No camera has been added")
        assert (await client.call("GET", "/api/v1/cameras"))["cameras"] == []
        assert browser.errors == []


async def test_an_unknown_face_is_shown_named_and_discarded(
    office: Office, phone: Phone, code: Any, models_dir: Path, pages: Path, pictures: Photographs, class_camera: Path
) -> None:
    """The list is given to the page as the server would: strangers take minutes to be collected."""
    faces = [
        {
            "id": str(uuid4()), "ignored": False, "seen": 3, "faces": 2, "quality": 0.7, "cameras": ["hall"],
            "has_crop": False, "first_seen": "2026-03-02T08:00:00Z", "last_seen": "2026-03-02T08:00:00Z",
        },
    ]  # fmt: skip
    sent: list[tuple[str, str]] = []

    async def answer(route: Any) -> None:
        request = route.request
        if request.method == "GET":
            await route.fulfill(json={"unknown_faces": faces, "next_cursor": None})
            return
        sent.append((request.method, urlsplit(request.url).path.split("/")[-1] + " " + (request.post_data or "")))
        if request.method == "DELETE":
            faces.clear()
            await route.fulfill(status=204)
        else:
            await route.fulfill(status=201, json={"person_id": str(uuid4()), "templates": 2})

    async with office("/people") as browser:
        page = browser.page
        await page.route("**/api/v1/unknown-faces**", answer)
        await page.route("**/api/v1/unknown-faces/**", answer)
        await page.goto("/unknown")
        await browser.says("seen 3 times")
        await is_tidy(browser, 1280)
        await browser.press("Somebody new")
        await page.get_by_label("Name", exact=True).fill(NAME)
        assert await page.get_by_role("button", name="Add and enrol").is_disabled()
        await page.get_by_role("checkbox").check()
        await browser.press("Add and enrol")
        await browser.says(f"{NAME} was added and enrolled")
        await page.get_by_role("button", name="Discard", exact=True).click()
        await browser.press("Discard it")
        await page.get_by_role("status").get_by_text("Everything kept of it is deleted").wait_for()
        assert [method for method, _ in sent] == ["POST", "DELETE"]
        assert json.loads(sent[0][1].split(" ", 1)[1])["consent"] is True
        assert browser.errors == []
