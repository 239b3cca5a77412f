"""Finds out whom a token stands for, and remembers it for a while.

What was found is kept in memory, so that a request costs no query and a known device works on while the database is
away. An event from any replica that somebody's access has changed removes it at once; whatever happens to events, it
is looked up again after `fresh_s`.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from recognition.errors import UnavailableError
from storage.database import Connection, Database
from stream_server.access.principals import Principal, digest

log = logging.getLogger("rollcall.access")

ACCESS_CHANGED = "access.changed"
FRESH_S = 60.0
CACHED_MAX = 2048
# Nobody can keep all connections of the pool busy with tokens that are none.
LOOKUPS_AT_ONCE = 2
LOOKUPS_MAX = 10

Lookup = Callable[[Connection, bytes], Awaitable[Principal | None]]


@dataclass(slots=True)
class _Known:
    principal: Principal
    looked_up_mono: float


class Identities:
    """Tokens to principals."""

    def __init__(
        self,
        database: Database,
        lookups: Mapping[str, Lookup],
        *,
        now: Callable[[], datetime],
        fresh_s: float = FRESH_S,
        cached_max: int = CACHED_MAX,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lookups` go by the first letters of a token."""
        self._database = database
        self._lookups = lookups
        self._now = now
        self._fresh_s = fresh_s
        self._cached_max = cached_max
        self._mono = mono
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._turn = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._changes = 0

    async def of(self, token: str) -> Principal | None:
        """Whom the token stands for; None when it stands for nobody (any more).

        Raises UnavailableError when the database is away and the token is not known here.
        """
        lookup = next((look for prefix, look in self._lookups.items() if token.startswith(prefix)), None)
        if lookup is None:
            return None
        key = digest(token)
        known = self._known.get(key)
        if known is not None and known.principal.has_expired(self._now()):
            del self._known[key]
            return None
        if known is not None and self._mono() - known.looked_up_mono < self._fresh_s:
            self._known.move_to_end(key)
            return known.principal
        try:
            return await self._look_up(key, lookup)
        except UnavailableError:
            known = self._known.get(key)  # it may have been revoked while we asked
            if known is None:
                raise
            log.warning("the database is away: a known %s is let in as before", known.principal.kind)
            return known.principal

    def forget(self, kind: str, subject: UUID) -> None:
        """Forget all that is remembered of a device, user, session or token: its access has changed."""
        self._changes += 1
        for key in [key for key, known in self._known.items() if (kind, subject) in known.principal.subjects]:
            del self._known[key]

    def look_again(self) -> None:
        """Trust nothing without asking: events may have been missed while the connection was away."""
        self._changes += 1
        for known in self._known.values():
            known.looked_up_mono = float("-inf")

    async def _look_up(self, key: bytes, lookup: Lookup) -> Principal | None:
        async with self._turn:
            for _ in range(LOOKUPS_MAX):
                changes = self._changes
                async with self._database.acquire() as connection:
                    principal = await lookup(connection, key)
                # What was read while somebody's access changed may be the state from before.
                if changes == self._changes:
                    break
            else:
                raise UnavailableError("access changes all the time", hint="try again in a moment")
        self._known.pop(key, None)
        if principal is not None:
            self._known[key] = _Known(principal, self._mono())
            if len(self._known) > self._cached_max:
                self._known.popitem(last=False)
        return principal
