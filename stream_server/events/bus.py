"""The event bus: stored events to everybody who listens, live and from any point in the past.

Events are rows of the outbox, written in the transaction of the change they tell of, with ids that become visible in
order. The bus hears of new ones by LISTEN/NOTIFY, keeps the newest few in memory, and wakes its followers. A follower
holds nothing but the last id it has seen: it reads from memory when it can and from the table when it is behind, so
that a slow one costs no memory and misses nothing, and one that comes back goes on where it was.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_exponential_jitter

from recognition.errors import UnavailableError
from storage.visibility import Visible
from stream_server.events.audiences import AudienceSource, EventAudiences
from stream_server.messages.wire import Event, GapNotice, StatusNotice
from stream_server.serving.connections import Places

log = logging.getLogger("rollcall.events")

PAGE = 200
GALLERY_CHANGED = "gallery.changed"
CHECK_S = 10.0


class EventSource(AudienceSource, Protocol):
    """Where the bus reads: the outbox table."""

    async def latest_id(self) -> int:
        """The newest id, 0 when there is none."""

    async def oldest_id(self) -> int:
        """The oldest id still kept, 0 when there is none."""

    async def read_after(self, last_id: int, limit: int) -> Sequence[Event]:
        """The next events behind `last_id`, in order."""

    def listening(self, wake: Callable[[], None]) -> AbstractAsyncContextManager["Listening"]:
        """Hear of new events: `wake` is called for each, and once when the connection is lost."""


class Listening(Protocol):
    """A connection that hears of new events."""

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""

    async def check(self) -> None:
        """Ask the server something; UnavailableError when the line is dead."""


class TooManySubscribers(UnavailableError):
    """No room for one more reader of the event stream."""

    code = "too_many_subscribers"


# Of all places, whoever asks has so many: pages that are open, programs that listen.
FOLLOWERS_OF_ONE = 8


class KeepAlive:
    """Nothing happened for a while."""


BusItem = Event | GapNotice | StatusNotice | KeepAlive


class EventBus:
    """Follows the outbox and serves its followers."""

    def __init__(self, source: EventSource, *, ring: int = 256, max_followers: int = 64, idle_s: float = 15.0) -> None:
        self._source = source
        self._audiences = EventAudiences(source)
        self._ring: deque[Event] = deque()
        self._ring_max = ring
        self._behind_ring = 0  # the id before the oldest event in the ring
        self._last_id = 0
        self._tick = asyncio.Event()
        self._wake = asyncio.Event()
        self._status = StatusNotice(state="starting")
        self._handlers: list[Callable[[Event], None]] = []
        self._connect_handlers: list[Callable[[], None]] = []
        self._max_followers = max_followers
        self._places = Places(FOLLOWERS_OF_ONE)
        self._idle_s = idle_s
        self.followers = 0
        self.connected = False
        self._closed = False

    @property
    def last_id(self) -> int:
        """The newest event that the bus has seen."""
        return self._last_id

    def on_event(self, handler: Callable[[Event], None]) -> None:
        """Call a function with every new event, on the event loop; it must be quick. What it raises is logged."""
        self._handlers.append(handler)

    def on_connect(self, handler: Callable[[], None]) -> None:
        """Call a function whenever the bus has connected to the database; it must be quick and not raise."""
        self._connect_handlers.append(handler)

    def close(self) -> None:
        """Let all followers go. May be called from a signal handler."""
        self._closed = True
        asyncio.get_running_loop().call_soon_threadsafe(self._notify)

    def set_status(self, status: StatusNotice) -> None:
        """Tell all followers how the server is, if that has changed."""
        if status != self._status:
            self._status = status
            self._notify()

    async def start(self) -> None:
        """Begin at the newest event there is."""
        self._last_id = self._behind_ring = await self._source.latest_id()

    async def run(self) -> None:
        """Follow the outbox for ever; connects again, with growing pauses, when the database goes away."""
        while True:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(UnavailableError),
                wait=wait_exponential_jitter(multiplier=0.2, max=5.0, jitter=0.5),
                before_sleep=before_sleep_log(log, logging.INFO),
            ):
                with attempt:
                    await self._follow_outbox()

    async def follow(
        self, visible: Visible, after: int | None = None, *, who: str | None = None
    ) -> AsyncGenerator[BusItem, None]:
        """Events behind `after` (None: from now on) that may be seen, then live ones, without gap or repeat, for ever.

        GapNotice comes first where that is not possible, because events were forgotten. The server's status comes
        before the events and whenever it changes, KeepAlive when nothing came for a while. `who` has only so many
        places, so that one reader who opens more and more does not take those of all; None has as many as there are.
        """
        if self.followers >= self._max_followers:
            raise TooManySubscribers(
                f"{self.followers} readers follow the events already",
                hint="close one, or raise ROLLCALL_HTTP__MAX_SUBSCRIBERS",
            )
        if who is not None and not self._places.take(who):
            raise TooManySubscribers(
                f"{FOLLOWERS_OF_ONE} readers follow the events with this credential already", hint="close one"
            )
        self.followers += 1
        try:
            last_id = await self._begin_behind(after)
            if (gap := await self._gap_behind(last_id)) is not None:
                yield gap
            status: StatusNotice | None = None
            quiet_since_mono = time.monotonic()
            while not self._closed:
                tick = self._tick
                if status != self._status:
                    status = self._status
                    yield status
                    quiet_since_mono = time.monotonic()
                looked_to, events = await self._read_for(visible, last_id)
                for event in events:
                    yield event
                    quiet_since_mono = time.monotonic()
                if looked_to > last_id:
                    last_id = looked_to
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._idle_s - (time.monotonic() - quiet_since_mono)):
                            await tick.wait()
                # However much happens that is not shown, the line must not seem dead.
                if time.monotonic() - quiet_since_mono >= self._idle_s:
                    yield KeepAlive()
                    quiet_since_mono = time.monotonic()
        finally:
            self.followers -= 1
            if who is not None:
                self._places.give_back(who)

    async def _begin_behind(self, after: int | None) -> int:
        if after is None:
            return self._last_id
        if after <= self._last_id:
            return after
        # Another server may have heard of more than this one; an id of a database that is no more is nobody's.
        try:
            return min(after, await self._source.latest_id())
        except UnavailableError:
            return after

    async def _gap_behind(self, last_id: int) -> GapNotice | None:
        """Says so when the event that a reader has seen last is itself forgotten, and maybe others behind it."""
        if last_id == 0 or last_id >= self._behind_ring:
            return None
        try:
            oldest_id = await self._source.oldest_id()
        except UnavailableError:
            return None
        return GapNotice(oldest_id=oldest_id) if oldest_id > last_id else None

    async def _read_for(self, visible: Visible, last_id: int) -> tuple[int, Sequence[Event]]:
        """How far was looked, and what of that may be seen."""
        events = await self._read(last_id)
        if not events:
            return last_id, ()
        try:
            return events[-1].id, await self._audiences.heard_by(visible, events)
        except UnavailableError:
            return last_id, ()  # as when they cannot be read

    async def _read(self, last_id: int) -> Sequence[Event]:
        if last_id >= self._last_id:
            return ()
        if last_id >= self._behind_ring:
            return [event for event in self._ring if event.id > last_id]
        try:
            return await self._source.read_after(last_id, PAGE)
        except UnavailableError:
            return ()  # the tick that comes with the database's return reads again

    async def _follow_outbox(self) -> None:
        try:
            async with self._source.listening(self._wake.set) as listening:
                await self._notice_other_past()
                await self._catch_up()
                self.connected = True
                for handler in self._connect_handlers:
                    handler()
                self._notify()
                while not listening.lost:
                    try:
                        async with asyncio.timeout(CHECK_S):
                            await self._wake.wait()
                    except TimeoutError:
                        await listening.check()  # a dead line is as quiet as a calm day
                    self._wake.clear()
                    await self._catch_up()
        finally:
            self.connected = False

    async def _notice_other_past(self) -> None:
        """Begin anew when the table is behind us: the database was restored from a backup."""
        latest_id = await self._source.latest_id()
        if latest_id < self._last_id:
            log.warning("the events go back from %d to %d: another past of the database", self._last_id, latest_id)
            self._ring.clear()
            self._last_id = self._behind_ring = latest_id

    async def _catch_up(self) -> None:
        while True:
            events = await self._source.read_after(self._last_id, PAGE)
            for event in events:
                self._append(event)
            if events:
                self._notify()
            if len(events) < PAGE:
                return

    def _append(self, event: Event) -> None:
        self._last_id = event.id
        if event.type == GALLERY_CHANGED:
            # Somebody may have been erased: the table then no longer has the name, and neither may the memory.
            self._ring.clear()
            self._behind_ring = event.id - 1
        self._ring.append(event)
        if len(self._ring) > self._ring_max:
            self._behind_ring = self._ring.popleft().id
        for handler in self._handlers:
            try:
                handler(event)
            except Exception:
                # An event may come from a newer version of the server beside this one.
                log.exception("event %d of type %s could not be handled", event.id, event.type)

    def _notify(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()
