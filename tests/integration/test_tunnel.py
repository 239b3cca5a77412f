"""Phones through a tunnel, the whole way: a real server, the real SDK of ngrok, a stand-in for ngrok's servers."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from stream_server.child import ChildServer
from stream_server.client import ServerAway, ServerClient
from tests.partners.ngrok_edge import NgrokEdge
from tests.partners.tunnel_edge import certified
from tests.partners.tunnelled import TOKEN, Tunnelled, tunnelled

pytest.importorskip("ngrok")


async def stream(
    client: ServerClient, camera: str, views: list[bytes], marked: "asyncio.Future[dict[str, Any]]"
) -> int:
    """Send pictures at the pace that is asked for until somebody is marked; returns how many were sent."""
    sent = 0
    async with client.socket(f"/ws/v1/camera/{camera}") as connection:
        pace_fps = json.loads(await connection.recv())["pace_fps"]

        async def read() -> None:
            async for text in connection:
                message = json.loads(text)
                if message["type"] == "attendance" and not marked.done():
                    marked.set_result(message)

        reading = asyncio.create_task(read())
        try:
            while not marked.done():
                await connection.send(views[sent % len(views)])
                sent += 1
                await asyncio.sleep(1 / pace_fps)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return sent


async def test_a_phone_pairs_by_the_code_on_the_terminal_streams_and_somebody_is_marked(
    tunnel: Tunnelled, pictures: Any
) -> None:
    async with tunnel.server.client() as owner:
        person_id = await owner.add_person("Ada", consent=True)
        await owner.enrol(person_id, pictures.crop("sample1.jpg", 0))
        async with asyncio.timeout(10):
            while (await owner.readiness())["gallery"]["people"] < 1:
                await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        while "#code=" not in (said := tunnel.server.log_path.read_text()):
            await asyncio.sleep(0.05)
    assert f"Phones reach Rollcall at {tunnel.address}\n" in said
    link = re.search(r"(https://localhost:\d+)/camera#code=(\S+)", said)
    assert link is not None
    assert link[1] == tunnel.address
    assert "▀" in said
    token = await tunnel.pair(link[2])
    # Half a megabit: what a phone at the edge of a cell has.
    tunnel.edge.public.bytes_per_s = 64_000
    views = pictures.view("sample1.jpg", frames=5)
    marked: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    async with tunnel.client(token) as phone, asyncio.timeout(60):
        sent = await stream(phone, "phone", views, marked)
    assert marked.result()["person"]["name"] == "Ada"
    assert marked.result()["camera"] == "phone"
    state = await tunnel.state()
    assert state["address"] == tunnel.address
    assert (state["bytes_allowed"], state["requests_allowed"]) == (1_000_000_000, 20_000)
    assert state["requests"] == 2  # the pairing and the socket; what the owner asks on the LAN is not counted
    assert 0 < state["bytes_in"] <= sent * max(map(len, views)) + 5000
    assert state["bytes_in"] > len(views[0])
    assert 0 < state["share_used"] < 1
    # A code is good once.
    async with tunnel.phone() as phone:
        answer = await phone.post("/api/v1/pair", json={"code": link[2], "device_name": "a thief's"})
    assert (answer.status_code, answer.json()["code"]) == (403, "pairing_refused")


async def test_when_the_line_is_cut_the_server_serves_on_and_the_phone_comes_back(
    tunnel: Tunnelled, blank_jpeg: bytes
) -> None:
    token = await tunnel.pair(await tunnel.new_code("phone-2"))
    async with tunnel.client(token) as phone:
        async with phone.socket("/ws/v1/camera/phone-2") as connection:
            await connection.recv()
            tunnel.edge.turns_away = True
            tunnel.edge.drop()
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(connection.recv(), 20)
        await tunnel.until(lambda state: state["state"] == "reopening" and state["failures"] >= 3)
        async with tunnel.server.client() as owner:
            readiness = await owner.readiness()
        assert readiness["tunnel"]["state"] == "reopening"
        assert any(reason.startswith("the tunnel is reopening: ngrok") for reason in readiness["reasons"])
        with pytest.raises(ServerAway):
            await phone.call("GET", "/api/v1/me")
        tunnel.edge.turns_away = False
        state = await tunnel.until(lambda state: state["state"] == "open")
        assert state["opened"] == 2
        async with phone.socket("/ws/v1/camera/phone-2") as connection, asyncio.timeout(20):
            assert json.loads(await connection.recv())["type"] == "welcome"
            await connection.send(blank_jpeg)
            assert json.loads(await connection.recv())["type"] == "faces"
    async with asyncio.timeout(20):
        while f"The tunnel is open again: {tunnel.address}" not in tunnel.server.log_path.read_text():
            await asyncio.sleep(0.05)


async def test_what_was_used_of_the_allowance_is_not_forgotten_by_a_restart_and_nine_tenths_are_told(
    own_server: Callable[..., ChildServer], tmp_path: Path
) -> None:
    async with tunnelled(own_server, tmp_path, ROLLCALL_TUNNEL__NGROK_MONTHLY_REQUESTS="10") as tunnel:
        async with tunnel.phone() as phone:
            for _ in range(8):
                await phone.get("/healthz")
        async with tunnel.server.client() as owner:
            assert not [reason for reason in (await owner.readiness())["reasons"] if "tunnel" in reason]
        await tunnel.server.stop()
        await tunnel.server.start()
        state = await tunnel.until(lambda state: state["state"] == "open")
        assert (state["requests"], state["share_used"]) == (8, 0.8)
        async with asyncio.timeout(20):
            while "8 of 10 requests this month (80% of the allowance)" not in tunnel.server.log_path.read_text():
                await asyncio.sleep(0.05)
        async with tunnel.phone() as phone:
            for _ in range(3):
                assert (await phone.get("/healthz")).status_code == 200  # warned of, and served on
        async with tunnel.server.client() as owner:
            reasons = (await owner.readiness())["reasons"]
        assert any("11 of 10 requests" in reason for reason in reasons)


async def test_a_new_address_is_shown_with_a_new_code(tunnel: Tunnelled) -> None:
    async with asyncio.timeout(20):
        while not (before := set(re.findall(r"#code=(\S+)", tunnel.server.log_path.read_text()))):
            await asyncio.sleep(0.05)
    tunnel.edge.url = f"https://127.0.0.1:{tunnel.edge.public.port}"
    tunnel.edge.drop()
    await tunnel.until(lambda state: state["address"] == tunnel.edge.url)
    async with asyncio.timeout(20):
        while not (new := set(re.findall(r"#code=(\S+)", tunnel.server.log_path.read_text())) - before):
            await asyncio.sleep(0.05)
    assert await tunnel.pair(new.pop())


async def test_a_wrong_token_is_said_without_showing_it_and_the_lan_is_served(
    own_server: Callable[..., ChildServer], tmp_path: Path
) -> None:
    context, ca = certified(tmp_path / "edge")
    async with NgrokEdge(context, TOKEN) as edge:
        server = own_server(
            NGROK_AUTHTOKEN="2somebody_elses",
            ROLLCALL_TUNNEL__PROVIDER="ngrok",
            ROLLCALL_TUNNEL__NGROK_SERVER=edge.agents,
            ROLLCALL_TUNNEL__NGROK_CA=str(ca),
        )
        await asyncio.to_thread(server.upgrade)
        await server.start()
        async with server.client() as owner, asyncio.timeout(30):
            while (state := await owner.call("GET", "/api/v1/tunnel"))["state"] != "refused":
                await asyncio.sleep(0.1)
        assert "ERR_NGROK_105" in state["reason"]
        assert "somebody_elses" not in server.log_path.read_text() + json.dumps(state)
        await server.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tunnel", "ngrok"), "set NGROK_AUTHTOKEN"),
        (("--tunnel", "cloudflared"), "install cloudflared"),
        (("--https", "/nowhere.pem", "--key", "/nowhere.key"), "/nowhere.pem cannot be read"),
        (("--https", "/nowhere.pem"), "KEY is missing"),
        (("--key", "/nowhere.key"), "CERT of your own"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_served(
    own_server: Callable[..., ChildServer], arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    settings = {"NGROK_AUTHTOKEN": "", "ROLLCALL_TUNNEL__CLOUDFLARED_PATH": str(tmp_path / "cloudflared")}
    done = own_server(**settings).run_command("serve", *arguments)
    assert done.returncode in (1, 2, 3)
    assert words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
