"""Keeps the tunnel open: opens it, announces its address, opens it again when it falls, and counts."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlsplit

from recognition.errors import RollcallError
from stream_server.tunnel.line import TunnelAway, TunnelLine, TunnelRefused
from stream_server.tunnel.state import Patience, TunnelState, check_transition
from stream_server.tunnel.usage import DEGRADED_AT, Usage

log = logging.getLogger("rollcall.tunnel")

SAVE_EVERY_S = 10.0

Announce = Callable[[str, bool], Awaitable[None]]


class TunnelKeeper:
    """The tunnel of this server. `announce(address, is_new)` is called each time it has opened."""

    def __init__(
        self,
        *,
        line: TunnelLine,
        usage: Usage,
        patience: Patience,
        announce: Announce,
        now: Callable[[], datetime],
        mono: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.provider = line.provider
        self.usage = usage
        self.state = TunnelState.WAITING
        self.reason = ""
        self.since = now()
        self.address: str | None = None
        self.opened = 0
        self.failures = 0
        self._line = line
        self._patience = patience
        self._announce = announce
        self._now, self._mono, self._dice, self._sleep = now, mono, dice, sleep
        self._port: int | None = None
        self._listening = asyncio.Event()

    @property
    def public_host(self) -> str | None:
        """Host of the public address (with the port, if there is one); kept while the tunnel is opened again."""
        return None if self.address is None else urlsplit(self.address).netloc

    def complaints(self) -> list[str]:
        """What is less than it should be, for /readyz. Using all of the allowance is warned of, not acted on."""
        reasons = []
        if self.state in (TunnelState.REOPENING, TunnelState.REFUSED):
            reasons.append(f"the tunnel is {self.state}: {self.reason}")
        used = self.usage.look()
        if used.share is not None and used.share >= DEGRADED_AT:
            reasons.append(f"the tunnel has used {used.in_words()}")
        return reasons

    def listening(self, port: int) -> None:
        """Say that the server listens for the tunnel on this port of 127.0.0.1: it may be opened."""
        self._port = port
        self._listening.set()

    async def run(self) -> None:
        """Keep it open, for ever."""
        await self._listening.wait()
        assert self._port is not None
        if self.state is TunnelState.WAITING:  # and not begun again after a defect
            self._become(TunnelState.OPENING)
        while True:
            await self._sleep(await self._once(self._port))

    async def count(self) -> None:
        """Keep the counts on disk, and tell when the allowance runs out, for ever."""
        while True:
            await self._sleep(SAVE_EVERY_S)
            self.usage.tell()
            await self._save()

    async def close(self) -> None:
        """End the tunnel and write the counts down. The tasks of `run` and `count` have ended before."""
        await self._line.close()
        await self._save()
        if self.state is not TunnelState.CLOSED:
            self._become(TunnelState.CLOSED)

    async def _once(self, port: int) -> float:
        """Open it and wait until it falls; returns how long to wait before the next time, in seconds."""
        opened_mono: float | None = None
        reason = "it was given up"
        try:
            try:
                async with asyncio.timeout(self._patience.open_timeout_s):
                    address = await self._line.open(port)
            except TimeoutError:
                raise TunnelAway(f"it did not open within {self._patience.open_timeout_s:.0f} s") from None
            except (TunnelAway, TunnelRefused):
                raise
            except (RollcallError, OSError) as error:  # such as a program that was removed meanwhile, or no more files
                raise TunnelAway(str(error)) from error
            opened_mono = self._mono()
            await self._opened(address)
            reason = await self._line.lost()
        except TunnelRefused as error:
            self._failed(TunnelState.REFUSED, str(error))
            return self._patience.refused_retry_s
        except TunnelAway as error:
            reason = str(error)
        finally:
            if self.state is TunnelState.OPEN:  # also after a defect, which the next run begins with
                self._become(TunnelState.REOPENING, reason)
            await self._line.close()
        if opened_mono is not None and self._mono() - opened_mono >= self._patience.steady_s:
            self.failures = 0
        self._failed(TunnelState.REOPENING, reason)
        return self._patience.wait_s(self.failures, self._dice())

    async def _opened(self, address: str) -> None:
        is_new = address != self.address
        self.address = address
        self.opened += 1
        self._become(TunnelState.OPEN)
        try:
            await self._announce(address, is_new)
        except (RollcallError, OSError) as error:  # the tunnel is of use without it
            log.warning("the tunnel is open, but its invitation could not be made: %s", error)

    def _failed(self, state: TunnelState, reason: str) -> None:
        self.failures += 1
        log.warning("the tunnel is %s: %s", state, reason)
        self._become(state, reason)

    def _become(self, state: TunnelState, reason: str = "") -> None:
        if state is not self.state:
            check_transition(self.state, state)
            self.state, self.since = state, self._now()
        self.reason = reason

    async def _save(self) -> None:
        try:
            await asyncio.to_thread(self.usage.save)
        except OSError as error:
            log.warning("the tunnel's usage cannot be written down: %s", error)
