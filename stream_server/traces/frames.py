"""The way of a frame as spans: received, recognised stage by stage, and, where it named somebody, stored and told.

The pipeline measures its stages anyway; the spans are made from that when a frame has been recognised, with the times
at which it happened. So a frame that is not traced costs one throw of the dice.
"""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from recognition.types import Frame, FrameResult, Sighting
from stream_server.messages.wire import Event

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

Measure = Callable[[Frame, FrameResult, float], None]
Store = Callable[[Sighting], Coroutine[Any, Any, bool]]
K = TypeVar("K")
V = TypeVar("V")
# Frames whose sightings wait to be stored, and sightings whose event is awaited. The oldest give way.
KEPT = 256


class FrameTraces:
    """Makes the spans of frames. Used on the event loop."""

    def __init__(
        self,
        tracer: "Tracer",
        *,
        share: float,
        names_cameras: bool,
        dice: Callable[[], float] = random.random,
        now_ns: Callable[[], int] = time.time_ns,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        """`share` of the frames is traced, and every one that names somebody anew."""
        self._tracer = tracer
        self._share = share
        self._names_cameras = names_cameras
        self._dice = dice
        self._now_ns = now_ns
        self._mono = mono
        self._undecided: OrderedDict[tuple[str, datetime], Context] = OrderedDict()
        self._untold: OrderedDict[tuple[str, UUID], tuple[Context, int]] = OrderedDict()

    def measuring(self, measure: Measure) -> Measure:
        """`measure`, and the spans of a frame that was recognised."""

        def measured(frame: Frame, result: FrameResult, waited_s: float) -> None:
            measure(frame, result, waited_s)
            if result.newly_known or self._dice() < self._share:
                self._trace(frame, result, waited_s)

        return measured

    def storing(self, store: Store) -> Store:
        """`store`, with a span of its own in the trace of the frame that the sighting is from."""

        async def stored(sighting: Sighting) -> bool:
            from opentelemetry import trace

            context = self._undecided.get((sighting.camera_id, sighting.captured_at))
            if context is None:
                return await store(sighting)
            _keep(self._untold, (sighting.camera_id, sighting.person_id), (context, self._now_ns()))
            span = self._tracer.start_span("store", context, start_time=self._now_ns())
            # No errors in it: they may quote what was to be stored.
            with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
                return await store(sighting)

        return stored

    def on_event(self, event: Event) -> None:
        """Note that a mark was heard of, by whoever follows the events: from its storing on."""
        person = event.data.get("person")
        if event.type != "attendance.marked" or not isinstance(person, dict):
            return
        told = self._untold.pop((event.data.get("camera") or "", UUID(str(person["id"]))), None)
        if told is not None:
            context, since_ns = told
            self._tracer.start_span("event", context, start_time=since_ns).end(self._now_ns())

    def _trace(self, frame: Frame, result: FrameResult, waited_s: float) -> None:
        from opentelemetry import trace

        end_ns = self._now_ns()
        start_ns = end_ns - round((self._mono() - frame.received_mono) * 1e9)
        attributes: dict[str, str | int] = {
            "rollcall.frame": frame.sequence,
            "rollcall.width_px": result.width_px,
            "rollcall.height_px": result.height_px,
            "rollcall.faces": len(result.faces),
            "rollcall.named_anew": len(result.newly_known),
        }
        if self._names_cameras:
            attributes["rollcall.camera"] = frame.camera_id
        root = self._tracer.start_span("frame", attributes=attributes, start_time=start_ns)
        context = trace.set_span_in_context(root)
        at_ns = start_ns + round(waited_s * 1e9)
        self._tracer.start_span("receive", context, start_time=start_ns).end(at_ns)
        for stage, took_ms in result.stage_ms.items():
            span = self._tracer.start_span(stage, context, start_time=at_ns)
            at_ns += round(took_ms * 1e6)
            span.end(at_ns)
        root.end(end_ns)
        if result.newly_known:
            _keep(self._undecided, (frame.camera_id, frame.captured_at), context)


def _keep(kept: "OrderedDict[K, V]", key: K, value: V) -> None:
    kept[key] = value
    if len(kept) > KEPT:
        kept.popitem(last=False)
