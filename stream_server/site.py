"""The site: its name, and the time zone that decides where a day begins. What the environment sets wins over what is
stored; what is stored holds on every server at once, without a restart.
"""

import asyncio
from zoneinfo import ZoneInfo

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from recognition.errors import RequestError, UnavailableError
from storage import site
from storage.database import Database
from storage.errors import Conflict
from storage.site import StoredSite
from stream_server.messages.wire import Event
from stream_server.privacy.auditing import Action, Auditor
from stream_server.settings import SiteSettings
from stream_server.time_zones import is_time_zone


class Site:
    """What holds now. Read it anew each time: it may change while the server runs."""

    def __init__(self, settings: SiteSettings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._stored = StoredSite()
        self._zone = settings.zone
        self._stale = asyncio.Event()

    @property
    def name(self) -> str:
        """Name shown to people."""
        return self._settings.name if self.is_locked("name") else self._stored.name or self._settings.name

    @property
    def time_zone(self) -> str:
        """The IANA name of the zone."""
        return self._zone.key

    @property
    def zone(self) -> ZoneInfo:
        """The zone itself."""
        return self._zone

    def is_locked(self, field: str) -> bool:
        """Whether the environment sets it, so that it cannot be changed here."""
        return field in self._settings.model_fields_set

    async def change(self, audit: Auditor, *, name: str | None = None, time_zone: str | None = None) -> None:
        """Set what is given, here and on every other server.

        Raises Conflict `site_locked` and RequestError `time_zone_unknown` or `name_invalid`.
        """
        given = {field: value for field, value in (("name", name), ("time_zone", time_zone)) if value is not None}
        for field in given:
            if self.is_locked(field):
                variable = f"ROLLCALL_SITE__{field.upper()}"
                raise Conflict(f"the server's environment sets {variable}", hint="change it there", code="site_locked")
        if time_zone is not None and not is_time_zone(time_zone):
            raise RequestError("this is no IANA time zone", hint="such as Europe/Berlin", code="time_zone_unknown")
        async with self._database.acquire() as connection, connection.transaction():
            stored = await site.change(connection, name=name, time_zone=time_zone)
            await audit.changed(connection, Action.SITE_CHANGED, fields=sorted(given))
        self._take(stored)

    async def load(self) -> None:
        """Read what is stored. Raises UnavailableError."""
        async with self._database.acquire() as connection:
            self._take(await site.get(connection))

    def _take(self, stored: StoredSite) -> None:
        self._stored = stored
        wanted = stored.time_zone
        # One that another version of the tables of zones knew is not held against the server.
        usable = wanted is not None and not self.is_locked("time_zone") and is_time_zone(wanted)
        self._zone = ZoneInfo(wanted) if usable and wanted is not None else self._settings.zone

    def on_event(self, event: Event) -> None:
        """Notice that it was changed, maybe on another server."""
        if event.type == "site.changed":
            self._stale.set()

    def look_again(self) -> None:
        """Notice that changes may have been missed: the connection to the database is new."""
        self._stale.set()

    async def run(self) -> None:
        """Read again whenever it was changed, for ever."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(UnavailableError),
                wait=wait_exponential_jitter(multiplier=0.2, max=5.0),
            ):
                with attempt:
                    await self.load()
