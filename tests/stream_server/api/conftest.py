"""The REST API on a real database, without cameras or models: every route is called as a client does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio
from pydantic import SecretStr

from storage.database import Database
from stream_server.app import create_app
from stream_server.people.credentials import CredentialMaker
from stream_server.privacy.auditing import SeenLately
from stream_server.privacy.secrets import SecretBox
from stream_server.settings import AuthSettings, Settings, SiteSettings
from stream_server.site import Site

MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)  # a Monday, nine o'clock in Berlin


@dataclass
class Api:
    """A client of the API, and the clock of its server."""

    http: httpx.AsyncClient
    database: Database
    settings: Settings
    at: datetime = MORNING
    services: Any = None
    etags: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, status: int | None = None, **options: Any) -> Any:
        """The JSON of the answer; with `status` the answer must have it, else it must be a success."""
        response = await self.http.request(method, f"/api/v1{path}", **options)
        ok = response.is_success if status is None else response.status_code == status
        assert ok, f"{method} {path}: {response.status_code} {response.text}"
        if "ETag" in response.headers:
            self.etags[path] = response.headers["ETag"]
        return response.json() if response.content else None

    async def person(self, name: str, external_id: str | None = None, consent: bool = False) -> UUID:
        body = {"name": name, "external_id": external_id, "consent": consent}
        return UUID((await self.call("POST", "/people", json=body))["id"])


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        auth=AuthSettings(token=SecretStr("token-token-token")),
        site=SiteSettings(time_zone="Europe/Berlin"),
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": "Bearer token-token-token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://rollcall.test", headers=headers) as http:
        made = Api(http, database, settings)
        now: Callable[[], datetime] = lambda: made.at  # noqa: E731
        made.services = app.state.services = SimpleNamespace(
            settings=settings,
            site=Site(settings.site, database),
            database=database,
            now=now,
            credentials=CredentialMaker([bytes(32)]),
            seen_lately=SeenLately(),
            box=SecretBox(bytes(32)),
            people=SimpleNamespace(gallery=SimpleNamespace(model_id="model-a")),
            imports=asyncio.Semaphore(1),
        )
        yield made
