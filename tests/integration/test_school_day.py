"""A school day on a running server: roster, lesson, faces, a PIN, somebody absent, a correction, an erasure."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from stream_server.client import ServerClient


async def test_a_class_is_marked_in_the_lesson_of_the_cameras_room(
    client: ServerClient, pictures: Any, enrol: Any
) -> None:
    key = uuid4().hex[:8]
    api = "/api/v1"
    group = await client.call("POST", f"{api}/groups", body={"name": key})
    room = await client.call("POST", f"{api}/rooms", body={"name": key})
    camera = f"room-{key}"
    await client.add_camera(camera)
    await client.call("PUT", f"{api}/cameras/{camera}/place", body={"room_id": room["id"]})
    seen = await enrol("Seen", pictures.crop("sample1.jpg", 0))
    by_pin = await client.add_person("By Pin", consent=False)
    away = await client.add_person("Away", consent=False)
    for person_id in (seen, by_pin, away):
        await client.call("POST", f"{api}/groups/{group['id']}/memberships", body={"person_id": str(person_id)})

    # The lesson has begun some minutes ago; the clock opens it at its next look.
    starts_at = datetime.now(UTC) - timedelta(minutes=20)
    form = {
        "title": "Maths",
        "group_id": group["id"],
        "room_id": room["id"],
        "day": starts_at.date().isoformat(),
        "starts_at": starts_at.strftime("%H:%M"),
        "ends_at": (starts_at + timedelta(hours=2)).strftime("%H:%M"),
    }
    await client.call("POST", f"{api}/lessons", body=form)

    async def session() -> dict[str, Any]:
        found = await client.call("GET", f"{api}/sessions", params={"group_id": group["id"]})
        return dict(found["sessions"][0])

    async with asyncio.timeout(60):
        while (await session())["state"] != "running":
            await asyncio.sleep(0.2)
    session_id = (await session())["id"]

    async with client.socket(f"/ws/v1/camera/{camera}") as socket:
        for frame in pictures.view("sample1.jpg", frames=20):
            await socket.send(frame)
            await asyncio.sleep(0.1)

    async def records() -> dict[str, dict[str, Any]]:
        params = {"session_id": session_id}
        return {one["person"]["name"]: one async for one in client.pages(f"{api}/attendance", "attendance", params)}

    async with asyncio.timeout(30):
        while "Seen" not in await records():
            await asyncio.sleep(0.1)
    pin = (await client.call("POST", f"{api}/people/{by_pin}/pin"))["pin"]
    await client.call("POST", f"{api}/punches", body={"pin": pin, "camera": camera})
    closed = await client.call("POST", f"{api}/sessions/{session_id}/close", headers={"If-Match": "*"})
    assert closed["state"] == "ended"
    told = {name: (one["status"], one["method"]) for name, one in (await records()).items()}
    assert told == {"Seen": ("late", "face"), "By Pin": ("late", "pin"), "Away": ("absent", "clock")}

    record = (await records())["Away"]
    body = {"status": "excused", "reason": "ill"}
    await client.call("PATCH", f"{api}/attendance/{record['id']}", body=body, headers={"If-Match": '"1"'})
    await client.call("DELETE", f"{api}/people/{away}")
    assert {name: one["status"] for name, one in (await records()).items()} == {
        "Seen": "late",
        "By Pin": "late",
        "erased": "excused",
    }
