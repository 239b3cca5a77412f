"""The first load of a page over a slow line, by somebody who has never been there: bytes, and until it is interactive.

Slow is what Lighthouse calls "slow 4G": 1.6 Mbit/s down, 750 kbit/s up, 150 ms of delay, and a processor that is
slowed down four times, all by Chromium's own emulation. Chromium puts the delay on each request; Lighthouse, which
loads on a fast line and reckons, also counts the round trips of the connection, so its own emulation puts 562.5 ms on
each request. That harder case is measured too, and has no aim.

Interactive, after Lighthouse's definition of it: what the page is for is there (the button that starts the camera; the
dashboard with everything that it has read), and the last task of more than 50 ms has ended before five seconds without
such a task and with at most two requests under way. Counted from the start of the navigation. What a phone does with
its code, and the dashboard with what it reads from the server, is part of it.

Bytes are those of all answers until then as they came over the line, with their headers, and compressed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.browser import window
from benchmarks.measurement import Advance, Measurement, median, percentile, rounded
from stream_server.child import ChildServer

AIM_S = 2.0
AIM_CAMERA_KB, AIM_DASHBOARD_KB = 120.0, 250.0
LOADS, QUICK_LOADS = 7, 2
QUIET_S = 5.0
REQUESTS_MAX = 2
_DOWN_BITS_S, _UP_BITS_S, _SLOWER = 1.6e6, 750e3, 4
SLOW_4G_MS, LIGHTHOUSE_MS = 150.0, 562.5
CAMERA_READY = "[...document.querySelectorAll('button.primary')].some(one => one.innerText === 'Start the camera')"
DASHBOARD_READY = "document.querySelector('main h1') && !document.querySelector('.skeleton')"
# `window.readyAt` and the end of the last long task, in ms since the navigation began.
_WATCH = """(() => {
  window.readyAt = null;
  window.lastTaskEnd = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.lastTaskEnd = task.startTime + task.duration;
  }).observe({type: 'longtask', buffered: true});
  const look = () => {
    // What is removed again, because more is read, was not there yet.
    if (!(%s)) window.readyAt = null;
    else if (window.readyAt === null) {
      window.readyAt = performance.now();
      requestAnimationFrame(() => setTimeout(() => (window.readyAt &&= performance.now())));
    }
  };
  new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true});
})()"""


@dataclass(frozen=True, slots=True)
class Load:
    """One first load."""

    interactive_s: float
    ready_s: float
    bytes: int
    requests: int


class _Line:
    """Counts what comes over the line."""

    def __init__(self) -> None:
        self.bytes = 0
        self.requests = 0
        self.busy_at = 0.0
        self._under_way: set[str] = set()
        self._now = asyncio.get_running_loop().time

    def listen(self, session: Any) -> None:
        session.on("Network.requestWillBeSent", lambda said: self._began(said["requestId"]))
        # Of an answer that goes on, as the stream of events does, each part.
        session.on("Network.responseReceived", lambda said: self._came(said["response"]["encodedDataLength"]))
        session.on("Network.dataReceived", lambda said: self._came(said["encodedDataLength"]))
        session.on("Network.loadingFinished", lambda said: self._ended(said["requestId"]))
        session.on("Network.loadingFailed", lambda said: self._ended(said["requestId"]))

    def _began(self, request: str) -> None:
        self.requests += 1
        self._under_way.add(request)
        self._look()

    def _came(self, more: float) -> None:
        self.bytes += int(more)

    def _ended(self, request: str) -> None:
        self._look()
        self._under_way.discard(request)

    def _look(self) -> None:
        if len(self._under_way) > REQUESTS_MAX:
            self.busy_at = self._now()

    def quiet_s(self) -> float:
        if len(self._under_way) > REQUESTS_MAX:
            return 0.0
        return self._now() - self.busy_at


async def first_load(context: Any, address: str, ready: str, delay_ms: float) -> Load:
    """Load an address in a context that has nothing of it yet; `ready` is what must hold in the page."""
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    line = _Line()
    line.listen(session)
    await session.send("Network.enable")
    await session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": delay_ms,
            "downloadThroughput": _DOWN_BITS_S / 8,
            "uploadThroughput": _UP_BITS_S / 8,
        },
    )
    await session.send("Emulation.setCPUThrottlingRate", {"rate": _SLOWER})
    await page.add_init_script(_WATCH % ready)
    try:
        await page.goto(address)
        async with asyncio.timeout(120):
            while True:
                ready_at, task_end, now = await page.evaluate("[window.readyAt, window.lastTaskEnd, performance.now()]")
                quiet_since = max(task_end, ready_at or now)
                if ready_at is not None and now - quiet_since >= 1000 * QUIET_S and line.quiet_s() >= QUIET_S:
                    return Load(quiet_since / 1000, ready_at / 1000, line.bytes, line.requests)
                await asyncio.sleep(0.25)
    finally:
        await page.close()


async def measure(server: ChildServer, *, quick: bool, advance: Advance) -> list[Measurement]:
    """Both pages, at both delays; each load in a browser context of its own."""
    results: list[Measurement] = []
    loads = QUICK_LOADS if quick else LOADS
    done = 0
    async with window.browser() as opened:

        async def camera(delay_ms: float) -> Load:
            context = await window.stranger(opened, server)
            try:
                return await first_load(context, await window.pairing(server, "phone"), CAMERA_READY, delay_ms)
            finally:
                await context.close()

        async def dashboard(delay_ms: float) -> Load:
            context = await window.owner(opened, server)
            try:
                return await first_load(context, "/", DASHBOARD_READY, delay_ms)
            finally:
                await context.close()

        ways: tuple[tuple[str, str, float, Callable[[float], Any]], ...] = (
            ("camera", "Camera page", AIM_CAMERA_KB, camera),
            ("dashboard", "Dashboard", AIM_DASHBOARD_KB, dashboard),
        )
        for name, title, aim_kb, way in ways:
            slow, harder = [], []
            for _ in range(loads):
                slow.append(await way(SLOW_4G_MS))
                harder.append(await way(LIGHTHOUSE_MS))
                done += 1
                advance(done / loads / len(ways))
            results += _measurements(name, title, aim_kb, slow, harder)
    return results


def _measurements(name: str, title: str, aim_kb: float, slow: list[Load], harder: list[Load]) -> list[Measurement]:
    kbytes = [load.bytes / 1000 for load in slow]
    requests = {"requests": median([load.requests for load in slow]), "loads": len(slow)}
    results = [
        Measurement(
            f"browser.{name}.bytes",
            rounded(max(kbytes)),
            "kB",
            aim_kb,
            requests,
            title=f"{title}, first load, compressed",
        )
    ]
    for key, loads, aim, words in (
        ("interactive", slow, AIM_S, "slow 4G"),
        ("interactive_harder", harder, None, "562.5 ms for each request"),
    ):
        times = [load.interactive_s for load in loads]
        detail = {
            "p95": rounded(percentile(times, 95)),
            "shown": rounded(median([load.ready_s for load in loads])),
            "definition": "see benchmarks/browser/loading.py",
        }
        results.append(
            Measurement(
                f"browser.{name}.{key}",
                rounded(median(times)),
                "s",
                aim,
                detail,
                title=f"{title}, first load to interactive, {words}",
            )
        )
    return results
