"""IP cameras of a running server: from an address to attendance, and everything that is wrong with one."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.demo.feed import open_feed
from tests.partners import http_cameras as partners


@pytest.fixture(scope="module")
def server(models_dir: Path) -> Iterator[ChildServer]:
    """A server that may open cameras of this machine."""
    with temporary_folder() as folder:
        settings = {"ROLLCALL_PULL__ALLOW_LOOPBACK": "true", "ROLLCALL_PULL__READ_TIMEOUT_S": "3"}
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir, settings=settings)
        server.upgrade()
        asyncio.run(server.start())
        yield server
        children = psutil.Process(server.pid).children(recursive=True)
        assert asyncio.run(server.stop()) == 0
        _, alive = psutil.wait_procs([child for child in children if "reader" in " ".join(_line(child))], 10)
        assert not alive
        log = server.log_path.read_text()
        assert "Traceback" not in log, log
        assert "geheim" not in log


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest_asyncio.fixture
async def client(server: ChildServer) -> AsyncIterator[ServerClient]:
    async with server.client() as client:
        yield client
        for camera in (await client.call("GET", "/api/v1/cameras"))["cameras"]:
            await client.call("DELETE", f"/api/v1/cameras/{camera['id']}")


async def until_state(client: ServerClient, camera_id: str, state: str, within_s: float = 30.0) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while True:
            camera: dict[str, Any] = await client.call("GET", f"/api/v1/cameras/{camera_id}")
            if camera["pull"]["state"] == state:
                return camera
            await asyncio.sleep(0.05)


async def put(client: ServerClient, camera_id: str, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await client.call("PUT", f"/api/v1/cameras/{camera_id}", body=body)
    return answer


async def test_somebody_before_an_ip_camera_is_marked_and_a_phone_may_take_over(
    client: ServerClient, pictures: Any
) -> None:
    person_id = await client.add_person("Ada", consent=True)
    await client.enrol(person_id, pictures.crop("sample1.jpg", 0))
    with partners.http_camera({"/video": partners.playing(pictures.view("sample1.jpg"), fps=10)}) as url:
        last = (await client.readiness())["storage"]["last_event_id"]
        await put(client, "room", address=f"{url}/video")
        await until_state(client, "room", "live")
        seen = []
        async with asyncio.timeout(40):
            async for event in client.events(after=last):
                seen.append((event.type, event.data.get("state")))
                if event.type == "attendance.marked":
                    assert (event.data["camera"], event.data["person"]["name"]) == ("room", "Ada")
                    break
        assert ("camera.state", "connecting") in seen
        assert ("camera.state", "live") in seen
        async with client.socket("/ws/v1/camera/room") as phone:
            json.loads(await phone.recv())
            camera = await until_state(client, "room", "off")
            assert "another connection" in camera["pull"]["reason"]
            assert camera["connected"]
        await until_state(client, "room", "live")
        assert len([r for r in await client.attendance() if r["person"]["name"] == "Ada"]) == 1
    await client.call("DELETE", f"/api/v1/people/{person_id}")


async def test_credentials_are_stored_encrypted_kept_for_the_camera_and_never_shown(
    client: ServerClient, server: ChildServer
) -> None:
    first = await put(client, "room", address="rtsp://admin:geheim@127.0.0.1:9/a?password=geheim2", enabled=False)
    assert first["has_credentials"]
    assert first["pull"]["state"] == "off"
    moved = await put(client, "room", address="rtsp://127.0.0.1:9/b")
    assert moved["has_credentials"]
    elsewhere = await put(client, "room", address="rtsp://127.0.0.1:10/b")
    assert not elsewhere["has_credentials"]
    again = await put(client, "room", username="admin", password="geheim")
    assert (again["has_credentials"], again["enabled"]) == (True, False)
    none = await put(client, "room", address=None)
    assert (none["address"], none["has_credentials"], none["pull"]) == (None, False, None)
    said = json.dumps([first, moved, elsewhere, again, await client.call("GET", "/api/v1/cameras")])
    assert "geheim" not in said
    assert "admin" not in said


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("rtsp://8.8.8.8/a\nb", "address_invalid"),
        ("file:///etc/passwd", "address_not_allowed"),
        ("http://169.254.169.254/latest", "address_not_allowed"),
        ("rtsp://10.0.0.7/stream", "address_not_allowed"),
        ("ftp://8.8.8.8/x", "address_not_allowed"),
        ("rtsp://user:geheim@[::1/x", "address_invalid"),
    ],
)
async def test_an_address_that_is_not_opened_is_refused_and_nothing_is_added(
    client: ServerClient, address: str, code: str
) -> None:
    with pytest.raises(ServerSaidNo) as refused:
        await put(client, "room", address=address)
    assert refused.value.code == code
    assert "geheim" not in str(refused.value)
    assert (await client.call("GET", "/api/v1/cameras"))["cameras"] == []


async def test_an_id_that_is_taken_is_refused_to_who_wants_a_new_camera(client: ServerClient) -> None:
    await put(client, "room", name="Room")
    with pytest.raises(ServerSaidNo) as refused:
        await client.call("PUT", "/api/v1/cameras/room", body={"name": "Other"}, headers={"If-None-Match": "*"})
    assert refused.value.code == "camera_exists"
    for method, path in (("POST", "/room/test"), ("DELETE", "/nowhere"), ("GET", "/nowhere")):
        with pytest.raises(ServerSaidNo):
            await client.call(method, f"/api/v1/cameras{path}")


async def test_a_refused_camera_says_why_and_is_live_with_the_right_password(client: ServerClient) -> None:
    guarded = partners.digest("admin", "right", partners.snapshot(partners.picture()))
    with partners.http_camera({"/snap": guarded}) as url:
        await put(client, "room", address=f"{url}/snap", username="admin", password="geheim")
        assert "401" in (await until_state(client, "room", "refused"))["pull"]["reason"]
        failed = await client.call("POST", "/api/v1/cameras/room/test")
        assert (failed["ok"], failed["jpeg_base64"]) == (False, None)
        await put(client, "room", password="right")
        camera = await until_state(client, "room", "live")
        assert camera["connected"]
        tried = await client.call("POST", "/api/v1/cameras/room/test")
        assert (tried["ok"], tried["via"], tried["width_px"], tried["height_px"]) == (True, "http/snapshot", 640, 480)
        await put(client, "room", enabled=False)
        assert (await client.call("GET", "/api/v1/cameras/room"))["connected"] is False


async def test_an_address_is_opened_once_before_any_camera_has_it(client: ServerClient) -> None:
    path = "/api/v1/cameras/test"
    guarded = partners.digest("admin", "right", partners.snapshot(partners.picture()))
    with partners.http_camera({"/snap": guarded}) as url:
        body = {"address": f"{url}/snap", "username": "admin", "password": "geheim"}
        failed = await client.call("POST", path, body=body)
        assert not failed["ok"]
        assert "401" in failed["reason"]
        tried = await client.call("POST", path, body={**body, "password": "right"})
        assert (tried["ok"], tried["width_px"], tried["height_px"]) == (True, 640, 480)
        in_address = url.replace("://", "://admin:right@")
        assert (await client.call("POST", path, body={"address": f"{in_address}/snap"}))["ok"]
    assert (await client.call("GET", "/api/v1/cameras"))["cameras"] == []
    for address in ("http://169.254.169.254/latest", "gopher://camera/"):
        with pytest.raises(ServerSaidNo) as refused:
            await client.call("POST", path, body={"address": address})
        assert refused.value.code == "address_not_allowed"


async def test_the_command_line_adds_tests_lists_and_removes(client: ServerClient, server: ChildServer) -> None:
    async def rollcall(*words: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(server.run_command, "cameras", *words, "--server", server.url, typed=typed)

    with partners.http_camera({"/snap": partners.snapshot(partners.picture())}) as url:
        added = await rollcall("add", "room", f"{url}/snap", "--name", "Room", "--ask-password", typed="geheim\n")
        assert added.returncode == 0, added.stderr
        assert (await rollcall("add", "room")).returncode == 1
        assert "640x480" in (await rollcall("test", "room")).stdout
        await until_state(client, "room", "live")
        listed = json.loads((await rollcall("list", "--json")).stdout)
        assert [(camera["id"], camera["pull"]["state"]) for camera in listed["cameras"]] == [("room", "live")]
        assert "room  live" in (await rollcall("list")).stdout
        assert (await rollcall("remove", "room")).returncode == 0
        assert (await rollcall("test", "room")).returncode == 1


async def test_nothing_is_left_of_cameras_that_were_removed(client: ServerClient, server: ChildServer) -> None:
    process = psutil.Process(server.pid)
    loop = asyncio.get_running_loop()
    before, since = (process.num_fds(), len(process.children())), loop.time()
    async with asyncio.timeout(60):
        while loop.time() - since < 3.0:  # a baseline taken while the server starts would hide a leak
            await asyncio.sleep(0.1)
            if (now := (process.num_fds(), len(process.children()))) != before:
                before, since = now, loop.time()
    with partners.http_camera({"/video": partners.mjpeg(partners.picture())}) as url:
        async with AsyncExitStack() as stack:
            for number in range(4):
                await put(client, f"room-{number}", address=f"{url}/video")
                await until_state(client, f"room-{number}", "live")
            feed = await stack.enter_async_context(open_feed(client, "phone"))
            await feed.send(partners.picture())
            assert (await client.readiness())["pulled"]["live"] == 4
        for number in range(4):
            await client.call("DELETE", f"/api/v1/cameras/room-{number}")
    async with asyncio.timeout(20):
        while process.num_fds() > before[0] or len(process.children()) > before[1]:
            await asyncio.sleep(0.1)
    assert (await client.readiness())["pulled"]["readers"] == 0
