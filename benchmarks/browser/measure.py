"""The part `browser` of the benchmarks: one server, and Chromium before it."""

import asyncio
import unittest
from pathlib import Path

import click

from benchmarks.browser import arrivals, loading, memory, window
from benchmarks.measurement import Advance, Measurement
from stream_server.child import ChildServer, temporary_folder

MINUTES = 10.0


def measure(models_dir: Path, *, quick: bool, advance: Advance, minutes: float = MINUTES) -> list[Measurement]:
    """Arrivals, first loads, and `minutes` of a camera page; nothing, with the reason said, where no browser is."""
    try:
        window.requirements()
    except unittest.SkipTest as missing:
        click.echo(f"browser: left out: {missing}", err=True)
        return []
    return asyncio.run(_measure(models_dir, memory.QUICK_S if quick else 60 * minutes, quick, advance))


async def _measure(models_dir: Path, seconds: float, quick: bool, advance: Advance) -> list[Measurement]:
    def part(number: int) -> Advance:
        return lambda done: advance((number + done) / 3)

    with temporary_folder() as name:
        folder = Path(name)
        async with ChildServer(data_dir=folder / "data", models_dir=models_dir) as server:
            return [
                *await arrivals.measure(server, models_dir, folder, quick=quick, advance=part(0)),
                *await loading.measure(server, quick=quick, advance=part(1)),
                *await memory.measure(server, models_dir, folder, seconds=seconds, advance=part(2)),
            ]
