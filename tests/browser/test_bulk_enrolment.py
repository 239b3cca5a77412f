"""A zip of photographs given to the page of people: who is enrolled, and a reason for each picture that is not."""

import zipfile
from pathlib import Path

import pytest

from stream_server.client import ServerClient
from tests.browser.conftest import Office
from tests.integration.conftest import Photographs


@pytest.fixture
def archive(tmp_path: Path, pictures: Photographs) -> Path:
    """Pictures of which half are of no use."""
    path = tmp_path / "class.zip"
    contents = {
        "s-1.jpg": pictures.crop("sample1.jpg", 2),
        "s-1_2.jpg": pictures.crop("sample3.jpg", 1),
        "s-2.jpg": pictures.crop("sample1.jpg", 0),
        "s-9.jpg": pictures.crop("sample1.jpg", 1),
        "s-1_3.png": b"no picture at all",
        "readme.txt": b"taken in March",
    }
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in contents.items():
            packed.writestr(name, content)
    return path


async def test_a_zip_of_photographs_enrols_those_who_agreed_and_says_why_not_of_each_other(
    office: Office, client: ServerClient, archive: Path, tmp_path: Path
) -> None:
    made = {
        number: await client.call(
            "POST", "/api/v1/people", body={"name": name, "external_id": number, "consent": agreed}
        )
        for number, name, agreed in (("s-1", "Ada Lovelace", True), ("s-2", "Says No", False))
    }
    try:
        async with office("/people", width=390, height=800) as browser:
            page = browser.page
            await browser.press("Import")
            dialog = page.get_by_role("dialog")
            await dialog.get_by_role("button", name="Photographs").click()
            field = dialog.get_by_label("Choose a zip")
            await field.set_input_files(str(archive))
            await browser.says("2 enrolled,")
            table = dialog.get_by_role("table", name="What became of the pictures")
            rows = {}
            for row in await table.get_by_role("row").all():
                cells = await row.get_by_role("cell").all_inner_texts()
                name = await row.get_by_role("rowheader").all_inner_texts()
                if len(name + cells) == 3:
                    file, outcome, why = name + cells
                    rows[file] = (outcome, why)
            assert {rows[file][0] for file in ("s-1.jpg", "s-1_2.jpg")} == {"enrolled"}
            refused = {file: why for file, (outcome, why) in rows.items() if outcome == "refused"}
            assert {"s-2.jpg", "s-9.jpg", "s-1_3.png"} <= refused.keys()
            assert refused["s-2.jpg"].startswith("This person has not agreed to be recognised by their face.")
            assert "s-9" in refused["s-9.jpg"]
            assert all(len(why) > 10 for why in refused.values()), "each picture has its reason"
            # What was refused stands first, where it is seen.
            assert list(rows)[-2:] == ["s-1.jpg", "s-1_2.jpg"]
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            assert await browser.blocking_violations() == []
            await browser.shot("people-photographs-390")
            no_zip = tmp_path / "class.rar"
            no_zip.write_bytes(b"Rar!")
            await field.set_input_files(str(no_zip))
            await dialog.get_by_role("alert").get_by_text("The archive is damaged or cut short").wait_for()
            assert await dialog.get_by_role("table", name="What became of the pictures").count() == 0
            assert [text for text in browser.errors if not text.startswith("Failed to load resource")] == []
        assert (await client.call("GET", f"/api/v1/people/{made['s-1']['id']}"))["templates"] == 2
        assert (await client.call("GET", f"/api/v1/people/{made['s-2']['id']}"))["templates"] == 0
    finally:
        for person in made.values():
            await client.call("DELETE", f"/api/v1/people/{person['id']}")
