import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from recognition.errors import UnavailableError
from stream_server.access.door import Traffic
from stream_server.services import utc_now
from stream_server.tunnel.keeper import TunnelKeeper
from stream_server.tunnel.line import TunnelAway, TunnelLine, TunnelRefused, TunnelUnusable
from stream_server.tunnel.state import Patience, TunnelState
from stream_server.tunnel.usage import Allowance, Usage

PATIENCE = Patience(open_timeout_s=5, retry_first_s=1, retry_max_s=60, refused_retry_s=300, steady_s=30)


class Line:
    """A provider that does as the test says."""

    provider = "test"

    def __init__(self) -> None:
        self.answers: asyncio.Queue[str | Exception] = asyncio.Queue()
        self.losses: asyncio.Queue[str] = asyncio.Queue()
        self.ports: list[int] = []
        self.closed = 0

    def check(self) -> None: ...

    async def open(self, port: int) -> str:
        self.ports.append(port)
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def lost(self) -> str:
        return await self.losses.get()

    async def close(self) -> None:
        self.closed += 1


class Bench:
    """A keeper whose time is the test's: each sleep is noted, and lasts until the test lets it end."""

    def __init__(self, folder: Path) -> None:
        self.line = Line()
        self.now_mono = 0.0
        self.announced: list[tuple[str, bool]] = []
        self.sleeps: asyncio.Queue[float] = asyncio.Queue()
        self.wake = asyncio.Semaphore(0)
        self.announcing: Exception | None = None
        self.traffic = Traffic()
        line: TunnelLine = self.line
        self.keeper = TunnelKeeper(
            line=line,
            usage=Usage(folder / "usage.json", "test", self.traffic, Allowance(requests_max=100), utc_now),
            patience=PATIENCE,
            announce=self._announce,
            now=utc_now,
            mono=lambda: self.now_mono,
            dice=lambda: 1.0,
            sleep=self._sleep,
        )

    async def _announce(self, address: str, is_new: bool) -> None:
        self.announced.append((address, is_new))
        if self.announcing is not None:
            raise self.announcing

    async def _sleep(self, seconds: float) -> None:
        self.sleeps.put_nowait(seconds)
        await self.wake.acquire()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0)

    async def fails(self, error: Exception | str) -> float:
        """The next opening ends so; returns the wait before the one after it, which is over at once."""
        if isinstance(error, Exception):
            self.line.answers.put_nowait(error)
        else:
            self.line.losses.put_nowait(error)
        async with asyncio.timeout(5):
            wait_s = await self.sleeps.get()
        self.wake.release()
        return wait_s

    async def opens(self, address: str) -> None:
        opened = self.keeper.opened
        self.line.answers.put_nowait(address)
        await self.until(lambda: self.keeper.opened == opened + 1 and len(self.announced) == opened + 1)


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    task = asyncio.create_task(bench.keeper.run())
    yield bench
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_it_opens_once_the_server_listens_and_not_before(bench: Bench) -> None:
    await asyncio.sleep(0)
    assert (bench.keeper.state, bench.line.ports) == (TunnelState.WAITING, [])
    bench.keeper.listening(4711)
    await bench.opens("https://a.example")
    assert bench.line.ports == [4711]
    assert bench.keeper.state is TunnelState.OPEN
    assert bench.keeper.public_host == "a.example"
    assert bench.announced == [("https://a.example", True)]
    assert bench.keeper.complaints() == []


async def test_a_tunnel_that_falls_is_opened_again_and_a_new_address_is_announced_as_new(bench: Bench) -> None:
    bench.keeper.listening(1)
    await bench.opens("https://a.example")
    assert await bench.fails("transport error") == 1
    assert bench.keeper.public_host == "a.example"  # requests on their way still belong to it
    await bench.opens("https://a.example")
    await bench.fails("transport error")
    await bench.opens("https://b.example:8443")
    assert bench.announced[1:] == [("https://a.example", False), ("https://b.example:8443", True)]
    assert bench.keeper.public_host == "b.example:8443"
    assert bench.line.closed == 2


