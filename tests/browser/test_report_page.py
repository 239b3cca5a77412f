"""The report as a page, in a real browser: on a phone, in the dark, and on paper."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from storage.reports import Layout
from stream_server.child import ChildServer
from stream_server.client import ServerClient
from tests.browser.conftest import SHOTS, Browser
from tests.partners import chromium

LONG = "Maximiliana Wolkenstein-Trostburg von und zu Hohenlohe-Waldenburg-Schillingsfürst"


@pytest_asyncio.fixture
async def marked(client: ServerClient) -> str:
    """Forty people who were marked, one with a long name and a note; the group's name is part of each."""
    key = uuid4().hex[:8]
    for number in range(40):
        name = LONG if number == 3 else f"Person {number} of {key}"
        person_id = await client.add_person(name, consent=False)
        note = "came with a doctor's note, which the office has put into the file" if number == 5 else None
        await client.call("POST", "/api/v1/attendance", body={"person_id": str(person_id), "note": note})
    return key


@asynccontextmanager
async def opened(
    server: ChildServer, layout: Layout, width: int = 1000, scheme: str = "light"
) -> AsyncIterator[Browser]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium.path(), args=["--no-sandbox"])
        context = await browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            extra_http_headers={"Authorization": f"Bearer {server.token}"},
        )
        page = await context.new_page()
        shown = Browser(page)
        page.on("console", lambda said: said.type == "error" and shown.errors.append(said.text))
        try:
            await page.goto(f"{server.url}/api/v1/reports/attendance?format=html&layout={layout}")
            yield shown
        finally:
            await browser.close()


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1400, "light"), (1000, "dark")])
async def test_the_page_is_readable_on_every_screen(
    pages: Any, server: ChildServer, marked: str, layout: Layout, width: int, scheme: str
) -> None:
    async with opened(server, layout, width, scheme) as shown:
        await shown.shot(f"report-{layout}-{width}-{scheme}")
        assert shown.errors == []
        assert await shown.page.evaluate("document.documentElement.scrollWidth") <= width, (
            "the table scrolls, not the page"
        )
        assert await shown.blocking_violations() == []
        dark = await shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 22)"
        assert dark is (scheme == "dark")
        if layout is not Layout.SESSIONS:
            await shown.says(LONG)


@pytest.mark.parametrize("landscape", [False, True])
async def test_on_paper_nothing_is_cut_off_and_every_sheet_has_its_head(
    pages: Any, server: ChildServer, marked: str, landscape: bool
) -> None:
    async with opened(server, Layout.RECORDS) as shown:
        page = shown.page
        await page.emulate_media(media="print")
        # The inner width of A4 with the margins of the page, in CSS pixels.
        inner = round(((297 if landscape else 210) - 24) / 25.4 * 96)
        await page.set_viewport_size({"width": inner, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth") <= inner
        assert await page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
        assert await page.locator("header").is_hidden()
        assert await page.locator(".sheet").is_visible()
        assert await page.locator(".signature").is_visible()
        SHOTS.mkdir(exist_ok=True)
        paper = await page.pdf(path=str(SHOTS / f"report-{landscape}.pdf"), format="A4", landscape=landscape)
        assert paper.startswith(b"%PDF")
