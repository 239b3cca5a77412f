"""The camera page in a real browser, on a real server: from the code to the name over the box and in the database."""

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from benchmarks.browser.memory import held
from benchmarks.browser.window import renderer_mb
from stream_server.child import ChildServer
from stream_server.client import ServerClient
from tests.browser.conftest import INSECURE_HOST, Enrol, Phone, write_mjpeg
from tests.integration.conftest import Photographs
from tests.partners.slow_line import slow_line
from tests.partners.webrtc_client import needs_address

NAME = "Ada Lovelace"
SPY_ON_SENDING = """() => {
  window.sizes = [];
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    if (data instanceof Blob) window.sizes.push(data.size);
    send.call(this, data);
  };
}"""
# For each picture: an object of 4 kB and an element that nobody shows.
LEAK = """() => {
  window.kept = [];
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    window.kept.push(Array.from({ length: 500 }, Math.random), document.createElement('p'));
    send.call(this, data);
  };
}"""
SPY_ON_CANVAS = """() => {
  window.written = [];
  const { prototype } = CanvasRenderingContext2D;
  const { fillText } = prototype;
  prototype.fillText = function (text, ...rest) {
    window.written.push(text);
    fillText.call(this, text, ...rest);
  };
}"""


def photos(pictures: Photographs) -> tuple[bytes, bytes]:
    """Of one woman; the second is what the cameras show."""
    return pictures.crop("sample1.jpg", 2), pictures.crop("sample3.jpg", 1)


