"""What a page of the server is to it: cookies, an origin and a CSRF token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from stream_server.child import ChildServer

GOOD = "correct horse battery"


class Browser:
    """A page of the server in a browser: keeps cookies, says its origin, sends the CSRF token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=20)
        self.session: dict[str, Any] = {}

    async def sign_in(self, login: str, password: str = GOOD) -> httpx.Response:
        answer = await self.http.post("/api/v1/login", json={"login": login, "password": password})
        if answer.status_code == 200:
            self.session = answer.json()
            self.http.headers["X-CSRF-Token"] = self.session["csrf_token"]
        return answer

    @property
    def cookie(self) -> str:
        return str(self.http.cookies.get("rollcall"))

    async def socket(self) -> ClientConnection:
        headers = {"Cookie": f"rollcall={self.cookie}"}
        url = "ws" + self.url.removeprefix("http") + "/ws/v1/events"
        return await connect(url, additional_headers=headers, origin=self.url)  # type: ignore[arg-type]


@asynccontextmanager
async def browser_of(server: ChildServer) -> AsyncIterator[Browser]:
    browser = Browser(server.url)
    async with browser.http:
        yield browser
