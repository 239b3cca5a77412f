import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from recognition.errors import ImageError, ModelError
from stream_server.executor import ExecutorBusy, RecognitionExecutor

HELD_S = 10.0


class Recogniser:
    """Knows the thread that made it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()


class Maker:
    def __init__(self) -> None:
        self.made: list[Recogniser] = []

    def __call__(self) -> Any:
        self.made.append(Recogniser())
        return self.made[-1]


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def make_executor(maker: Maker) -> Any:
    executors: list[RecognitionExecutor] = []

    def make(make_recogniser: Callable[[], Any] = maker, **options: Any) -> RecognitionExecutor:
        executors.append(RecognitionExecutor(make_recogniser, **{"threads": 2, **options}))
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()


async def test_every_function_runs_with_the_recogniser_of_its_own_thread(make_executor: Any, maker: Maker) -> None:
    executor = make_executor(threads=3)

    def look(recogniser: Any) -> tuple[int, int]:
        return recogniser.thread, threading.get_ident()

    pairs = await asyncio.gather(*(executor.run(look) for _ in range(60)))
    assert all(own == current for own, current in pairs)
    assert len({current for _, current in pairs}) <= 3
    assert len(maker.made) == len({recogniser.thread for recogniser in maker.made}) <= 3


async def test_warming_up_loads_the_models_once_on_every_thread(make_executor: Any, maker: Maker) -> None:
    executor = make_executor(threads=4)
    await executor.warm_up()
    assert len({recogniser.thread for recogniser in maker.made}) == 4
    await executor.warm_up()
    await asyncio.gather(*(executor.run(lambda _: None) for _ in range(20)))
    assert len(maker.made) == 4


async def test_warming_up_says_what_is_wrong_with_the_models(make_executor: Any) -> None:
    def broken() -> Any:
        raise ModelError("the face network is cut short", hint="run `rollcall models build`")

    executor = make_executor(broken, threads=3)
    with pytest.raises(ModelError, match="cut short") as raised:
        await executor.warm_up()
    assert raised.value.hint == "run `rollcall models build`"
    with pytest.raises(ModelError):
        await executor.run(lambda _: None)


async def test_models_that_are_repaired_are_loaded_at_the_next_frame(make_executor: Any) -> None:
    broken = True

    def make() -> Any:
        if broken:
            raise ModelError("the face network is missing")
        return Recogniser()

    executor = make_executor(make, threads=1)
    with pytest.raises(ModelError):
        await executor.warm_up()
    broken = False
    assert await executor.run(lambda _: "recognised") == "recognised"


async def test_what_a_function_raises_reaches_its_caller_and_the_thread_goes_on(make_executor: Any) -> None:
    executor = make_executor(threads=1)

    def refuse(_: Any) -> None:
        raise ImageError("cut short")

    for run in (executor.run, executor.run_single):
        with pytest.raises(ImageError):
            await run(refuse)
        assert await run(lambda _: 42) == 42


async def test_single_requests_beyond_the_bound_are_refused_and_counted(make_executor: Any) -> None:
    executor = make_executor(max_waiting=3)
    release = threading.Event()
    waiting = [asyncio.create_task(executor.run_single(lambda _: release.wait(HELD_S))) for _ in range(3)]
    await asyncio.sleep(0)
    for refused in (1, 2):
        with pytest.raises(ExecutorBusy) as raised:
            await executor.run_single(lambda _: None)
        assert executor.refused_single == refused
    assert raised.value.code == "recognition_busy"
    assert raised.value.hint
    release.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await executor.run_single(lambda _: "room again") == "room again"
    assert executor.refused_single == 2


async def test_frames_of_cameras_are_not_counted_against_the_bound(make_executor: Any) -> None:
    executor = make_executor(max_waiting=1)
    release = threading.Event()
    frames = [asyncio.create_task(executor.run(lambda _: release.wait(HELD_S))) for _ in range(4)]
    await asyncio.sleep(0)
    single = asyncio.create_task(executor.run_single(lambda _: "done"))
    await asyncio.sleep(0)
    release.set()
    assert await asyncio.gather(*frames) == [True] * 4
    assert await single == "done"


async def test_a_request_that_is_given_up_makes_room_for_another(make_executor: Any) -> None:
    executor = make_executor(threads=1, max_waiting=2)
    release = threading.Event()
    waiting = [asyncio.create_task(executor.run_single(lambda _: release.wait(HELD_S))) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    third = asyncio.create_task(executor.run_single(lambda _: "done"))
    await asyncio.sleep(0)
    release.set()
    assert await third == "done"
    assert await waiting[0]


async def test_close_lets_a_running_function_end(maker: Maker) -> None:
    executor = RecognitionExecutor(maker, threads=1)
    began, release = threading.Event(), threading.Event()

    def work(_: Any) -> str:
        began.set()
        release.wait(HELD_S)
        return "ended"

    running = asyncio.create_task(executor.run(work))
    await asyncio.to_thread(began.wait, HELD_S)
    closing = asyncio.create_task(asyncio.to_thread(executor.close))
    await asyncio.sleep(0)
    release.set()
    assert await running == "ended"
    await closing


async def test_single_requests_leave_a_thread_to_the_cameras() -> None:
    release = threading.Event()
    executor = RecognitionExecutor(lambda: object(), threads=2, max_waiting=3)  # type: ignore[arg-type,return-value]
    try:
        singles = [asyncio.create_task(executor.run_single(lambda _: release.wait(10))) for _ in range(3)]
        async with asyncio.timeout(10):
            assert await executor.run(lambda _: "a frame") == "a frame"
        release.set()
        await asyncio.gather(*singles)
    finally:
        release.set()
        executor.close()


async def test_room_is_asked_for_before_anything_is_read() -> None:
    executor = RecognitionExecutor(lambda: object(), threads=1, max_waiting=1)  # type: ignore[arg-type,return-value]
    try:
        async with executor.admit():
            with pytest.raises(ExecutorBusy):
                async with executor.admit():
                    raise AssertionError("there is no room for two")
        async with executor.admit() as request:
            assert await request.run(lambda _: 7) == 7
        assert executor.refused_single == 1
    finally:
        executor.close()


async def test_models_that_were_let_go_are_made_anew_by_the_next_function(make_executor: Any, maker: Maker) -> None:
    executor = make_executor(threads=1)
    assert not executor.loaded
    first = await executor.run(lambda recogniser: recogniser)
    assert executor.loaded
    executor.release()
    assert not executor.loaded
    assert await executor.run(lambda recogniser: recogniser) is not first
    assert len(maker.made) == 2


async def test_an_executor_that_works_is_not_idle(make_executor: Any) -> None:
    executor = make_executor(threads=1)
    go_on = threading.Event()
    running = asyncio.ensure_future(executor.run(lambda _: go_on.wait(10)))
    await asyncio.sleep(0)
    assert executor.idle_s(time.monotonic() + 100) == 0.0
    go_on.set()
    await running
    await asyncio.sleep(0)  # its end is told by a callback
    assert 99 < executor.idle_s(time.monotonic() + 100) < 101
