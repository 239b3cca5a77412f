"""Attempts as all servers on one database count them: whoever goes from one server to the next gets no more of them.

Each server counts for itself first (`attempts`): that refuses most of a flood without asking the database, and is all
there is while the database is away. A source is kept as a keyed digest: a login that was typed may be a password.
"""

import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from recognition.errors import RequestError, UnavailableError
from storage import attempts
from storage.attempts import Counted, Counter, Full
from storage.database import Database
from stream_server.access.attempts import AttemptLimit, TooManyAttempts, attempt

log = logging.getLogger("rollcall.attempts")


class SharedAttempts:
    """Counts attempts here and in the database."""

    def __init__(self, database: Database, digest: Callable[[str, str], bytes]) -> None:
        """`digest` makes 32 bytes of a purpose and a text, the same on every server (`CredentialMaker.digest`)."""
        self._database = database
        self._digest = digest

    @asynccontextmanager
    async def attempt(self, *limits: tuple[AttemptLimit, str], wrong: type[RequestError]) -> AsyncIterator[None]:
        """`attempts.attempt`, for all servers together. Raises TooManyAttempts."""
        with attempt(*limits, wrong=wrong):
            counted = await self._take(limits)
            try:
                yield
            except wrong:
                raise
            except Exception:
                await self._give_back(counted)
                raise
            else:
                await self._give_back(counted)

    async def _take(self, limits: Sequence[tuple[AttemptLimit, str]]) -> Sequence[Counted]:
        counters = []
        for limit, source in limits:
            counters.append(Counter(self._digest("attempts", f"{limit.name}\0"), limit.in_all, limit.window_s))
            of_one = self._digest("attempts", f"{limit.name}\0{source}\0")
            counters.append(Counter(of_one, limit.from_one, limit.window_s))
        try:
            async with self._database.acquire() as connection:
                counted = await attempts.take(connection, counters)
        except UnavailableError as error:
            log.info("an attempt is counted on this server alone: %s", error)
            return ()
        if isinstance(counted, Full):
            raise TooManyAttempts(max(1, math.ceil(counted.left_s)))
        return counted

    async def _give_back(self, counted: Sequence[Counted]) -> None:
        if not counted:
            return
        try:
            async with self._database.acquire() as connection:
                await attempts.give_back(connection, counted)
        except UnavailableError as error:
            log.info("an attempt that was no guess stays counted for its time: %s", error)
