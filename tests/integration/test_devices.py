"""Pairing and devices on a real server: what a paired phone may do, and that revoking it ends all it holds."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from storage.embedded import EmbeddedPostgres
from stream_server.access.rights import RULES, Right
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient, ServerSaidNo
from tests.partners.webrtc_client import Client, Pictures


@pytest_asyncio.fixture
async def anybody(running_server: ChildServer) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token."""
    async with httpx.AsyncClient(base_url=running_server.url, timeout=10) as http:
        yield http


async def paired(client: ServerClient, anybody: httpx.AsyncClient, camera_id: str) -> dict[str, Any]:
    body = {"camera_id": camera_id, "name": f"Phone of {camera_id}", "create_camera": True}
    code = (await client.call("POST", "/api/v1/pairings", body=body))["code"]
    answer = await anybody.post("/api/v1/pair", json={"code": code, "device_name": "Pixel 6"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def bearer(device: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {device['token']}"}


async def drain(connection: ClientConnection) -> None:
    async with asyncio.timeout(5):
        while True:
            await connection.recv()


async def camera_socket(server: ChildServer, camera_id: str, headers: dict[str, str]) -> ClientConnection:
    return await connect(f"ws://127.0.0.1:{server.port}/ws/v1/camera/{camera_id}", additional_headers=headers)


async def test_a_phone_is_paired_by_code_and_streams_with_its_own_token(
    client: ServerClient, anybody: httpx.AsyncClient, running_server: ChildServer, pictures: Any
) -> None:
    device = await paired(client, anybody, "phone-1")
    assert (device["camera_id"], device["name"]) == ("phone-1", "Phone of phone-1")
    me = (await anybody.get("/api/v1/me", headers=bearer(device))).json()
    assert {key: value for key, value in me.items() if value is not None} == {
        "kind": "device",
        "id": device["device_id"],
        "name": "Phone of phone-1",
        "rights": ["stream"],
        "camera_id": "phone-1",
    }
    async with await camera_socket(running_server, "phone-1", bearer(device)) as socket:
        assert "welcome" in await socket.recv()
        for _ in range(10):  # a picture that comes before its time is dropped without a word
            await socket.send(pictures.view("sample1.jpg", frames=1)[0])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while "faces" not in (said := await socket.recv()):
                        pass
                break
        assert '"box"' in said
        (listed,) = (d for d in await devices(client) if d["id"] == device["device_id"])
        assert listed["connected"]
        assert (listed["device_name"], listed["created_by"]) == ("Pixel 6", "owner-token")
    assert "token" not in listed


async def devices(client: ServerClient) -> list[dict[str, Any]]:
    return list((await client.call("GET", "/api/v1/devices"))["devices"])


async def test_a_device_may_do_nothing_but_stream_as_its_camera(
    client: ServerClient, anybody: httpx.AsyncClient, running_server: ChildServer
) -> None:
    device = await paired(client, anybody, "phone-2")
    await client.add_camera("not-its-own")
    described = (await client.call("GET", "/api/v1/openapi.json"))["paths"]
    tried = 0
    anybodys = {(rule.method, rule.path) for rule in RULES if rule.right in (Right.OPEN, Right.SIGNED_IN)}
    for path, methods in described.items():
        for method in methods:
            if (method.upper(), path) in anybodys:
                continue
            address = path.replace("{camera_id}", "not-its-own").replace("{session_id}", "x")
            for name in ("person_id", "template_id", "attendance_id", "device_id", "pairing_id", "user_id", "token_id"):
                address = address.replace(f"{{{name}}}", str(uuid4()))
            answer = await anybody.request(method, address, headers=bearer(device))
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
            tried += 1
    assert tried > 25
    for path in ("/ws/v1/camera/not-its-own", "/ws/v1/events"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{running_server.port}{path}", additional_headers=bearer(device))
        assert refused.value.response.status_code == 403


async def test_a_device_takes_pins_and_codes_at_its_own_camera_and_wrong_ones_are_limited(
    client: ServerClient, anybody: httpx.AsyncClient
) -> None:
    device = await paired(client, anybody, "kiosk-1")
    person_id = await client.add_person("Never Photographed", consent=False)
    pin = (await client.call("POST", f"/api/v1/people/{person_id}/pin"))["pin"]
    code = (await client.call("POST", f"/api/v1/people/{person_id}/qr"))["text"]
    door = "/api/v1/cameras/kiosk-1/punches"

    async def punch(door: str, key: str = "", **body: str) -> httpx.Response:
        headers = bearer(device) | ({"Idempotency-Key": key} if key else {})
        return await anybody.post(door, json=body, headers=headers)

    made = await punch(door, "once", pin=pin)
    assert (made.status_code, made.json()["person"]["name"], made.json()["first"]) == (200, "Never Photographed", True)
    assert (await punch(door, "once", pin=pin)).json() == made.json(), "sent again, it is answered again"
    assert (await punch(door, qr=code)).json()["first"] is False
    record = await client.call("GET", f"/api/v1/attendance/{made.json()['attendance_id']}")
    assert (record["method"], record["camera"]) == ("pin", "kiosk-1")
    # Neither another camera's door nor that of people is its own, and it says no session.
    await client.add_camera("kiosk-2")
    for elsewhere in ("/api/v1/cameras/kiosk-2/punches", "/api/v1/punches"):
        assert (await punch(elsewhere, pin=pin)).status_code == 403
    assert (await punch(door, pin=pin, session_id=str(uuid4()))).status_code == 422
    assert (await punch(door)).status_code == 422
    wrong = [(await punch(door, pin=f"{(int(pin) + 1 + number) % 10**6:06d}")).status_code for number in range(6)]
    assert wrong == [400] * 5 + [429]
    assert (await punch(door, pin=pin)).json()["code"] == "too_many_attempts"
    noted = (await client.call("GET", "/api/v1/audit", params={"action": "attendance.marked"}))["audit"]
    assert f"device:{device['device_id']}" in {entry["actor"] for entry in noted}


async def test_revoking_a_device_closes_its_sockets_at_once_and_leaves_the_others(
    client: ServerClient, anybody: httpx.AsyncClient, running_server: ChildServer
) -> None:
    lost, kept = await paired(client, anybody, "phone-lost"), await paired(client, anybody, "phone-kept")
    async with (
        await camera_socket(running_server, "phone-lost", bearer(lost)) as ended,
        await camera_socket(running_server, "phone-kept", bearer(kept)) as other,
    ):
        await ended.recv()
        await other.recv()
        await client.call("DELETE", f"/api/v1/devices/{lost['device_id']}")
        with pytest.raises(ConnectionClosed):
            await drain(ended)
        assert ended.close_code == 4401
        with pytest.raises(InvalidStatus) as refused:
            await camera_socket(running_server, "phone-lost", bearer(lost))
        assert refused.value.response.status_code == 401
        assert (await anybody.get("/api/v1/me", headers=bearer(lost))).status_code == 401
        assert (await anybody.get("/api/v1/me", headers=bearer(kept))).status_code == 200
        await other.send("{}")
        assert "bad_message" in await other.recv()


async def test_revoking_a_device_ends_its_webrtc_peer(client: ServerClient, anybody: httpx.AsyncClient) -> None:
    device = await paired(client, anybody, "phone-rtc")
    peer = Client(video=Pictures([]))
    try:
        offer = await peer.offer()
        headers = bearer(device) | {"Content-Type": "application/sdp"}
        answer = await anybody.post("/whip/phone-rtc", content=offer, headers=headers)
        assert answer.status_code == 201
        assert (await client.readiness())["sockets"]["webrtc_peers"] == 1
        await client.call("DELETE", f"/api/v1/devices/{device['device_id']}")
        async with asyncio.timeout(10):
            while (await client.readiness())["sockets"]["webrtc_peers"]:
                await asyncio.sleep(0.02)
    finally:
        await peer.close()


async def test_removing_a_camera_revokes_its_devices(
    client: ServerClient, anybody: httpx.AsyncClient, running_server: ChildServer
) -> None:
    device = await paired(client, anybody, "phone-gone")
    async with await camera_socket(running_server, "phone-gone", bearer(device)) as socket:
        await client.call("DELETE", "/api/v1/cameras/phone-gone")
        with pytest.raises(ConnectionClosed):
            await drain(socket)
    await client.add_camera("phone-gone")
    assert (await anybody.get("/api/v1/me", headers=bearer(device))).status_code == 401


async def test_a_code_that_was_shown_to_the_wrong_person_is_withdrawn(
    client: ServerClient, anybody: httpx.AsyncClient, running_server: ChildServer
) -> None:
    body = {"camera_id": "phone-5", "name": "Phone 5", "create_camera": True}
    issued = await client.call("POST", "/api/v1/pairings", body=body)
    listed = (await client.call("GET", "/api/v1/pairings"))["pairings"]
    (open_code,) = (code for code in listed if code["camera_id"] == "phone-5")
    assert {name: open_code[name] for name in ("id", "name", "created_by")} == {
        "id": issued["id"],
        "name": "Phone 5",
        "created_by": "owner-token",
    }
    assert issued["code"] not in str(listed)
    printed = await asyncio.to_thread(running_server.run_command, "devices", "list", "--server", running_server.url)
    assert f"{issued['id']}  Phone 5  camera phone-5  code issued by owner-token" in printed.stdout, printed.stderr
    arguments = ("devices", "cancel", issued["id"], "--server", running_server.url)
    done = await asyncio.to_thread(running_server.run_command, *arguments)
    assert (done.returncode, done.stdout) == (0, f"{issued['id']} was withdrawn\n"), done.stderr
    refused = await anybody.post("/api/v1/pair", json={"code": issued["code"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "pairing_refused")
    assert not [c for c in (await client.call("GET", "/api/v1/pairings"))["pairings"] if c["id"] == issued["id"]]
    again = await asyncio.to_thread(running_server.run_command, *arguments)
    assert again.returncode == 1
    assert "no open pairing code" in again.stderr


async def test_a_code_for_a_camera_that_is_not_there_is_refused_unless_it_may_be_added(client: ServerClient) -> None:
    with pytest.raises(ServerSaidNo) as refused:
        await client.call("POST", "/api/v1/pairings", body={"camera_id": "nowhere", "name": "Phone"})
    assert refused.value.code == "unknown_camera"
    body = {"camera_id": "nowhere", "name": "Phone", "create_camera": True}
    await client.call("POST", "/api/v1/pairings", body=body)
    assert (await client.call("GET", "/api/v1/cameras/nowhere"))["name"] == "Phone"


async def test_codes_guessed_at_speed_are_all_answered_alike_and_then_not_at_all(own_server: Any) -> None:
    server: ChildServer = own_server()
    async with server, server.client() as client, httpx.AsyncClient(base_url=server.url, timeout=20) as guesser:
        body = {"camera_id": "phone-1", "name": "Phone", "create_camera": True}
        code = (await client.call("POST", "/api/v1/pairings", body=body))["code"]
        used = (await client.call("POST", "/api/v1/pairings", body=body))["code"]
        assert (await guesser.post("/api/v1/pair", json={"code": used})).status_code == 201
        answers = [await guesser.post("/api/v1/pair", json={"code": guess}) for guess in (used, "0000-0000", "x", "")]
        assert {(answer.status_code, answer.text) for answer in answers} == {(403, answers[0].text)}
        assert answers[0].json()["code"] == "pairing_refused"
        flood = await asyncio.gather(*(guesser.post("/api/v1/pair", json={"code": f"{n:08}"}) for n in range(40)))
        refused = [answer for answer in flood if answer.status_code == 429]
        assert len(refused) >= 34
        assert {answer.json()["code"] for answer in refused} == {"too_many_attempts"}
        assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
        assert (await guesser.post("/api/v1/pair", json={"code": code})).status_code == 429
        log = server.log_path.read_text()
        assert code not in log


async def test_a_page_of_another_site_may_not_guess_codes(anybody: httpx.AsyncClient) -> None:
    answer = await anybody.post("/api/v1/pair", json={"code": "x"}, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the server reaches by DATABASE_URL and does not look after."""
    with temporary_folder() as folder:
        server = EmbeddedPostgres(Path(folder))
        server.start()
        yield server
        server.stop()


async def test_while_the_database_is_away_a_known_device_streams_and_an_unknown_one_is_told_to_wait(
    own_server: Any, postgres: EmbeddedPostgres
) -> None:
    server: ChildServer = own_server(DATABASE_URL=postgres.dsn)
    async with server, server.client() as client, httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        known, unknown = await paired(client, http, "phone-1"), await paired(client, http, "phone-2")
        assert (await http.get("/api/v1/me", headers=bearer(known))).status_code == 200
        assert postgres.pid is not None
        os.killpg(postgres.pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            while (await client.readiness())["storage"]["state"] != "away":
                await asyncio.sleep(0.1)
        assert (await http.get("/api/v1/me", headers=bearer(known))).status_code == 200
        async with await camera_socket(server, "phone-1", bearer(known)) as socket:
            assert "welcome" in await socket.recv()
        answer = await http.get("/api/v1/me", headers=bearer(unknown))
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        postgres.stop()
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(30):
            while (await http.get("/api/v1/me", headers=bearer(unknown))).status_code != 200:
                await asyncio.sleep(0.1)
