import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
import pytest

from recognition.codes import read_codes
from recognition.types import Frame
from storage import cameras, idempotency
from stream_server.people.code_watch import AGAIN_AFTER_S, CodeWatch


async def add_camera(api: Any, camera_id: str, **place: Any) -> None:
    async with api.database.acquire() as connection:
        await cameras.ensure(connection, camera_id)
    await api.call("PUT", f"/cameras/{camera_id}/place", json=place)


async def punch(api: Any, status: int = 200, headers: Any = None, **body: Any) -> Any:
    return await api.call("POST", "/punches", status, json=body, headers=headers or {})


async def test_a_pin_marks_somebody_without_a_face_or_consent(api: Any) -> None:
    ada = await api.person("Ada")
    pin = (await api.call("POST", f"/people/{ada}/pin", 201))["pin"]
    assert len(pin) == 6
    made = await punch(api, pin=pin)
    assert (made["person"], made["status"], made["first"]) == ({"id": str(ada), "name": "Ada"}, "present", True)
    record = await api.call("GET", f"/attendance/{made['attendance_id']}")
    assert (record["method"], record["first_seen"]) == ("pin", "2026-03-02T08:00:00Z")
    assert (await punch(api, pin=pin))["first"] is False
    async with api.database.acquire() as connection:
        stored = await connection.fetchval("SELECT digest FROM credentials")
    assert pin.encode() not in stored


async def test_a_new_pin_replaces_the_old_and_a_revoked_one_is_gone(api: Any) -> None:
    ada = await api.person("Ada")
    first = (await api.call("POST", f"/people/{ada}/pin"))["pin"]
    second = (await api.call("POST", f"/people/{ada}/pin"))["pin"]
    assert (await punch(api, 400, pin=first))["code"] == "credential_unknown"
    await punch(api, pin=second)
    for _ in range(2):
        await api.call("DELETE", f"/people/{ada}/credentials/pin", 204)
    await punch(api, 400, pin=second)
    assert len((await api.call("GET", "/audit", params={"action": "credential.revoked"}))["audit"]) == 1
    other = await api.person("Alan")
    code = (await api.call("POST", f"/people/{other}/qr", 201))["text"]
    await api.call("DELETE", f"/people/{other}", 204)
    assert (await punch(api, 400, qr=code))["code"] == "credential_unknown"
    assert (await api.call("POST", f"/people/{other}/pin", 409))["code"] == "person_erased"
    assert (await api.call("POST", f"/people/{uuid4()}/pin", 404))["code"] == "person_not_found"


async def test_guessing_pins_is_stopped_also_when_many_are_tried_at_once(api: Any) -> None:
    ada = await api.person("Ada")
    pin = (await api.call("POST", f"/people/{ada}/pin"))["pin"]
    wrong = [f"{(int(pin) + number) % 10**6:06d}" for number in range(1, 13)]

    async def guess(text: str) -> int:
        return int((await api.http.post("/api/v1/punches", json={"pin": text})).status_code)

    statuses = await asyncio.gather(*map(guess, wrong))
    assert (statuses.count(400), statuses.count(429)) == (5, 7)
    response = await api.http.post("/api/v1/punches", json={"pin": pin})
    assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")
    assert int(response.headers["Retry-After"]) > 0
    await add_camera(api, "kiosk")
    await punch(api, pin=pin, camera="kiosk")
    api.at += timedelta(minutes=6)
    await punch(api, pin=pin)


async def test_a_punch_that_is_sent_again_is_answered_again_and_done_once(api: Any) -> None:
    await add_camera(api, "gate", direction="toggle")
    ada = await api.person("Ada")
    pin = (await api.call("POST", f"/people/{ada}/pin"))["pin"]
    headers = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(punch(api, pin=pin, camera="gate", headers=headers) for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0]["direction"], answers[0]["first"]) == ("in", True)
    api.at += timedelta(hours=1)
    assert await punch(api, pin=pin, camera="gate", headers=headers) == answers[0]
    assert (await punch(api, pin=pin, camera="gate", headers={"Idempotency-Key": "k2"}))["direction"] == "out"
    listed = await api.call("GET", f"/sessions/{answers[0]['session_id']}/punches/{ada}")
    assert [one["direction"] for one in listed["punches"]] == ["in", "out"]
    other = (await api.call("POST", f"/people/{await api.person('Alan')}/pin"))["pin"]
    assert (await punch(api, 422, pin=other, camera="gate", headers=headers))["code"] == "idempotency_key_reused"
    async with api.database.acquire() as connection:
        assert await idempotency.prune(connection, api.at - timedelta(hours=1)) == 0
        assert await idempotency.prune(connection, api.at + timedelta(seconds=1), 1) == 1
        assert await idempotency.prune(connection, api.at + timedelta(seconds=1)) == 1


