from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recognition.types import FaceResult, FaceState, Frame, FrameResult, Sighting
from stream_server.traces.frames import KEPT, FrameTraces

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PERSON = UUID(int=7)
SECOND_NS = 10**9


class World:
    """Frames that took a second from receiving to answer, and the spans that came of them."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.now_ns = 1000 * SECOND_NS
        self.measured = 0
        given = {"share": 1.0, "names_cameras": True, "dice": lambda: 0.5, **options}
        self.traces = FrameTraces(provider.get_tracer("test"), now_ns=lambda: self.now_ns, mono=lambda: 11.0, **given)
        self._measured = self.traces.measuring(self._measure)

    def _measure(self, frame: Frame, result: FrameResult, waited_s: float) -> None:
        self.measured += 1

    def recognised(self, *, camera: str = "door", known: bool = False) -> None:
        face = FaceResult((0, 0, 1, 1), FaceState.KNOWN, 0.9, person_id=str(PERSON))
        result = FrameResult(
            camera, 5, 640, 480, (face,), (face,) if known else (), stage_ms={"decode": 10, "detect": 20}
        )
        self._measured(Frame(camera, 5, b"", NOW, 10.0), result, 0.25)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


def sighting(camera: str = "door") -> Sighting:
    return Sighting(
        sighting_id=UUID(int=1),
        person_id=PERSON,
        camera_id=camera,
        captured_at=NOW,
        distance=0.4,
        runner_up_distance=None,
        quality=0.9,
        evidence_frames=2,
        model_id="m",
    )


def marked(camera: str = "door") -> Any:
    data = {"camera": camera, "person": {"id": str(PERSON), "name": "Ada Lovelace"}}
    return SimpleNamespace(type="attendance.marked", data=data)


async def store(_: Sighting) -> bool:
    return True


def test_the_stages_of_a_frame_follow_each_other_from_its_receiving_on() -> None:
    world = World()
    world.recognised()
    spans = world.spans
    assert list(spans) == ["receive", "decode", "detect", "frame"]
    frame, end = spans["frame"], world.now_ns
    assert (frame.start_time, frame.end_time) == (end - SECOND_NS, end)
    assert (spans["receive"].start_time, spans["receive"].end_time) == (end - SECOND_NS, end - SECOND_NS * 3 // 4)
    assert spans["decode"].start_time == spans["receive"].end_time
    assert spans["detect"].start_time == spans["decode"].end_time
    took = [(span.end_time or 0) - (span.start_time or 0) for span in (spans["decode"], spans["detect"])]
    assert took == [10_000_000, 20_000_000]
    assert {span.parent.span_id for span in spans.values() if span.parent} == {frame.context.span_id}
    assert frame.attributes == {
        "rollcall.frame": 5,
        "rollcall.width_px": 640,
        "rollcall.height_px": 480,
        "rollcall.faces": 1,
        "rollcall.named_anew": 0,
        "rollcall.camera": "door",
    }


async def test_what_named_somebody_is_followed_to_the_database_and_to_whoever_listens() -> None:
    world = World()
    world.recognised(known=True)
    assert await world.traces.storing(store)(sighting())
    world.now_ns += SECOND_NS
    world.traces.on_event(marked())
    spans = world.spans
    traces = {span.context.trace_id for span in spans.values()}
    assert len(traces) == 1
    assert spans["event"].end_time == world.now_ns
    world.traces.on_event(marked())
    assert [span.name for span in world.exporter.get_finished_spans()].count("event") == 1


def test_a_share_of_the_frames_is_traced_and_every_one_that_names_somebody() -> None:
    world = World(share=0.4)
    world.recognised()
    assert (world.measured, world.spans) == (1, {})
    world.recognised(known=True)
    assert "frame" in world.spans


async def test_without_a_trace_of_its_frame_a_sighting_is_stored_all_the_same() -> None:
    world = World()
    assert await world.traces.storing(store)(sighting())
    world.traces.on_event(marked())
    assert world.spans == {}


async def test_an_error_of_the_database_passes_and_leaves_no_words_in_the_trace() -> None:
    world = World()
    world.recognised(known=True)

    async def fails(_: Sighting) -> bool:
        raise RuntimeError("Ada Lovelace is in the message")

    with pytest.raises(RuntimeError):
        await world.traces.storing(fails)(sighting())
    span = world.spans["store"]
    assert span.events == ()
    assert span.status.description is None


def test_cameras_are_left_out_where_their_ids_tell_too_much() -> None:
    world = World(names_cameras=False)
    world.recognised()
    assert "rollcall.camera" not in (world.spans["frame"].attributes or {})


async def test_what_never_comes_to_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    storing: Callable[[Sighting], Any] = world.traces.storing(store)
    for number in range(KEPT + 5):
        world.recognised(camera=f"c{number}", known=True)
        await storing(sighting(f"c{number}"))
    assert len(world.traces._undecided) == KEPT
    assert len(world.traces._untold) == KEPT