async def test_while_it_cannot_be_opened_the_waits_grow_and_readiness_says_why(bench: Bench) -> None:
    bench.keeper.listening(1)
    waits = [await bench.fails(TunnelAway("no route")) for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert bench.keeper.state is TunnelState.REOPENING
    assert bench.keeper.complaints() == ["the tunnel is reopening: no route"]


async def test_one_that_opens_and_falls_at_once_is_not_reopened_without_end_at_the_shortest_wait(bench: Bench) -> None:
    bench.keeper.listening(1)
    waits = []
    for _ in range(4):
        await bench.opens("https://a.example")
        waits.append(await bench.fails("closed"))
    assert waits == [1, 2, 4, 8]
    await bench.opens("https://a.example")
    bench.now_mono += PATIENCE.steady_s
    assert await bench.fails("closed") == 1


async def test_a_refusal_is_tried_again_much_later(bench: Bench) -> None:
    bench.keeper.listening(1)
    assert await bench.fails(TunnelRefused("ERR_NGROK_105")) == 300
    assert bench.keeper.state is TunnelState.REFUSED
    assert bench.keeper.complaints() == ["the tunnel is refused: ERR_NGROK_105"]
    await bench.opens("https://a.example")
    assert bench.keeper.state is TunnelState.OPEN


@pytest.mark.parametrize(
    "error",
    [TunnelUnusable("there is no program"), UnavailableError("away"), PermissionError(13, "Permission denied")],
)
async def test_whatever_keeps_it_from_opening_it_is_tried_again_with_longer_waits(
    bench: Bench, error: Exception
) -> None:
    bench.keeper.listening(1)
    assert [await bench.fails(error) for _ in range(3)] == [1, 2, 4]
    assert bench.keeper.state is TunnelState.REOPENING
    assert str(error) in bench.keeper.reason
    await bench.opens("https://a.example")
    assert bench.keeper.state is TunnelState.OPEN


async def test_after_a_defect_of_the_announcement_it_is_not_called_open_and_may_be_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.keeper.listening(1)
    bench.announcing = KeyError("a defect")
    bench.line.answers.put_nowait("https://a.example")
    with pytest.raises(KeyError):
        await bench.keeper.run()
    assert bench.keeper.state is TunnelState.REOPENING
    assert bench.line.closed == 1
    again = asyncio.create_task(bench.keeper.run())
    assert await bench.fails(TunnelRefused("ERR_NGROK_105")) == 300
    assert bench.keeper.state is TunnelState.REFUSED
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


@pytest.mark.parametrize("error", [UnavailableError("the database is away"), OSError("the terminal is gone")])
async def test_a_tunnel_of_which_no_code_can_be_shown_is_open_all_the_same(bench: Bench, error: Exception) -> None:
    bench.announcing = error
    bench.keeper.listening(1)
    await bench.opens("https://a.example")
    await asyncio.sleep(0)
    assert bench.keeper.state is TunnelState.OPEN


async def test_using_up_the_allowance_is_a_complaint_and_nothing_more(bench: Bench) -> None:
    bench.keeper.listening(1)
    await bench.opens("https://a.example")
    bench.traffic.requests = 89
    assert bench.keeper.complaints() == []
    bench.traffic.requests = 101
    assert bench.keeper.complaints() == [
        "the tunnel has used 0.0 MB and 101 of 100 requests this month (101% of the allowance)"
    ]
    assert bench.keeper.state is TunnelState.OPEN


async def test_one_that_does_not_open_in_time_is_given_up_and_closed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.keeper._patience = Patience(open_timeout_s=0.01)
    task = asyncio.create_task(bench.keeper.run())
    bench.keeper.listening(1)
    async with asyncio.timeout(5):
        await bench.sleeps.get()
    assert bench.keeper.reason.startswith("it did not open within")
    assert bench.line.closed == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_at_the_end_the_line_is_closed_and_the_counts_are_on_disk(bench: Bench) -> None:
    bench.traffic.requests = 5
    await bench.keeper.close()
    assert bench.keeper.state is TunnelState.CLOSED
    assert bench.line.closed == 1
    assert bench.keeper.usage.path.exists()
    await bench.keeper.close()


async def test_the_counts_are_written_down_now_and_then(bench: Bench) -> None:
    counting = asyncio.create_task(bench.keeper.count())
    bench.traffic.requests = 5
    async with asyncio.timeout(5):
        assert await bench.sleeps.get() == 10
        bench.wake.release()
        await bench.sleeps.get()
    assert bench.keeper.usage.path.exists()
    counting.cancel()
    await asyncio.gather(counting, return_exceptions=True)
