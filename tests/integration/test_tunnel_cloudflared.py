"""A tunnel by the program cloudflared, which the server starts; the program is stood in for."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from stream_server.child import ChildServer
from tests.partners import cloudflared
from tests.partners.tunnelled import Tunnelled


async def test_cloudflared_is_started_again_when_it_dies_and_ends_with_the_server(
    own_server: Callable[..., ChildServer], tmp_path: Path
) -> None:
    program = cloudflared.install(tmp_path / "bin")
    server = own_server(
        ROLLCALL_TUNNEL__PROVIDER="cloudflared",
        ROLLCALL_TUNNEL__CLOUDFLARED_PATH=str(program),
        ROLLCALL_TUNNEL__RETRY_FIRST_S="0.1",
    )
    await asyncio.to_thread(server.upgrade)
    await server.start()
    home = server.data_dir / "cloudflared"
    bench = Tunnelled(None, server, home / "edge-tls" / "ca.crt")  # type: ignore[arg-type]
    state = await bench.until(lambda state: state["state"] == "open")
    assert (state["address"], state["bytes_allowed"], state["share_used"]) == (cloudflared.ADDRESS, None, None)

    async def through() -> httpx.Response:
        url = f"https://localhost:{(home / 'edge').read_text()}/healthz"
        async with httpx.AsyncClient(verify=bench.trust) as http:
            return await http.get(url)

    assert (await through()).json() == {"status": "ok"}
    first = int((home / "pid").read_text())
    os.kill(first, signal.SIGKILL)
    await bench.until(lambda state: state["state"] == "open" and state["opened"] == 2)
    assert (await through()).json() == {"status": "ok"}
    assert (await bench.state())["requests"] == 2
    second = int((home / "pid").read_text())
    assert second != first
    assert await server.stop() == 0
    assert not psutil.pid_exists(second)
    # No terminal reads along: no code in the log.
    log = server.log_path.read_text()
    assert cloudflared.ADDRESS in log
    assert "#code=" not in log
