"""Cameras over a real WebSocket: what the simplest client gets, and what becomes of everything that is wrong."""

import asyncio
import json
import socket
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stream_server.child import ChildServer
from stream_server.client import ServerClient
from stream_server.demo.feed import open_feed


async def until(connection: ClientConnection, type_: str, within_s: float = 10.0) -> dict[str, Any]:
    """The next message of a type; others are passed over."""
    async with asyncio.timeout(within_s):
        while True:
            message = json.loads(await connection.recv())
            if message["type"] == type_:
                return message


async def look(connection: ClientConnection, picture: bytes, type_: str = "faces") -> dict[str, Any]:
    """Send a picture until it is answered: one that comes before its time is dropped without a word."""
    for _ in range(10):
        await connection.send(picture)
        try:
            return await until(connection, type_, within_s=1.0)
        except TimeoutError:
            continue
    raise AssertionError(f"no {type_} came")


async def babble(connection: ClientConnection) -> None:
    for _ in range(100):
        await connection.send("{")
        await until(connection, "error")


async def send_and_listen(connection: ClientConnection, message: bytes) -> None:
    await connection.send(message)
    while True:
        await connection.recv()


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of under 1 kB that claims to be as large as you like."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(600))) + chunk(b"IEND", b"")
    )


def animated_webp() -> bytes:
    animation = cv2.Animation()
    animation.frames = [np.full((64, 64, 3), value, np.uint8) for value in (10, 200)]
    animation.durations = np.array([50, 50])
    return cv2.imencodeanimation(".webp", animation)[1].tobytes()


async def open_socket(client: ServerClient, server: ChildServer, camera: str, **options: Any) -> ClientConnection:
    await client.add_camera(camera)
    headers = {"Authorization": f"Bearer {server.token}"}
    url = f"ws://127.0.0.1:{server.port}/ws/v1/camera/{camera}"
    return await connect(url, additional_headers=headers, max_size=2**20, **options)


async def test_the_simplest_camera_sends_pictures_and_gets_faces_and_attendance(
    client: ServerClient, running_server: ChildServer, pictures: Any, enrol: Any
) -> None:
    person_id = await enrol("Right of one", pictures.crop("sample1.jpg", 2))
    async with await open_socket(client, running_server, "simplest") as connection:
        welcome = json.loads(await connection.recv())
        assert welcome["type"] == "welcome"
        assert welcome["protocol"] == 1
        assert welcome["pace_fps"] > 0
        marked = asyncio.create_task(until(connection, "attendance"))
        for picture in pictures.view("sample3.jpg"):  # another photograph of the same woman
            await connection.send(picture)
            await asyncio.sleep(0.15)
        attendance = await marked
        assert attendance["person"] == {"id": str(person_id), "name": "Right of one"}
        assert attendance["status"] == "present"
        assert attendance["camera"] == "simplest"
        faces = await until(connection, "faces")
    stored = [record for record in await client.attendance() if record["person"]["id"] == str(person_id)]
    assert [(record["id"], record["method"]) for record in stored] == [(attendance["attendance_id"], "face")]
    assert {face["state"] for face in faces["faces"]} <= {"known", "review", "unknown", "pending", "unusable"}
    named = [face for face in faces["faces"] if face["person"] is not None]
    assert [face["person"]["name"] for face in named] == ["Right of one"]


async def test_strangers_get_no_name(
    client: ServerClient, running_server: ChildServer, pictures: Any, enrol: Any
) -> None:
    await enrol("Left of one", pictures.crop("sample1.jpg", 0))
    async with await open_socket(client, running_server, "strangers") as connection:
        for picture in pictures.view("sample5.jpg", frames=8):
            faces = await look(connection, picture)
            assert faces["faces"]
            assert all(face["person"] is None and face["state"] != "known" for face in faces["faces"])


async def test_a_person_is_marked_once_however_many_cameras_see_them(
    client: ServerClient, running_server: ChildServer, pictures: Any, enrol: Any
) -> None:
    person_id = await enrol("Middle of one", pictures.crop("sample1.jpg", 1))

    async def stream(camera: str, seed: int) -> None:
        async with open_feed(client, camera) as feed:
            for picture in pictures.view("sample1.jpg", seed=seed):
                await feed.send(picture)
                await asyncio.sleep(0.1)

    await asyncio.gather(*(stream(f"crowd-{number}", number) for number in range(4)))
    await asyncio.sleep(0.5)
    records = [record for record in await client.attendance() if record["person"]["id"] == str(person_id)]
    assert len(records) == 1