@pytest.fixture(scope="session")
def blank_camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that nobody stands before."""
    import numpy as np

    return write_mjpeg(tmp_path_factory.mktemp("camera") / "blank.mjpeg", np.full((480, 640, 3), 120, np.uint8))


async def marked(client: ServerClient, person_id: UUID, within_s: float = 40.0) -> list[dict[str, Any]]:
    """The stored records of a person, once there are some."""
    async with asyncio.timeout(within_s):
        while True:
            records = [record for record in await client.attendance() if record["person"]["id"] == str(person_id)]
            if records:
                return records
            await asyncio.sleep(0.1)


async def test_a_phone_that_scans_the_code_streams_and_shows_who_was_marked(
    phone: Phone, client: ServerClient, enrol: Enrol, code: Any, pictures: Photographs, class_camera: Path
) -> None:
    person_id = await enrol(NAME, *photos(pictures))
    scanned = await code("room-5", "Phone of room 5")
    async with phone(f"#code={scanned}", camera=class_camera, width=360, height=640) as browser:
        await browser.says("Ready when you are")
        assert "#" not in browser.page.url, "the code is left in the address"
        assert await browser.blocking_violations() == []
        await browser.shot("camera-start-phone")
        await browser.press("Start the camera")
        await browser.says("Live")
        item = browser.page.locator(".marked li").filter(has_text=NAME)
        await item.wait_for(timeout=40_000)
        assert re.search(r"present \d\d:\d\d", await item.inner_text())
        records = await marked(client, person_id)
        assert [record["camera"] for record in records] == ["room-5"]
        assert NAME in await browser.page.locator("[aria-live=polite].unseen").inner_text()
        await asyncio.sleep(1.5)  # for figures over a second, and boxes in the picture that is kept
        assert await browser.figure("Over") == "WebSocket"
        assert int(await browser.figure("Sent")) > 3
        assert re.fullmatch(r"\d+ ms", await browser.figure("Answer after"))
        assert (await browser.page.evaluate("document.documentElement.scrollWidth")) <= 360
        stage = await browser.page.locator(".stage").bounding_box()
        controls = await browser.page.locator(".controls").bounding_box()
        assert stage["height"] > 200
        assert controls["y"] + controls["height"] <= 640, "what a teacher needs must be on the first screen"
        assert await browser.blocking_violations() == []
        await browser.shot("camera-live-phone")
        assert browser.errors == []


async def test_names_stand_over_the_boxes_on_the_canvas_and_nowhere_as_html(
    phone: Phone, enrol: Enrol, code: Any, pictures: Photographs, class_camera: Path
) -> None:
    wicked = "<img src=x onerror=alert(1)> & Söhne"
    await enrol(wicked, *photos(pictures))
    fragment = f"#code={await code('hall', 'Hall')}"
    async with phone(fragment, camera=class_camera, width=1280, height=800, scheme="dark") as browser:
        await browser.page.evaluate(SPY_ON_CANVAS)
        await browser.press("Start the camera")
        await browser.page.locator(".marked li").first.wait_for(timeout=40_000)
        assert await browser.page.locator(".marked .name").first.inner_text() == wicked
        assert await browser.page.locator("#app img").count() == 0
        async with asyncio.timeout(20):
            written: list[str] = []
            while not any(re.fullmatch(r"present, \d\d:\d\d", text) for text in written):
                written = await browser.page.evaluate("window.written")
        assert any(text.startswith("✓ <i") for text in written)
        await browser.shot("camera-live-wide-dark")
        assert browser.errors == []


@needs_address
async def test_the_camera_streams_by_webrtc_when_it_is_chosen_and_goes_back_without_a_second_record(
    phone: Phone, client: ServerClient, enrol: Enrol, code: Any, pictures: Photographs, class_camera: Path
) -> None:
    person_id = await enrol(NAME, *photos(pictures))
    async with phone(f"#code={await code('desk', 'Desk')}", camera=class_camera) as browser:
        await browser.says("Ready when you are")
        await browser.page.evaluate("localStorage.setItem('rollcall.camera', JSON.stringify({transport: 'webrtc'}))")
        await browser.page.reload()
        await browser.press("Start the camera")
        await browser.page.locator(".marked li").filter(has_text=NAME).wait_for(timeout=60_000)
        assert await browser.figure("Over") == "WebRTC"
        await browser.sends(5)
        await browser.press("Settings")
        await asyncio.sleep(0.3)
        assert await browser.blocking_violations() == []
        await browser.shot("camera-settings-phone")
        await browser.page.get_by_role("radio", name="WebSocket").check()
        await browser.press("Close")
        await browser.page.locator(".figures dd", has_text="WebSocket").wait_for()
        async with asyncio.timeout(20):
            while (await client.readiness())["sockets"]["webrtc_peers"]:
                await asyncio.sleep(0.1)
        await browser.sends(5)
        assert len(await marked(client, person_id)) == 1
        assert browser.errors == []


@needs_address
async def test_webrtc_takes_over_by_itself_where_it_connects(
    phone: Phone, server: ChildServer, code: Any, class_camera: Path
) -> None:
    origin = f"http://{INSECURE_HOST}:{server.port}"
    trusted = (f"--unsafely-treat-insecure-origin-as-secure={origin}",)
    fragment = f"#code={await code('auto', 'Auto')}"
    async with phone(fragment, camera=class_camera, host=INSECURE_HOST, flags=trusted) as browser:
        await browser.press("Start the camera")
        await browser.page.locator(".figures dd", has_text="WebSocket").wait_for()
        await browser.page.locator(".figures dd", has_text="WebRTC").wait_for(timeout=30_000)
        await browser.says("Live")
        assert browser.errors == []


async def test_where_webrtc_is_refused_the_pictures_go_by_websocket_and_the_page_says_so(
    phone: Phone, code: Any, class_camera: Path
) -> None:
    async with phone(f"#code={await code('nortc', 'No RTC')}", camera=class_camera) as browser:
        await browser.says("Ready when you are")
        await browser.page.evaluate("localStorage.setItem('rollcall.camera', JSON.stringify({transport: 'webrtc'}))")
        await browser.page.route("**/whip/**", lambda route: route.abort())
        await browser.page.reload()
        await browser.press("Start the camera")
        await browser.says("WebRTC did not connect")
        await browser.page.locator(".figures dd", has_text="WebSocket").wait_for()
        await browser.says("Live")


async def test_the_page_says_that_it_is_not_live_and_comes_back_after_a_restart_of_the_server(
    phone: Phone, server: ChildServer, client: ServerClient, code: Any, class_camera: Path
) -> None:
    async with phone(f"#code={await code('back', 'Back')}", camera=class_camera) as browser:
        await browser.press("Start the camera")
        await browser.says("Live")
        await server.stop()
        await browser.says("Nobody is marked meanwhile")
        await browser.shot("camera-not-live-phone")
        assert await browser.page.locator(".badge").inner_text() == "Not live"
        await server.start()
        await browser.page.locator(".badge.live").wait_for(timeout=40_000)
        async with asyncio.timeout(20):
            while (await client.readiness())["frames"]["processed"] < 3:
                await asyncio.sleep(0.1)
        assert [text for text in browser.errors if "WebSocket" not in text and "ERR_CONNECTION" not in text] == []


async def test_a_page_that_is_loaded_anew_is_still_paired_and_one_that_is_forgotten_is_not(
    phone: Phone, code: Any, class_camera: Path
) -> None:
    async with phone(camera=class_camera) as browser:
        await browser.says("Make this device a camera")
        assert await browser.blocking_violations() == []
        await browser.shot("camera-pair-phone")
        typed = (await code("typed", "Typed")).replace("-", "").lower()
        await browser.page.get_by_label("Pairing code").fill(typed)
        await browser.page.keyboard.press("Enter")
        await browser.says("Ready when you are")
        await browser.page.reload()
        await browser.says("Ready when you are")
        await browser.press("Forget this device")
        await browser.press("Yes, forget")
        await browser.says("This device is forgotten")
        assert await browser.page.evaluate("localStorage.getItem('rollcall.device')") is None
        await browser.page.reload()
        await browser.says("Make this device a camera")
        assert browser.errors == []


async def test_a_wrong_code_is_refused_in_words(phone: Phone, class_camera: Path) -> None:
    async with phone("#code=0000-0000", camera=class_camera, scheme="dark") as browser:
        await browser.says("This code is wrong, was used already, or has expired")
        assert await browser.page.get_by_label("Pairing code").input_value() == "0000-0000"
        assert await browser.blocking_violations() == []
        await browser.shot("camera-refused-phone-dark")


async def test_a_revoked_phone_stops_and_asks_for_a_new_code(
    phone: Phone, client: ServerClient, code: Any, class_camera: Path
) -> None:
    async with phone(f"#code={await code('gone', 'Gone')}", camera=class_camera) as browser:
        await browser.press("Start the camera")
        await browser.says("Live")
        devices = (await client.call("GET", "/api/v1/devices"))["devices"]
        (device_id,) = (device["id"] for device in devices if device["camera_id"] == "gone")
        await client.call("DELETE", f"/api/v1/devices/{device_id}")
        await browser.says("This device is no longer paired")
        assert await browser.page.evaluate("localStorage.getItem('rollcall.device')") is None


async def test_a_page_that_is_loaded_anew_in_the_middle_streams_on_and_marks_nobody_twice(
    phone: Phone, client: ServerClient, enrol: Enrol, code: Any, pictures: Photographs, class_camera: Path
) -> None:
    person_id = await enrol(NAME, *photos(pictures))
    async with phone(f"#code={await code('again', 'Again')}", camera=class_camera) as browser:
        records = []
        for _ in range(3):
            await browser.page.evaluate(SPY_ON_CANVAS)
            await browser.press("Start the camera")
            await browser.says("Live")
            async with asyncio.timeout(60):  # whoever is known is greeted by name, also when marked before
                while not any(NAME.split()[0] in text for text in await browser.page.evaluate("window.written")):
                    await asyncio.sleep(0.2)
            records.append(await marked(client, person_id))
            await browser.page.reload()
        await browser.says("Ready when you are")
        assert [[(record["id"], record["first_seen"]) for record in seen] for seen in records] == [
            [(records[0][0]["id"], records[0][0]["first_seen"])]
        ] * 3
        devices = (await client.call("GET", "/api/v1/devices"))["devices"]
        assert len([device for device in devices if device["camera_id"] == "again"]) == 1
        assert browser.errors == []


async def test_another_device_that_takes_the_camera_over_is_not_fought(
    phone: Phone, client: ServerClient, code: Any, class_camera: Path
) -> None:
    async with phone(f"#code={await code('one', 'One')}", camera=class_camera) as browser:
        await browser.press("Start the camera")
        await browser.says("Live")
        async with client.socket("/ws/v1/camera/one"):
            await browser.says("Another device took over this camera")
            await browser.press("Use this device again")
            await browser.page.locator(".badge.live").wait_for()
        assert browser.errors == []


async def test_an_address_without_https_explains_why_there_is_no_camera(
    phone: Phone, code: Any, class_camera: Path
) -> None:
    async with phone(f"#code={await code('lan', 'LAN')}", camera=class_camera, host=INSECURE_HOST) as browser:
        await browser.says("The camera needs a secure address")
        await browser.says("rollcall serve --https auto")
        assert await browser.blocking_violations() == []
        await browser.shot("camera-insecure-phone")


async def test_a_kiosk_greets_one_person_with_name_and_time(
    phone: Phone, enrol: Enrol, code: Any, pictures: Photographs, one_person_camera: Path
) -> None:
    await enrol(NAME, *photos(pictures))
    fragment = f"#code={await code('door', 'Door')}"
    async with phone(fragment, camera=one_person_camera, width=820, height=1180) as browser:
        await browser.press("Start the camera")
        await browser.press("Kiosk")
        confirmation = browser.page.locator(".confirmation")
        await confirmation.wait_for(timeout=40_000)
        assert re.search(rf"{NAME}\s+Present · \d\d:\d\d", await confirmation.inner_text())
        await browser.shot("kiosk-confirmed-tablet")
        await browser.says(f"Hello, {NAME}")
        await browser.says("Present since")
        assert await browser.blocking_violations() == []
        await browser.shot("kiosk-known-tablet")
        await browser.page.keyboard.press("Escape")
        await browser.page.get_by_role("button", name="Settings").wait_for()
        assert browser.errors == []


@pytest.mark.parametrize(("width", "height"), [(820, 1180), (360, 640)])
async def test_whoever_is_not_recognised_is_marked_by_a_pin_at_the_kiosk(
    width: int, height: int, phone: Phone, client: ServerClient, code: Any, blank_camera: Path
) -> None:
    person_id = await client.add_person(NAME, consent=False)
    pin = (await client.call("POST", f"/api/v1/people/{person_id}/pin"))["pin"]
    place = f"pin-{width}"
    async with phone(f"#code={await code(place, 'Door')}", camera=blank_camera, width=width, height=height) as browser:
        page = browser.page
        await browser.press("Start the camera")
        await browser.says("Live")
        await browser.press("Kiosk")
        await browser.press("Use a PIN")
        field = page.get_by_label("Type your PIN")
        for digit in "0000":
            await page.get_by_role("button", name=digit, exact=True).click()
        assert await field.input_value() == "0000"
        assert await field.get_attribute("type") == "password", "nobody reads it over a shoulder"
        await browser.press("OK")
        await browser.says("Nobody has this PIN")
        browser.errors.clear()  # the browser notes the refusal
        assert await field.input_value() == ""
        keys = await page.get_by_role("group", name="Digits").bounding_box()
        assert keys["y"] + keys["height"] <= height, "all keys are on the screen"
        assert await browser.blocking_violations() == []
        await browser.shot(f"kiosk-pin-{width}")
        await page.get_by_role("button", name="1", exact=True).click()
        await browser.press("Delete the last digit")
        for digit in pin:
            await page.get_by_role("button", name=digit, exact=True).click()
        await browser.press("OK")
        confirmation = page.locator(".confirmation")
        await confirmation.wait_for()
        assert re.search(rf"{NAME}\s+Present · \d\d:\d\d", await confirmation.inner_text())
        await browser.shot(f"kiosk-pin-confirmed-{width}")
        (record,) = await marked(client, person_id)
        assert (record["method"], record["camera"]) == ("pin", place)
        await confirmation.wait_for(state="detached")
        # Once more, by the keys of a keyboard.
        await browser.press("Use a PIN")
        await page.locator("#pin:focus").wait_for()
        await page.keyboard.type(pin)
        await page.keyboard.press("Enter")
        await browser.says("Present · marked already")
        assert len(await marked(client, person_id)) == 1
        assert browser.errors == []
    await client.call("DELETE", f"/api/v1/people/{person_id}")


async def test_a_personal_qr_code_before_a_kiosk_marks_its_person(
    phone: Phone, client: ServerClient, code: Any, tmp_path: Path
) -> None:
    import cv2
    import numpy as np

    person_id = await client.add_person(NAME, consent=False)
    text = (await client.call("POST", f"/api/v1/people/{person_id}/qr"))["text"]
    signs = cv2.QRCodeEncoder.create().encode(text)
    drawn = cv2.resize(signs, (260, 260), interpolation=cv2.INTER_NEAREST)
    held_up = np.full((480, 640, 3), 200, np.uint8)
    held_up[110:370, 190:450] = drawn[:, :, None]
    scanned = await code("qr-door", "Door")
    await client.call("PUT", "/api/v1/cameras/qr-door/place", body={"reads_qr": True})
    async with phone(f"#code={scanned}", camera=write_mjpeg(tmp_path / "qr.mjpeg", held_up)) as browser:
        await browser.press("Start the camera")
        await browser.press("Kiosk")
        confirmation = browser.page.locator(".confirmation")
        await confirmation.wait_for(timeout=60_000)
        assert NAME in await confirmation.inner_text()
        (record,) = await marked(client, person_id)
        assert (record["method"], record["camera"]) == ("qr", "qr-door")
        await browser.shot("kiosk-qr")
        assert browser.errors == []
    await client.call("DELETE", f"/api/v1/people/{person_id}")


async def test_a_page_that_is_hidden_sends_nothing_and_goes_on_when_it_is_seen(
    phone: Phone, client: ServerClient, code: Any, class_camera: Path
) -> None:
    async def received() -> int:
        return int((await client.readiness())["frames"]["received"])

    async with phone(f"#code={await code('sleep', 'Sleep')}", camera=class_camera) as browser:
        await browser.press("Start the camera")
        await browser.says("Live")
        await browser.page.evaluate(
            """(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
            document.dispatchEvent(new Event('visibilitychange')); }""",
            True,
        )
        await browser.says("Paused while the page was hidden")
        before = -1
        async with asyncio.timeout(30):  # until the one that was on its way has come, and then nothing for a while
            while before != (before := await received()):
                await asyncio.sleep(2.0)
        await browser.page.evaluate(
            "() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }"
        )
        async with asyncio.timeout(20):
            while await received() < before + 3:
                await asyncio.sleep(0.1)
        assert browser.errors == []


async def test_a_slow_line_gets_smaller_pictures_and_not_later_ones(
    phone: Phone, server: ChildServer, client: ServerClient, enrol: Enrol, code: Any, pictures: Photographs,
    class_camera: Path,
) -> None:  # fmt: skip
    person_id = await enrol(NAME, *photos(pictures))
    fragment = f"#code={await code('slow', 'Slow')}"
    async with (
        slow_line(server.port, up_kbit_s=400) as port,
        phone(fragment, camera=class_camera, port=port) as browser,
    ):
        await browser.page.evaluate(SPY_ON_SENDING)
        await browser.press("Start the camera")
        await marked(client, person_id)
        async with asyncio.timeout(60):
            sizes: list[int] = []
            while len(sizes) < 12 or max(sizes[-3:]) > 0.6 * sizes[0]:
                await asyncio.sleep(0.2)
                sizes = await browser.page.evaluate("window.sizes")
        await browser.says("Live")
        await browser.says("The line is slow, so smaller pictures are sent")
        await browser.shot("camera-slow-line")
        async with asyncio.timeout(30):
            while int((await browser.figure("Answer after")).split()[0]) > 2500:
                await asyncio.sleep(0.2)
        rates = []
        for _ in range(8):  # one second may have a picture more, or the one that a pause has held back
            rates.append(float((await browser.figure("Now")).split()[0]))
            await asyncio.sleep(1.0)
        assert sum(rates) / len(rates) < 80
        assert browser.errors == []


async def test_the_page_holds_no_more_after_many_pictures_than_after_a_few(
    phone: Phone, code: Any, class_camera: Path
) -> None:
    async with phone(f"#code={await code('heap', 'Heap')}", camera=class_camera) as browser:
        session = await browser.page.context.new_cdp_session(browser.page)
        await browser.press("Start the camera")
        await browser.sends_at_all()
        await browser.sends(50, within_s=60)

        async def more(pictures: int) -> dict[str, float]:
            """What the page holds more after so many pictures; heap and process for each of them, in bytes."""
            before, process_before = await held(session), await renderer_mb(browser.page.context.browser)
            await browser.sends(pictures, within_s=90)
            after, process_after = await held(session), await renderer_mb(browser.page.context.browser)
            assert process_before is not None
            assert process_after is not None
            rise = {name: after[name] - before[name] for name in ("Nodes", "JSEventListeners")}
            rise["heap"] = (after["JSHeapUsedSize"] - before["JSHeapUsedSize"]) / pictures
            rise["process"] = 1e6 * (process_after - process_before) / pictures
            return rise

        rise = await more(250)
        # The first hundreds of pictures compile code: up to 600 bytes for each of them, and none later.
        assert rise["heap"] < 1000
        assert rise["Nodes"] < 50
        assert rise["JSEventListeners"] < 10
        # A picture that something holds is 1,228,800 bytes, and none of them is in the heap.
        assert rise["process"] < 300_000
        # That much would be noticed.
        await browser.page.evaluate(LEAK)
        leaking = await more(60)
        assert leaking["heap"] > 2000
        assert leaking["Nodes"] >= 55


@pytest.mark.parametrize("width", [320, 360, 1440])
async def test_every_control_is_reached_by_keyboard_and_nothing_is_wider_than_the_screen(
    width: int, phone: Phone, code: Any, class_camera: Path
) -> None:
    async with phone(f"#code={await code('keys', 'Keys')}", camera=class_camera, width=width, height=700) as browser:
        await browser.press("Start the camera")
        await browser.says("Live")
        reached = set()
        for _ in range(12):
            await browser.page.keyboard.press("Tab")
            reached.add(await browser.page.evaluate("document.activeElement.innerText"))
        assert {"Stop", "Mirror", "Kiosk", "Settings"} <= reached
        assert await browser.page.evaluate("document.documentElement.scrollWidth") <= width
