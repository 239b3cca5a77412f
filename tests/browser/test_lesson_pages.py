"""Lessons by form, in a real browser on a real server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from stream_server.client import ServerClient
from tests.browser.conftest import Office
from tests.browser.test_people_pages import is_tidy, ready


@pytest_asyncio.fixture
async def group(client: ServerClient) -> AsyncIterator[dict[str, Any]]:
    """A group whose lessons go with it."""
    group = await client.call("POST", "/api/v1/groups", body={"name": f"8b {uuid4().hex[:6]}"})
    yield group
    listed = await client.call("GET", f"/api/v1/lessons?group_id={group['id']}")
    for lesson in listed["lessons"]:
        await client.call("DELETE", f"/api/v1/lessons/{lesson['id']}", headers={"If-Match": "*"})
    await client.call("DELETE", f"/api/v1/groups/{group['id']}", headers={"If-Match": "*"})


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_a_lesson_is_added_edited_cancelled_once_and_removed(
    width: int, scheme: str, office: Office, client: ServerClient, group: dict[str, Any]
) -> None:
    day = (datetime.now(UTC) + timedelta(days=7)).date()
    async with office(f"/sessions?view=week&day={day}&group={group['id']}", width=width, scheme=scheme) as browser:
        page = browser.page
        await ready(browser)
        asked: list[str] = []
        page.on("request", lambda request: "/api/v1/sessions?" in request.url and asked.append(request.url))
        await browser.press("Later")
        await browser.press("Earlier")
        await ready(browser)
        assert len(asked) == 2, "one request for each week"

        await browser.press("Add a lesson")
        dialog = page.get_by_role("dialog")
        # By keys alone: the first field that is wrong gets the focus.
        name = dialog.get_by_label("Name")
        await name.press("Enter")
        await browser.says("What is it called?")
        await asyncio.sleep(0.1)
        assert await name.evaluate("field => field === document.activeElement")
        await name.press_sequentially("Chemistry")
        assert await dialog.get_by_label("Group").input_value() == group["id"]
        assert await dialog.get_by_label("First day").input_value() == day.isoformat()
        await dialog.get_by_label("Starts").fill("09:00")
        await dialog.get_by_label("Ends").fill("09:45")
        await dialog.get_by_label("It repeats").check()
        await dialog.get_by_label("Until").fill((day - timedelta(days=1)).isoformat())
        await name.press("Enter")
        await browser.says("This is before the first day.")
        await is_tidy(browser, width)
        await browser.shot(f"lesson-form-{width}-{scheme}")
        await dialog.get_by_label("Until").fill((day + timedelta(days=21)).isoformat())
        await dialog.get_by_label("Not on").fill((day + timedelta(days=7)).isoformat())
        await browser.press("Add the day")
        await name.press("Enter")
        await browser.says("Chemistry is in the timetable.")

        held = await client.call("GET", f"/api/v1/sessions?group_id={group['id']}&state=planned")
        wanted = [(day + timedelta(days=7 * week)).isoformat() for week in (3, 2, 0)]
        assert [one["day"] for one in held["sessions"]] == wanted

        await page.get_by_role("link", name="Chemistry").click()
        await browser.press("The lesson")
        await dialog.get_by_label("Ends").fill("10:30")
        await browser.press("Save the lesson")
        await browser.says("Chemistry is changed.")
        await browser.says("Attendance")
        await browser.press("Cancel the session")
        await browser.press("Cancel it")
        await browser.says("The session is cancelled.")
        held = await client.call("GET", f"/api/v1/sessions?group_id={group['id']}&state=planned")
        assert [one["ends_at"][11:16] for one in held["sessions"]] == ["10:30", "10:30"], "the cancelled one is gone"

        await page.goto(f"/sessions?view=lessons&group={group['id']}")
        await browser.says("filled in by hand")
        await is_tidy(browser, width)
        await browser.shot(f"lessons-{width}-{scheme}")
        await browser.press("Edit Chemistry")
        await dialog.get_by_label("Name").fill("Physics")
        other = (await client.call("GET", f"/api/v1/lessons?group_id={group['id']}"))["lessons"][0]
        form = {
            "title": "Biology",
            "group_id": group["id"],
            "day": day.isoformat(),
            "starts_at": "11:00",
            "ends_at": "11:45",
        }
        await client.call("PUT", f"/api/v1/lessons/{other['id']}", body=form, headers={"If-Match": "*"})
        await browser.press("Save the lesson")
        await browser.says("Somebody else has changed this lesson meanwhile.")
        await browser.press("Close")
        await page.reload()
        await browser.press("Remove Biology")
        await browser.press("Hold it no longer")
        await browser.says("Biology is held no longer.")
        await browser.says("No lesson yet.")
        held = await client.call("GET", f"/api/v1/sessions?group_id={group['id']}&state=planned")
        assert held["sessions"] == []
