"""What a camera page holds while it streams for minutes: its heap, its nodes and listeners, and its process.

The heap is read after a forced collection, so it holds only what something still points to. The process is what the
kernel says that nobody else shares of it. A leak of one small object for each picture, 100 bytes, would be 30 kB a
minute at five pictures a second.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.browser import window
from benchmarks.browser.film import write_film
from benchmarks.measurement import Advance, Measurement, median, rounded, slope
from benchmarks.pictures import scenes
from stream_server.child import ChildServer

AIM_HEAP_KB_PER_MIN = 10.0
AIM_PROCESS_RISE_MB = 10.0
QUICK_S = 20.0
_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Held:
    """What the page holds at a moment."""

    at_s: float
    heap_kb: float
    nodes: int
    listeners: int
    process_mb: float | None
    sent: int


async def held(session: Any) -> dict[str, float]:
    """Figures of the page behind a CDP session, after a collection."""
    await session.send("HeapProfiler.enable")
    # Twice: what the first one finalises, the second one frees.
    for _ in range(2):
        await session.send("HeapProfiler.collectGarbage")
    await session.send("Performance.enable")
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}


async def sent_frames(page: Any) -> int:
    """How many pictures the page says it has sent."""
    row = page.locator(".figures dl > div").filter(has_text="Sent")
    return int("".join(sign for sign in await row.locator("dd").inner_text() if sign.isdigit()))


async def measure(
    server: ChildServer, models_dir: Path, folder: Path, *, seconds: float, advance: Advance
) -> list[Measurement]:
    """The page streams groups of people by turns; `seconds` after it has sent the first pictures."""
    film = await asyncio.to_thread(write_film, folder / "film.mjpeg", scenes(models_dir))
    async with window.browser(film) as opened:
        page = await (await window.stranger(opened, server)).new_page()
        await window.stream(page, server, "entrance")
        points = await _watch(opened, page, seconds, advance)
    return measurements(points)


async def _watch(opened: Any, page: Any, seconds: float, advance: Advance) -> list[Held]:
    session = await page.context.new_cdp_session(page)
    loop = asyncio.get_running_loop()
    every_s = min(_EVERY_S, seconds / 10)
    # The first pictures make what stays: canvases, compiled code.
    await asyncio.sleep(every_s)
    began = loop.time()
    points: list[Held] = []
    while not points or points[-1].at_s < seconds:
        figures = await held(session)
        points.append(
            Held(
                rounded(loop.time() - began),
                rounded(figures["JSHeapUsedSize"] / 1000),
                int(figures["Nodes"]),
                int(figures["JSEventListeners"]),
                await window.renderer_mb(opened),
                await sent_frames(page),
            )
        )
        advance(min(1.0, points[-1].at_s / seconds))
        await asyncio.sleep(every_s)
    return points


def measurements(points: Sequence[Held]) -> list[Measurement]:
    """The rise over the second half, by least squares; the points are in the detail of the first."""
    late = points[len(points) // 2 :]
    seconds = points[-1].at_s
    over = f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.2g} s"
    frames = points[-1].sent - points[0].sent
    nodes = points[-1].nodes - late[0].nodes
    listeners = points[-1].listeners - late[0].listeners
    results = [
        Measurement(
            "browser.page.heap_slope",
            rounded(slope([(point.at_s / 60, point.heap_kb) for point in late])),
            "kB/min",
            AIM_HEAP_KB_PER_MIN,
            {"frames": frames, "heap_kb": points[-1].heap_kb, "points": [asdict(point) for point in points]},
            title=f"Camera page: rise of its heap over the second half of {over}",
        ),
        Measurement(
            "browser.page.more_nodes",
            float(max(0, nodes) + max(0, listeners)),
            "more",
            None,
            {"nodes": nodes, "listeners": listeners},
            title="Camera page: nodes and listeners that it has more then",
        ),
    ]
    process = [point.process_mb for point in points if point.process_mb is not None]
    if len(process) > 1:
        # It breathes by ten MB and more with the browser's own collections: too much for a slope.
        half = len(process) // 2
        results += [
            Measurement(
                "browser.page.process_rise",
                rounded(median(process[half:]) - median(process[:half])),
                "MB",
                AIM_PROCESS_RISE_MB,
                {"highest": max(process)},
                title="Camera page: its process in the second half, above the first",
            ),
            Measurement(
                "browser.page.process",
                rounded(median(process[half:])),
                "MB",
                title="Camera page: its process in the second half",
            ),
        ]
    return results
