"""A large school: the import of its roster, the reload of its gallery, a year's lists and reports, all over HTTP.

10,000 people in 200 classes with 200 lessons each make two million records. Server and PostgreSQL share the machine
with whoever asks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from benchmarks.gallery_reload import enrol_all, key_settings, measure_reload
from benchmarks.measurement import Advance, Measurement, median, percentile, rounded
from benchmarks.processes import peak_rss_mb
from benchmarks.roster import measure_import
from benchmarks.school import School, SchoolSize, write_school
from recognition.errors import UnavailableError
from storage import migrate
from storage.embedded import EmbeddedPostgres
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient

PAGE_AIM_MS = 100.0
# As milliseconds for 1,000 rows, since an aim is the most that a value should be: 50,000 rows a second.
CSV_AIM_MS = 20.0
# Of a workbook nothing comes before it is whole.
REPORT_TIMEOUT_S = 300.0


def measure(models_dir: Path, *, quick: bool, advance: Advance) -> list[Measurement]:
    """Write the school, then ask for it."""
    size = SchoolSize(people=1000, classes=20, lessons_of_a_class=40) if quick else SchoolSize()
    return asyncio.run(_measure(models_dir, size, quick, advance))


async def _measure(models_dir: Path, size: SchoolSize, quick: bool, advance: Advance) -> list[Measurement]:
    samples = 10 if quick else 60
    found = [await measure_import(models_dir, size, 1 if quick else 3)]
    advance(0.1)
    with temporary_folder() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        dsn = await asyncio.to_thread(postgres.start)
        try:
            await migrate.upgrade(dsn)
            school = await write_school(dsn, size)
            await enrol_all(dsn, school.people)
            advance(0.5)
            settings = {"DATABASE_URL": dsn, **key_settings()}
            changes = 5 if quick else 50
            found.append(await measure_reload(Path(folder), models_dir, settings, school.people, changes))
            advance(0.6)
            server = ChildServer(data_dir=Path(folder) / "server", models_dir=models_dir, settings=settings)
            async with server, ServerClient(server.url, server.token, timeout_s=REPORT_TIMEOUT_S) as client:
                found += await _pages(client, school, samples)
                advance(0.7)
                for format_, rows in (("csv", school.records), ("xlsx", min(school.records, 50_000))):
                    found.append(await _report(server, client, school, format_, rows))
                advance(1.0)
        finally:
            await asyncio.to_thread(postgres.stop)
    return found


async def _pages(client: ServerClient, school: School, samples: int) -> list[Measurement]:
    def path_of(number: int) -> dict[str, tuple[str, dict[str, str]]]:
        person = school.people[number * 7919 % len(school.people)]
        session = school.sessions[number * 104_729 % len(school.sessions)]
        day = school.last_day - timedelta(days=number % 28)
        return {
            "sessions": ("/api/v1/sessions", {"limit": "50"}),
            "session": ("/api/v1/attendance", {"session_id": str(session), "limit": "50"}),
            "person_year": ("/api/v1/attendance", {"person_id": str(person), "limit": "200"}),
            "absent": ("/api/v1/attendance", {"status": "absent", "day": day.isoformat(), "limit": "200"}),
        }

    titles = {
        "sessions": "List of sessions, p95",
        "session": "List of one session, p95",
        "person_year": "A person's year, 200 records, p95",
        "absent": "List of the absent of a day, p95",
    }
    found = []
    for name, title in titles.items():
        taken_ms = []
        for number in range(samples):
            path, params = path_of(number)[name]
            taken_ms.append(await _ms(lambda path=path, params=params: client.call("GET", path, params=params)))
        detail = {"p50": rounded(median(taken_ms)), "samples": samples, "records": school.records}
        value = rounded(percentile(taken_ms, 95))
        found.append(Measurement(f"attendance.{name}.p95", value, "ms", PAGE_AIM_MS, detail, title=title))
    return found


async def _report(server: ChildServer, client: ServerClient, school: School, format_: str, rows: int) -> Measurement:
    params = {"from": "2000-01-01", "format": format_}
    if rows < school.records:  # whole days, about as many
        share = rows / school.records
        params["from"] = (school.last_day - timedelta(days=max(1, int(280 * share)))).isoformat()
    before_mb = peak_rss_mb(server.pid)
    count, size_bytes, began = 0, 0, time.perf_counter()
    async for piece in client.download("/api/v1/reports/attendance", params):
        count += piece.count(b"\n")
        size_bytes += len(piece)
    taken_s = time.perf_counter() - began
    after_mb = peak_rss_mb(server.pid)
    if format_ == "csv":
        written = count - 1
        if written != school.records:
            raise UnavailableError(f"the report has {written} rows of {school.records}")
    else:
        table = await client.call(
            "GET", "/api/v1/reports/attendance", params={**params, "format": "json", "layout": "sessions"}
        )
        written = sum(session["records"] for session in table["rows"])
    detail = {
        "rows": written,
        "rows_a_second": rounded(written / taken_s),
        "megabytes": rounded(size_bytes / 1e6),
        "peak_memory_before_mb": before_mb,
        "peak_memory_after_mb": after_mb,
    }
    aim = CSV_AIM_MS if format_ == "csv" else None
    title = f"Report as {format_.upper()}, 1,000 rows"
    return Measurement(f"attendance.report.{format_}", rounded(taken_s / written * 1e6), "ms", aim, detail, title=title)


async def _ms(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000
