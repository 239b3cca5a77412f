"""The memory of the server process: at rest, and under four cameras at 5 frames a second."""

import asyncio
from pathlib import Path

from benchmarks import processes
from benchmarks.load import cameras, enrol
from benchmarks.measurement import Advance, Measurement, rounded, slope
from benchmarks.pictures import RING_FPS, scenes
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient

CAMERAS = 4
AIM_MB = 170.0
# What two and a half minutes can tell apart from noise.
AIM_MB_PER_MIN = 0.5
_SETTLE_S = 5.0


def measure(models_dir: Path, *, quick: bool, advance: Advance) -> list[Measurement]:
    """Resident memory, its rise, processor use, and what is loaded."""
    return asyncio.run(_measure(models_dir, 20.0 if quick else 300.0, 0.5 if quick else 2.0, advance))


async def _measure(models_dir: Path, seconds: float, every_s: float, advance: Advance) -> list[Measurement]:
    seen = scenes(models_dir)  # encoded before anything is measured
    with temporary_folder() as folder:
        server = ChildServer(data_dir=Path(folder) / "data", models_dir=models_dir)
        async with server, server.client() as client:
            await asyncio.sleep(_SETTLE_S)
            at_rest_mb = await _rss_mb(client)
            await enrol(client, seen)
            async with cameras(client, CAMERAS) as streaming:
                for camera, scene in zip(streaming, seen, strict=True):
                    camera.look_at(scene.frames)
                cpu_before_s = processes.cpu_s(server.pid)
                points = await _watch(client, seconds, every_s, advance)
                cpu_after_s = processes.cpu_s(server.pid)
                readiness = await client.readiness()
            peak_mb, webrtc = processes.peak_rss_mb(server.pid), processes.webrtc_files(server.pid)
    frames = readiness["frames"]
    load = {
        "cameras": CAMERAS,
        "fps": RING_FPS,
        "minutes": rounded(seconds / 60),
        "engine": readiness["detector"]["engine"],
        "detector": readiness["detector"]["file"],
        "frames": frames,
    }
    minutes = f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
    results = [
        Measurement("memory.at_rest", rounded(at_rest_mb), "MB", AIM_MB, title="Server at rest"),
        Measurement(
            "memory.after_load",
            rounded(points[-1][1]),
            "MB",
            AIM_MB,
            {**load, "highest_sample": max(mb for _, mb in points)},
            title=f"Server after {minutes} of {CAMERAS} cameras at {RING_FPS:g} fps",
        ),
        Measurement(
            "memory.slope",
            rounded(slope([(at_s / 60, mb) for at_s, mb in points[len(points) // 2 :]])),
            "MB/min",
            AIM_MB_PER_MIN,
            {"seconds": rounded(seconds / 2), "samples": len(points) - len(points) // 2},
            title="Its rise over the second half",
        ),
        Measurement(
            "load.frames_recognised",
            rounded(100 * frames["processed"] / frames["received"]),
            "%",
            detail=load,
            title="Frames recognised, of those received",
        ),
    ]
    if peak_mb is not None:
        results.append(Measurement("memory.peak", rounded(peak_mb), "MB", title="Its peak"))
    if cpu_before_s is not None and cpu_after_s is not None:
        cores = (cpu_after_s - cpu_before_s) / seconds
        results.append(
            Measurement("load.cpu", rounded(cores), "cores", detail=load, title="Processor use of the server under it")
        )
    if webrtc is not None:
        results.append(
            Measurement(
                "memory.webrtc_files",
                len(webrtc),
                "files",
                0,
                {"loaded": webrtc},
                title="Compiled files of aiortc in the process",
            )
        )
    return results


async def _watch(client: ServerClient, seconds: float, every_s: float, advance: Advance) -> list[tuple[float, float]]:
    """Resident memory over time: pairs of seconds and MB."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    points = []
    while (passed_s := loop.time() - began) < seconds:
        await asyncio.sleep(min(every_s, seconds - passed_s))
        points.append((loop.time() - began, await _rss_mb(client)))
        advance(min(1.0, points[-1][0] / seconds))
    return points


async def _rss_mb(client: ServerClient) -> float:
    return float((await client.readiness())["memory"]["rss_mb"])