async def test_a_hello_may_switch_the_boxes_off(
    client: ServerClient, running_server: ChildServer, blank_jpeg: bytes
) -> None:
    async with await open_socket(client, running_server, "silent") as connection:
        await until(connection, "welcome")
        await connection.send(json.dumps({"type": "hello", "client": "test 1", "faces": False, "later": 1}))
        await connection.send(blank_jpeg)
        seen: set[str] = set()
        while "error" not in seen:  # whatever comes before the answer to a bad picture is seen
            await connection.send(b"no picture")
            seen.add(json.loads(await connection.recv())["type"])
        assert "faces" not in seen


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "bad_json"),
        ('{"type": "goodbye"}', "bad_message"),
        ("[1, 2]", "bad_message"),
        ("[" * 10_000, "bad_json"),
        (" " * 20_000, "bad_message"),
        ('{"type": "hello", "max_fps": -1}', "bad_message"),
    ],
)
async def test_text_that_is_no_hello_is_answered_and_the_camera_goes_on(
    client: ServerClient, running_server: ChildServer, blank_jpeg: bytes, text: str, code: str
) -> None:
    async with await open_socket(client, running_server, "texts") as connection:
        await connection.send(text)
        error = await until(connection, "error")
        assert error["code"] == code
        assert error["hint"]
        assert (await look(connection, blank_jpeg))["faces"] == []


async def test_a_camera_that_only_talks_nonsense_is_disconnected(
    client: ServerClient, running_server: ChildServer
) -> None:
    async with await open_socket(client, running_server, "babble") as connection:
        with pytest.raises(ConnectionClosed) as closed:
            await babble(connection)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("truncated jpeg", "image_truncated"),
        ("png bomb", "image_too_many_pixels"),
        ("animated webp", "image_animated"),
        ("gif", "image_unknown_format"),
        ("empty", "image_unknown_format"),
    ],
)
async def test_a_picture_that_cannot_be_used_is_an_error_with_its_frame_and_the_camera_goes_on(
    client: ServerClient, running_server: ChildServer, blank_jpeg: bytes, name: str, code: str
) -> None:
    picture = {
        "truncated jpeg": blank_jpeg[: len(blank_jpeg) // 2],
        "png bomb": png_bomb(60_000, 60_000),
        "animated webp": animated_webp(),
        "gif": b"GIF89a" + bytes(100),
        "empty": b"",
    }[name]
    assert len(picture) < 1_000_000
    async with await open_socket(client, running_server, "bad-pictures") as connection:
        await until(connection, "welcome")
        error = await look(connection, picture, "error")
        assert error["code"] == code
        assert error["frame"] >= 1
        assert error["hint"]
        assert (await look(connection, blank_jpeg))["faces"] == []


async def test_a_message_of_20_mb_ends_the_connection_and_costs_no_memory(
    client: ServerClient, running_server: ChildServer
) -> None:
    before = (await client.readiness())["memory"]["peak_rss_mb"]
    for _ in range(3):
        connection = await open_socket(client, running_server, "huge", ping_interval=None)
        with pytest.raises(ConnectionClosed) as closed:
            await send_and_listen(connection, bytes(20_000_000))
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    assert (await client.readiness())["memory"]["peak_rss_mb"] < before + 15


async def test_an_unknown_camera_is_refused_with_what_to_do(running_server: ChildServer) -> None:
    headers = {"Authorization": f"Bearer {running_server.token}"}
    for camera, code in (("nobody-added-me", "unknown_camera"), ("Bad Id", "camera_id_invalid")):
        url = f"ws://127.0.0.1:{running_server.port}/ws/v1/camera/{camera.replace(' ', '%20')}"
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=headers)
        assert refused.value.response.status_code == 404
        problem = json.loads(refused.value.response.body or b"")
        assert problem["code"] == code
        assert problem["hint"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
async def test_a_wrong_token_is_refused(running_server: ChildServer, headers: dict[str, str]) -> None:
    for path in ("/ws/v1/camera/simplest", "/ws/v1/events"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"ws://127.0.0.1:{running_server.port}{path}?token={running_server.token}", additional_headers=headers
            )
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body or b"")["code"] == "unauthenticated"


