"""Cameras that come, go, come back, are replaced, refused and removed."""

import asyncio
from collections.abc import Callable

import pytest

from stream_server.messages.wire import Faces
from stream_server.session import CLOSE_REMOVED, CLOSE_REPLACED, MemoryFull, TooManyCameras
from tests.stream_server.stage import Stage, until


async def test_the_newest_connection_of_a_camera_takes_over(stage: Stage) -> None:
    first_session, first = stage.attach("door")
    second_session, second = stage.attach("door")
    assert first_session is second_session
    assert first.ended is not None
    assert first.ended[0] == CLOSE_REPLACED
    stage.hub.detach(first_session, first)  # its end comes later and changes nothing
    assert (stage.hub.connected, stage.hub.is_connected("door")) == (1, True)
    stage.hub.offer(second_session, b"")
    assert isinstance(await second.next(), Faces)
    assert first.silent
    assert second.ended is None


async def test_a_camera_that_comes_back_soon_is_the_same_with_the_same_tracks(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"")
    await sink.next()
    stage.hub.detach(session, sink)
    assert (stage.hub.connected, stage.hub.is_connected("door")) == (0, False)
    again, sink = stage.attach("door")
    assert again is session
    stage.hub.offer(again, b"")
    assert (await sink.next()).frame == 2
    assert stage.recogniser.states[0] is stage.recogniser.states[1]


async def test_a_camera_that_stays_away_is_forgotten(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(linger_s=0.0)
    session, sink = stage.attach("door")
    stage.hub.detach(session, sink)
    for _ in range(3):
        await asyncio.sleep(0)
    again, _ = stage.attach("door")
    assert again is not session
    assert stage.hub.counts("elsewhere") is None


async def test_frames_that_are_counted_stay_counted_when_the_camera_leaves(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(linger_s=0.0)
    stage.recogniser.hold.clear()
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"1")
    await asyncio.to_thread(stage.recogniser.began.wait, 10)
    stage.hub.offer(session, b"2")
    stage.hub.detach(session, sink)
    for _ in range(3):
        await asyncio.sleep(0)
    stage.recogniser.hold.set()
    await until(lambda: stage.sampler.totals().processed == 1)
    totals = stage.sampler.totals()
    assert (totals.received, totals.processed, totals.dropped_left) == (2, 1, 1)


async def test_one_camera_too_many_is_refused(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(max_cameras=2)
    stage.attach("a")
    stage.attach("b")
    with pytest.raises(TooManyCameras) as refused:
        stage.attach("c")
    assert refused.value.code == "too_many_cameras"
    assert "MAX_CAMERAS" in refused.value.hint
    stage.attach("a")  # one that is here already may connect anew


async def test_without_memory_no_new_camera_is_taken_but_those_that_stream_may_come_back(stage: Stage) -> None:
    session, sink = stage.attach("a")
    stage.hub.refuse_new = "the server has used 95 % of its memory"
    with pytest.raises(MemoryFull, match="95 %") as refused:
        stage.attach("b")
    assert (refused.value.code, stage.hub.refused) == ("memory_full", 1)
    stage.hub.detach(session, sink)
    stage.attach("a")
    stage.hub.refuse_new = None
    stage.attach("b")
    assert set(stage.hub.all_counts()) == {"a", "b"}


async def test_a_lower_number_of_cameras_ends_nobody(stage: Stage) -> None:
    stage.attach("a")
    stage.attach("b")
    stage.hub.max_cameras = 1
    assert stage.hub.connected == 2
    with pytest.raises(TooManyCameras):
        stage.attach("c")


async def test_a_camera_that_has_left_gives_its_place_to_a_new_one(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(max_cameras=1)
    session, sink = stage.attach("a")
    stage.hub.detach(session, sink)
    new, shown = stage.attach("b")
    stage.hub.offer(new, b"")
    assert isinstance(await shown.next(), Faces)


async def test_the_end_of_the_server_is_told_to_every_camera(stage: Stage) -> None:
    sinks = [stage.attach(camera)[1] for camera in ("a", "b")]
    session, gone = stage.attach("c")
    stage.hub.detach(session, gone)
    stage.hub.end_all(1001, "the server stops")
    assert [sink.ended for sink in sinks] == [(1001, "the server stops")] * 2
    assert gone.ended is None


async def test_a_camera_that_is_removed_is_told_so_and_its_frames_no_longer_count(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.hub.offer(session, b"frame")
    await until(lambda: stage.sampler.totals().processed == 1)
    stage.hub.end_camera("door")
    assert sink.ended == (CLOSE_REMOVED, "the camera was removed")
    assert (session.sink, stage.hub.connected, stage.hub.is_connected("door")) == (None, 0, False)
    stage.hub.end_camera("door")
    stage.hub.end_camera("nowhere")
    again, newer = stage.attach("door")  # added again before the older connection has gone
    assert again is not session
    stage.hub.detach(session, sink)
    stage.hub.offer(again, b"frame")
    await until(lambda: stage.sampler.totals().processed == 2)
    assert newer.ended is None


async def test_the_tracks_of_a_camera_that_left_and_was_removed_are_forgotten(stage: Stage) -> None:
    session, sink = stage.attach("door")
    stage.hub.detach(session, sink)
    stage.hub.end_camera("door")
    assert session.forget is not None
    assert session.forget.cancelled()
    assert stage.attach("door")[0] is not session
