"""The pages of webhooks, in a real browser on a real server, with a receiver on a real socket."""

from pathlib import Path

import pytest

from stream_server.child import ChildServer, temporary_folder
from tests.browser.conftest import Office
from tests.browser.test_people_pages import is_tidy, ready
from tests.stream_server.webhooks.receiver import answer, receiver

ALLOW = {"ROLLCALL_WEBHOOKS__ALLOW_HTTP": "true", "ROLLCALL_WEBHOOKS__ALLOW_LOOPBACK": "true"}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_a_webhook_is_added_tested_changed_given_a_new_secret_and_removed(
    width: int, scheme: str, office: Office, pages: Path, models_dir: Path
) -> None:
    with temporary_folder() as folder:
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=ALLOW)
        server.upgrade()
        await server.start()
        try:
            async with (
                receiver(answers=[answer(500, b"<b>broken</b>")]) as hook,
                server.client() as client,
                office("/webhooks", of=server, width=width, scheme=scheme) as browser,
            ):
                page, dialog = browser.page, browser.page.get_by_role("dialog")
                await ready(browser)
                await browser.says("No program is told of anything.")
                await browser.press("Add a webhook")
                await dialog.get_by_label("Only these").check(force=True)
                await dialog.get_by_role("button", name="Add a webhook").click()
                await browser.says("Choose at least one.")
                await dialog.get_by_label("Address").fill(hook.url)
                await dialog.get_by_label("What it is").fill("School app")
                await dialog.get_by_label("attendance.marked", exact=True).check()
                await is_tidy(browser, width)
                await browser.shot(f"webhook-add-{width}-{scheme}")
                await dialog.get_by_role("button", name="Add a webhook").click()
                await browser.says("The webhook is added.")
                first = await dialog.locator(".secret code").inner_text()
                assert first.startswith("whsec_")
                await dialog.get_by_role("button", name="Done").click()
                assert first not in await page.content(), "it is shown once"

                await page.get_by_role("link", name="Open").click()
                await ready(browser)
                await browser.press("Send a test")
                await browser.says("It was not taken")
                await browser.press("Send a test")
                await browser.says("It was taken: 200")
                await (
                    page.get_by_role("cell", name="webhook.test")
                    .first.or_(page.get_by_role("rowheader", name="webhook.test").first)
                    .wait_for()
                )
                await page.get_by_role("row").filter(has_text="500").get_by_text("Answer", exact=True).click()
                await browser.says("<b>broken</b>")
                person = await client.add_person("Ada Lovelace", consent=False)
                await client.call("POST", "/api/v1/attendance", body={"person_id": str(person)})
                await hook.until(3)
                await page.reload()
                await page.get_by_role("button", name="Send again: attendance.marked").click()
                await hook.until(4)
                await page.get_by_text("sent again").wait_for()
                assert hook.got[2].headers["webhook-id"] == hook.got[3].headers["webhook-id"]
                await is_tidy(browser, width)
                await browser.shot(f"webhook-{width}-{scheme}")

                await page.get_by_label("Everything").check(force=True)
                await page.get_by_label("Names of people are sent").check()
                await browser.press("Save")
                await browser.says("Saved.")
                (webhook,) = (await client.call("GET", "/api/v1/webhooks"))["webhooks"]
                assert (webhook["event_types"], webhook["include_names"]) == ([], True)
                await browser.press("New secret")
                await dialog.get_by_label("The old secret signs too").select_option("0")
                await dialog.get_by_role("button", name="New secret").click()
                second = await dialog.locator(".secret code").inner_text()
                assert second.startswith("whsec_")
                assert second != first
                await dialog.get_by_role("button", name="Done").click()
                await browser.press("Switch off")
                await browser.says("It is off.")
                assert not (await client.call("GET", f"/api/v1/webhooks/{webhook['id']}"))["enabled"]
                await browser.press("Switch on")
                await browser.says("It is on, and goes on where it stopped.")
                await browser.press("Remove")
                await browser.press("Remove it")
                await browser.says("No program is told of anything.")
                assert (await client.call("GET", "/api/v1/webhooks"))["webhooks"] == []
        finally:
            await server.stop()
        log = server.log_path.read_text()
        assert first not in log
        assert second not in log
