"""A server with an open tunnel, and what a phone outside sees of it. ngrok's servers are stood in for."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from stream_server.child import ChildServer
from stream_server.client import SKIP_INTERSTITIAL, ServerClient
from tests.partners.ngrok_edge import NgrokEdge
from tests.partners.tunnel_edge import certified

TOKEN = "2integration_token"


class Tunnelled:
    """A server with an open tunnel through ngrok, and what a phone outside sees of it."""

    def __init__(self, edge: NgrokEdge, server: ChildServer, ca: Path) -> None:
        self.edge, self.server, self.ca = edge, server, ca

    @property
    def address(self) -> str:
        return f"https://localhost:{self.edge.public.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def phone(self, **headers: str) -> httpx.AsyncClient:
        """A browser on a phone: sends what the camera page sends."""
        return httpx.AsyncClient(
            base_url=self.address, verify=self.trust, headers=SKIP_INTERSTITIAL | headers, timeout=20
        )

    def client(self, token: str) -> ServerClient:
        return ServerClient(self.address, token, ca_file=self.ca, timeout_s=20)

    async def state(self) -> dict[str, Any]:
        async with self.server.client() as owner:
            return dict(await owner.call("GET", "/api/v1/tunnel"))

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while not holds(state := await self.state()):
                await asyncio.sleep(0.1)
        return state

    async def pair(self, code: str) -> str:
        async with self.phone() as phone:
            answer = await phone.post("/api/v1/pair", json={"code": code, "device_name": "Pixel 6"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def new_code(self, camera_id: str) -> str:
        async with self.server.client() as owner:
            body = {"camera_id": camera_id, "name": camera_id, "create_camera": True}
            return str((await owner.call("POST", "/api/v1/pairings", body=body))["code"])


Make = Callable[..., ChildServer]


@asynccontextmanager
async def tunnelled(make: Make, folder: Path, **settings: str) -> AsyncIterator[Tunnelled]:
    context, ca = certified(folder / "edge")
    async with NgrokEdge(context, TOKEN) as edge:
        server = make(
            NGROK_AUTHTOKEN=TOKEN,
            ROLLCALL_TUNNEL__PROVIDER="ngrok",
            ROLLCALL_TUNNEL__NGROK_SERVER=edge.agents,
            ROLLCALL_TUNNEL__NGROK_CA=str(ca),
            ROLLCALL_TUNNEL__RETRY_FIRST_S="0.1",
            ROLLCALL_PHONES__SHOW_CODE="always",
            **settings,
        )
        await asyncio.to_thread(server.upgrade)
        await server.start()
        bench = Tunnelled(edge, server, ca)
        try:
            await bench.until(lambda state: state["state"] == "open")
            yield bench
        finally:
            code = await server.stop()
        log = server.log_path.read_text()
        assert code == 0, log
        assert "Traceback" not in log, log
        assert TOKEN not in log
        assert server.token not in log
