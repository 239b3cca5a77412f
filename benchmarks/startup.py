"""From the start of the server to the first `/readyz` that says that frames are taken, on a database with its tables.

The interpreter's start is part of it, and so is that of the embedded PostgreSQL where there is no other.
"""

import asyncio
from pathlib import Path

from benchmarks.measurement import Advance, Measurement, median, rounded
from storage.embedded import EmbeddedPostgres
from stream_server.child import ChildServer, temporary_folder

AIM_S = 2.0


def measure(models_dir: Path, *, quick: bool, advance: Advance) -> list[Measurement]:
    """With the embedded PostgreSQL, and with one that runs already."""
    return asyncio.run(_measure(models_dir, 2 if quick else 7, advance))


async def _measure(models_dir: Path, starts: int, advance: Advance) -> list[Measurement]:
    with temporary_folder() as folder:
        data_dir = Path(folder) / "embedded"
        embedded = await _starts(ChildServer(data_dir=data_dir, models_dir=models_dir), starts)
        advance(0.5)
        postgres = EmbeddedPostgres(Path(folder) / "running" / "postgres")
        await asyncio.to_thread(postgres.start)
        try:
            settings = {"DATABASE_URL": postgres.dsn}
            server = ChildServer(data_dir=Path(folder) / "running", models_dir=models_dir, settings=settings)
            running = await _starts(server, starts)
        finally:
            await asyncio.to_thread(postgres.stop)
        advance(1.0)
    return [
        _measurement("startup.embedded", "Start to ready, with the embedded PostgreSQL", embedded),
        _measurement("startup.database_running", "Start to ready, with a PostgreSQL that runs", running),
    ]


async def _starts(server: ChildServer, count: int) -> list[float]:
    """Seconds of each start. One more goes before them, which reads the programs from disk."""
    await asyncio.to_thread(server.upgrade)
    taken_s = []
    for number in range(count + 1):
        await server.start()
        if number > 0:
            taken_s.append(server.started_s)
        await server.stop()
    return taken_s


def _measurement(name: str, title: str, taken_s: list[float]) -> Measurement:
    detail = {"starts": len(taken_s), "slowest": rounded(max(taken_s)), "fastest": rounded(min(taken_s))}
    return Measurement(name, rounded(median(taken_s)), "s", AIM_S, detail, title=title)