async def test_a_pin_given_twice_by_mistake_counts_once(api: Any) -> None:
    await add_camera(api, "gate", direction="toggle")
    pin = (await api.call("POST", f"/people/{await api.person('Ada')}/pin"))["pin"]
    assert (await punch(api, pin=pin, camera="gate"))["direction"] == "in"
    api.at += timedelta(seconds=5)
    assert (await punch(api, pin=pin, camera="gate"))["direction"] is None
    api.at += timedelta(seconds=6)
    assert (await punch(api, pin=pin, camera="gate"))["direction"] == "out"


@pytest.mark.parametrize("body", [{}, {"pin": "123456", "qr": "x"}, {"pin": "1"}, {"qr": "x" * 300}, {"pin": 123456}])
async def test_a_punch_is_a_pin_or_a_code(api: Any, body: Any) -> None:
    response = await api.http.post("/api/v1/punches", json=body)
    assert response.status_code == 422
    assert "123456" not in response.text


def picture_of(text: str) -> Any:
    import segno

    matrix = np.array([[0 if dark else 255 for dark in row] for row in segno.make(text, error="m").matrix_iter(5, 4)])
    image = np.full((480, 640, 3), 120, np.uint8)
    image[100 : 100 + len(matrix), 200 : 200 + len(matrix)] = matrix.astype(np.uint8)[:, :, None]
    return image


async def test_a_code_is_told_once_and_works_at_a_kiosk(api: Any) -> None:
    ada = await api.person("Ada")
    made = await api.call("POST", f"/people/{ada}/qr", 201)
    assert made["svg"].startswith("<svg")
    assert read_codes(picture_of(made["text"])) == (made["text"],)
    assert (await punch(api, qr=made["text"]))["person"]["name"] == "Ada"
    for forged in (made["text"][:-1] + "A", made["text"] + "A", "ROLLCALL1.AAAA", "ROLLCALL1.", "hello", "ROLLCALL1.é"):
        if forged != made["text"]:
            assert (await punch(api, 400, qr=forged, camera=None))["code"] in ("credential_unknown",)
            async with api.database.acquire() as connection:
                await connection.execute("DELETE FROM punch_failures")


async def test_a_code_shown_to_a_camera_marks_where_that_is_switched_on(api: Any) -> None:
    ada = await api.person("Ada")
    text = (await api.call("POST", f"/people/{ada}/qr"))["text"]
    await add_camera(api, "door", reads_qr=True)
    await add_camera(api, "other")
    watch = CodeWatch(api.database, api.settings, api.services.site, api.services.credentials)
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(10):
            while not watch.wants(Frame("door", 0, b"", api.at, 0.0)):
                await asyncio.sleep(0.01)
        ok, jpeg = cv2.imencode(".jpg", picture_of(text))
        assert ok
        frame = Frame("door", 1, jpeg.tobytes(), api.at, 0.1)
        assert not watch.wants(frame), "twice a second is often enough"
        assert not watch.wants(Frame("other", 1, b"", api.at, 100.0))
        for received_mono in (1.0, 2.0, 3.0):
            shown = Frame("door", 2, jpeg.tobytes(), api.at, received_mono)
            assert watch.wants(shown)
            await asyncio.to_thread(watch.read, shown)
        await asyncio.to_thread(watch.read, Frame("door", 3, b"no picture", api.at, 4.0))
        async with asyncio.timeout(10):
            while not (listed := (await api.call("GET", "/attendance"))["attendance"]):
                await asyncio.sleep(0.01)
        assert [(one["person"]["name"], one["method"], one["camera"]) for one in listed] == [("Ada", "qr", "door")]
        assert AGAIN_AFTER_S > 3.0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
