"""TURN with coturn: peers that may only use a relay reach the server with the credentials that it gave them."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from stream_server.child import ChildServer
from stream_server.demo.views import MovingView
from stream_server.ice import turn_credential
from tests.partners import chromium
from tests.partners.coturn import turn_server
from tests.partners.pages import serve_pages

SECRET = "shared with the relay"


@pytest.fixture(scope="module")
def turn() -> Iterator[str]:
    with turn_server(SECRET) as url:
        yield url


async def allocate(url: str, username: str, password: str) -> None:
    """Ask the TURN server for a relayed address, and give it back."""
    host, _, port = urlsplit(url).path.partition(":")
    async with asyncio.timeout(30):
        transport, _ = await create_turn_endpoint(
            asyncio.DatagramProtocol, server_addr=(host, int(port)), username=username, password=password
        )
        transport.close()


async def test_credentials_hold_for_their_time_and_only_with_the_secret(turn: str) -> None:
    now = int(time.time())
    await allocate(turn, *turn_credential(SECRET, "door", now + 600))
    for secret, expires in ((SECRET, now - 600), ("another", now + 600)):
        with pytest.raises(TransactionFailed) as refused:
            await allocate(turn, *turn_credential(secret, "door", expires))
        assert refused.value.response.attributes["ERROR-CODE"][0] == 401


@pytest.mark.skipif(chromium.path() is None, reason="Chromium is not installed")
async def test_a_browser_that_may_only_use_a_relay_streams_through_it(
    turn: str, own_server: Callable[..., ChildServer], pictures: Any, tmp_path: Path
) -> None:
    view = MovingView(pictures.image("sample3.jpg"))
    film = tmp_path / "camera.mjpeg"
    film.write_bytes(b"".join(view.jpeg(number / 15) for number in range(30)))
    with serve_pages() as origin:
        server = own_server(
            ROLLCALL_HTTP__ALLOWED_ORIGINS=json.dumps([origin]),
            ROLLCALL_WEBRTC__TURN_URLS=json.dumps([turn]),
            ROLLCALL_WEBRTC__TURN_SECRET=SECRET,
        )
        await asyncio.to_thread(server.upgrade)
        await server.start()
        async with server.client() as client:
            await client.add_camera("far")
            async with chromium.open_page(
                f"{origin}/webrtc_page.html", camera=film, folder=tmp_path / "profile"
            ) as page:
                arguments = f"{server.url!r}, 'far', {server.token!r}, {{relay: true}}"
                done = await page.run(f"stream({arguments})")
                assert done["via"] == "relay"
                assert (await page.run("until('faces')"))["faces"]
                assert await page.run("stop()") == 200
    assert SECRET not in server.log_path.read_text()