async def test_a_page_of_another_site_may_not_open_a_socket(client: ServerClient, running_server: ChildServer) -> None:
    await client.add_camera("origins")
    url = f"ws://127.0.0.1:{running_server.port}/ws/v1/camera/origins"
    headers = {"Authorization": f"Bearer {running_server.token}"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=headers, origin="https://evil.example")
    assert refused.value.response.status_code == 403
    async with connect(url, additional_headers=headers, origin=f"http://127.0.0.1:{running_server.port}") as connection:
        await until(connection, "welcome")


async def test_the_newest_connection_of_a_camera_takes_over(
    client: ServerClient, running_server: ChildServer, blank_jpeg: bytes
) -> None:
    first = await open_socket(client, running_server, "twice")
    before = (await look(first, blank_jpeg))["frame"]
    async with await open_socket(client, running_server, "twice") as second:
        with pytest.raises(ConnectionClosed) as closed:
            await until(first, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4409
        assert (await look(second, blank_jpeg))["frame"] > before  # the same session goes on


async def test_a_client_that_never_reads_is_bounded_and_harms_no_other(
    client: ServerClient, running_server: ChildServer, blank_jpeg: bytes
) -> None:
    await client.add_camera("deaf")
    before = (await client.readiness())["memory"]["rss_mb"]
    deaf = _raw_camera(running_server, "deaf")
    # A client that masks by hand and reads nothing at all, while it sends as fast as it may.
    deaf.settimeout(0.2)
    frame = _masked(blank_jpeg)
    sent = 0
    async with await open_socket(client, running_server, "hearing") as hearing:
        for _ in range(40):
            for _ in range(20):
                try:
                    await asyncio.to_thread(deaf.sendall, frame)
                    sent += 1
                except TimeoutError:
                    break
            await look(hearing, blank_jpeg)
    readiness = await client.readiness()  # while the deaf one still holds what it holds
    deaf.close()
    assert sent > 20
    assert readiness["memory"]["rss_mb"] < before + 20


async def test_a_client_that_vanishes_leaves_nothing_behind(client: ServerClient, running_server: ChildServer) -> None:
    await client.add_camera("ghost")
    ghost = _raw_camera(running_server, "ghost")
    async with asyncio.timeout(5):
        while not _camera(await client.call("GET", "/api/v1/cameras"), "ghost")["connected"]:
            await asyncio.sleep(0.02)
    ghost.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
    ghost.close()
    async with asyncio.timeout(5):
        while _camera(await client.call("GET", "/api/v1/cameras"), "ghost")["connected"]:
            await asyncio.sleep(0.02)


async def test_a_flood_of_frames_is_thinned_and_every_frame_is_accounted_for(
    client: ServerClient, running_server: ChildServer, blank_jpeg: bytes
) -> None:
    await client.add_camera("flood")
    async with open_feed(client, "flood") as feed:
        for _ in range(300):
            await feed.send(blank_jpeg)
        async with asyncio.timeout(20):
            while True:
                counts = _camera(await client.call("GET", "/api/v1/cameras"), "flood")["frames"]
                done = counts["processed"] + counts["failed"] + counts["dropped"]
                if counts["received"] == 300 and done == 300:
                    break
                await asyncio.sleep(0.05)
    assert counts["dropped"] > counts["processed"]
    assert counts["failed"] == 0


def _camera(body: dict[str, Any], camera_id: str) -> dict[str, Any]:
    return next(camera for camera in body["cameras"] if camera["id"] == camera_id)


def _raw_camera(server: ChildServer, camera: str) -> socket.socket:
    """A WebSocket by hand, which never reads after the handshake."""
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.sendall(
        f"GET /ws/v1/camera/{camera} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n".encode()
    )
    assert raw.recv(12) == b"HTTP/1.1 101"
    return raw


def _masked(payload: bytes) -> bytes:
    """A binary message of a client; the mask is zero, which is allowed."""
    return b"\x82\xff" + struct.pack(">Q", len(payload)) + bytes(4) + payload
