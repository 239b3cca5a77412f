"""Events for those who may not hear of all: each is looked up once for all who follow."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from storage.visibility import Audience, Visible
from stream_server.messages.wire import Event

KEEP_S = 5.0
KEEP_MAX = 1024


class AudienceSource(Protocol):
    """Where it is looked up: the tables."""

    async def audiences(self, events: Sequence[Event]) -> Sequence[Audience]:
        """The audience of each event. Raises UnavailableError."""


@dataclass(frozen=True, slots=True)
class _Known:
    event: Event
    audience: Audience
    at_mono: float


class EventAudiences:
    """Remembers for a few seconds whose an event is: all followers ask within moments of each other.

    No longer, because somebody may join or leave a group, and there is an event for neither.
    """

    def __init__(
        self,
        source: AudienceSource,
        *,
        keep_s: float = KEEP_S,
        keep_max: int = KEEP_MAX,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._keep_s = keep_s
        self._keep_max = keep_max
        self._mono = mono
        self._known: OrderedDict[int, _Known] = OrderedDict()
        # So that of many who wake at once one asks, and the others find the answer.
        self._asking = asyncio.Lock()

    async def heard_by(self, visible: Visible, events: Sequence[Event]) -> Sequence[Event]:
        """Those of the events that may be shown. Raises UnavailableError."""
        if visible.is_everything or not events:
            return events
        async with self._asking:
            now_mono = self._mono()
            known: dict[int, Audience | None] = {event.id: self._found(event, now_mono) for event in events}
            unknown = [event for event in events if known[event.id] is None]
            if unknown:
                for event, audience in zip(unknown, await self._source.audiences(unknown), strict=True):
                    known[event.id] = audience
                    self._keep(_Known(event, audience, now_mono))
        return [event for event in events if (whose := known[event.id]) is not None and visible.has(whose)]

    def _found(self, event: Event, now_mono: float) -> Audience | None:
        known = self._known.get(event.id)
        # A database that was restored may give the same number to another event.
        fresh = known is not None and now_mono - known.at_mono < self._keep_s and known.event == event
        return known.audience if known is not None and fresh else None

    def _keep(self, known: _Known) -> None:
        self._known[known.event.id] = known
        self._known.move_to_end(known.event.id)
        if len(self._known) > self._keep_max:
            self._known.popitem(last=False)
