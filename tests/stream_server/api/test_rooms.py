from typing import Any
from uuid import uuid4

from storage import cameras


async def add_camera(api: Any, camera_id: str) -> None:
    async with api.database.acquire() as connection:
        await cameras.ensure(connection, camera_id)


async def test_a_room_knows_its_cameras(api: Any) -> None:
    room = await api.call("POST", "/rooms", 201, json={"name": "Room 12", "external_id": "r12"})
    for camera_id in ("back", "front"):
        await add_camera(api, camera_id)
        place = {"room_id": room["id"], "direction": "in", "reads_qr": True}
        await api.call("PUT", f"/cameras/{camera_id}/place", json=place)
        assert await api.call("GET", f"/cameras/{camera_id}/place") == place
    path = f"/rooms/{room['id']}"
    assert (await api.call("GET", path))["cameras"] == ["back", "front"]
    await api.call("PUT", "/cameras/back/place", json={})
    assert (await api.call("GET", path))["cameras"] == ["front"]
    await api.call("DELETE", path, 204, headers={"If-Match": "*"})
    assert (await api.call("GET", "/cameras/front/place"))["room_id"] is None


async def test_rooms_have_names_and_external_ids_of_their_own(api: Any) -> None:
    await api.call("POST", "/rooms", json={"name": "Room 12", "external_id": "r12"})
    assert (await api.call("POST", "/rooms", 409, json={"name": "ROOM 12"}))["code"] == "room_exists"
    taken = await api.call("POST", "/rooms", 409, json={"name": "Room 13", "external_id": "r12"})
    assert taken["code"] == "external_id_taken"
    await api.call("POST", "/rooms", json={"name": "Annex"})
    listed = await api.call("GET", "/rooms")
    assert [room["name"] for room in listed["rooms"]] == ["Annex", "Room 12"]
    found = await api.call("GET", "/rooms", params={"external_id": "r12"})
    assert [room["name"] for room in found["rooms"]] == ["Room 12"]


async def test_of_two_who_change_a_room_the_second_is_told(api: Any) -> None:
    room = await api.call("POST", "/rooms", json={"name": "Room 12"})
    path = f"/rooms/{room['id']}"
    await api.call("PATCH", path, json={"name": "Room 13"}, headers={"If-Match": '"1"'})
    assert (await api.call("PATCH", path, 412, json={"name": "x"}, headers={"If-Match": '"1"'}))["code"] == (
        "etag_mismatch"
    )
    await api.call("DELETE", path, 428)
    await api.call("DELETE", path, 412, headers={"If-Match": '"1"'})
    assert (await api.call("GET", path))["name"] == "Room 13"


async def test_a_camera_hangs_in_a_room_that_exists(api: Any) -> None:
    await add_camera(api, "door")
    refused = await api.call("PUT", "/cameras/door/place", 404, json={"room_id": str(uuid4())})
    assert refused["code"] == "room_not_found"
    assert (await api.call("PUT", "/cameras/nowhere/place", 404, json={}))["code"] == "unknown_camera"
    assert (await api.call("GET", f"/rooms/{uuid4()}", 404))["code"] == "room_not_found"
