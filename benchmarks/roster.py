"""The import of a large school's roster over HTTP, into an empty database: 10,000 people in 200 groups as one CSV."""

import csv
import io
import time
from pathlib import Path

from benchmarks.measurement import Measurement, median, rounded
from benchmarks.processes import peak_rss_mb
from benchmarks.school import SchoolSize, person_name
from recognition.errors import UnavailableError
from stream_server.child import ChildServer, temporary_folder
from stream_server.client import ServerClient

AIM_S = 10.0
TIMEOUT_S = 120.0
PATH = "/api/v1/roster/import"


def roster_csv(size: SchoolSize) -> bytes:
    """One row for each person: number, name, class, consent."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["external_id", "name", "groups", "consent"])
    of_a_class = size.people // size.classes
    for number in range(size.people):
        rows.writerow([f"s-{number:05}", person_name(number), f"Class {number // of_a_class + 1}", "yes"])
    return text.getvalue().encode()


async def measure_import(models_dir: Path, size: SchoolSize, imports: int) -> Measurement:
    """Seconds from sending the file to the whole report of its rows; each time on a new server and database."""
    roster = roster_csv(size)
    taken_s: list[float] = []
    detail: dict[str, object] = {"rows": size.people, "groups": size.classes, "imports": imports}
    for _ in range(imports):
        with temporary_folder() as folder:
            server = ChildServer(data_dir=Path(folder), models_dir=models_dir)
            server.upgrade()
            async with server, ServerClient(server.url, server.token, timeout_s=TIMEOUT_S) as client:
                before_mb = peak_rss_mb(server.pid)
                dry_s = await _import(client, roster, size.people, "created", apply=False)
                taken_s.append(await _import(client, roster, size.people, "created", apply=True))
                again_s = await _import(client, roster, size.people, "unchanged", apply=True)
                detail |= {
                    "dry_run_s": rounded(dry_s),
                    "unchanged_s": rounded(again_s),
                    "peak_memory_before_mb": before_mb,
                    "peak_memory_after_mb": peak_rss_mb(server.pid),
                }
    title = f"Import of {size.people:,} people in {size.classes} groups"
    return Measurement("attendance.import", rounded(median(taken_s)), "s", AIM_S, detail, title=title)


async def _import(client: ServerClient, roster: bytes, people: int, outcome: str, *, apply: bool) -> float:
    began = time.perf_counter()
    report = await client.call(
        "POST", PATH, photo=roster, params={"apply": str(apply).lower()}, headers={"Content-Type": "text/csv"}
    )
    taken_s = time.perf_counter() - began
    for kind in ("person", "membership"):
        as_told = sum(row["kind"] == kind and row["outcome"] == outcome for row in report["rows"])
        if as_told != people or report["applied"] is not apply:
            raise UnavailableError(f"of {people} rows {as_told} tell of a {outcome} {kind}: {report['counts']}")
    return taken_s
