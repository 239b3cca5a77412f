"""Whole rosters: import with a dry run, export, and enrolment with an archive of photographs."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse

from recognition.errors import RequestError
from storage import people, roster_export, roster_import, sessions
from storage.database import Connection
from stream_server.api.audited import AuditOf
from stream_server.api.request import PROBLEMS, ServicesOf
from stream_server.api.timed_stream import TimedStream
from stream_server.messages.roster import PhotographOutcome, PhotographReport, RosterReport
from stream_server.people.enrolment import enrol_photograph, forget_unknown_faces_of
from stream_server.privacy.auditing import Action, Auditor
from stream_server.roster import archives
from stream_server.roster.photo_names import is_picture, possible_ids
from stream_server.roster.reading import read_roster
from stream_server.roster.tables import cell_for_export
from stream_server.roster.uploads import uploaded
from stream_server.services import Services

IMPORT_BODY_MAX_BYTES = 64 * 2**20
PHOTOGRAPHS_BODY_MAX_BYTES = 512 * 2**20
PHOTOGRAPH_LIMITS = archives.ArchiveLimits(entries_max=20_000, total_bytes_max=1024 * 2**20)

# Empty for those who never answered: an import takes "no" for an answer.
_CONSENT_CELLS = {people.Consent.GRANTED: "yes", people.Consent.REVOKED: "no", people.Consent.NONE: ""}

router = APIRouter(prefix="/roster", tags=["roster"], responses=PROBLEMS)


def _file_body(text: str, *kinds: str) -> dict[str, object]:
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {"requestBody": {"required": True, "description": text, "content": content}}


@router.post(
    "/import",
    summary="Import a roster",
    openapi_extra=_file_body(
        "The file itself: CSV, XLSX, or a OneRoster CSV zip (1.1 or 1.2). What it is, its bytes say.",
        "text/csv",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/zip",
    ),
    response_model=RosterReport,
    max_body_size=IMPORT_BODY_MAX_BYTES,
)
async def import_roster(
    request: Request,
    services: ServicesOf,
    audit: AuditOf,
    apply: Annotated[bool, Query(description="Store it; otherwise only say what would happen.")] = False,
) -> StreamingResponse:
    """Without `apply` a dry run: what becomes of each row, and nothing is stored. All or nothing is stored; rows that
    cannot be used are refused with their reason.
    """
    async with services.imports, uploaded(request) as path:
        batch = await asyncio.to_thread(read_roster, path)
        now = services.now()
        async with services.database.acquire() as connection, connection.transaction():
            if apply:
                await audit.changed(connection, Action.ROSTER_IMPORTED, source=batch.source)
            imported = await roster_import.import_roster(
                connection,
                batch,
                at=now,
                today=sessions.day_of(now, services.site.zone),
                apply=apply,
                actor=audit.actor,
                on_people=partial(_note_people, services, audit),
            )
    return report_of(imported)


@router.get("/export", summary="Export people and their groups", response_class=StreamingResponse)
async def export_roster(services: ServicesOf, audit: AuditOf) -> TimedStream:
    """CSV as the import takes it. What a spreadsheet would take for a formula has an apostrophe before it."""
    async with services.database.acquire() as connection:
        await audit.changed(connection, Action.ROSTER_EXPORTED)
    today = sessions.day_of(services.now(), services.site.zone)
    headers = {"Content-Disposition": 'attachment; filename="roster.csv"'}
    return TimedStream(_exported(services, today), media_type="text/csv; charset=utf-8", headers=headers)


@router.post(
    "/photographs",
    summary="Enrol with an archive of photographs",
    openapi_extra=_file_body(
        "A zip of pictures named by external id: `s-1815.jpg`, `s-1815_2.jpg`.", "application/zip"
    ),
    max_body_size=PHOTOGRAPHS_BODY_MAX_BYTES,
)
async def enrol_photographs(request: Request, services: ServicesOf, audit: AuditOf) -> PhotographReport:
    """Each picture by itself: one that is refused holds up no other. Without consent no picture is looked at."""
    async with services.imports, uploaded(request) as path:
        outcomes = [outcome async for outcome in _enrol_all(services, audit, path)]
    enrolled = sum(outcome.enrolled for outcome in outcomes)
    return PhotographReport(enrolled=enrolled, refused=len(outcomes) - enrolled, photographs=tuple(outcomes))


async def _note_people(
    services: Services, audit: Auditor, connection: Connection, people: roster_import.PeopleChanges
) -> None:
    for action, person_ids in (
        (Action.PERSON_CREATED, people.created),
        (Action.PERSON_UPDATED, people.renamed),
        (Action.CONSENT_GRANTED, people.granted),
        (Action.CONSENT_REVOKED, (*people.revoked, *people.refused)),
    ):
        await audit.changed_people(connection, action, person_ids)
    await forget_unknown_faces_of(services, connection, *people.revoked)


def report_of(imported: roster_import.Imported) -> StreamingResponse:
    """The report as a response. That of a large school is megabytes: sent as it is written, not built beforehand."""
    return StreamingResponse(_report(imported), media_type="application/json")


def _report(imported: roster_import.Imported) -> Iterator[str]:
    head = {"applied": imported.applied, "counts": imported.counts(), "warnings": imported.warnings}
    yield json.dumps(head)[:-1] + ', "rows": ['
    for number, told in enumerate(imported.rows):
        row = {
            "file": told.place.file,
            "row": told.place.row,
            "kind": told.kind,
            "key": told.key,
            "outcome": told.outcome.value,
            "reason": told.reason,
        }
        yield ("," if number else "") + json.dumps(row, ensure_ascii=False)
    yield "]}"


async def _exported(services: Services, today: date) -> AsyncGenerator[str, None]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["external_id", "name", "groups", "consent"])
    after: UUID | None = None
    while True:
        # A connection a piece, so that a slow reader holds none.
        async with services.database.acquire() as connection:
            piece = await roster_export.read_people(connection, today=today, after=after)
        for one in piece:
            cells = (one.external_id or "", one.name, ";".join(one.groups), _CONSENT_CELLS[one.consent])
            writer.writerow([cell_for_export(cell) for cell in cells])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        if not piece:
            return
        after = piece[-1].person_id


async def _enrol_all(services: Services, audit: Auditor, path: Path) -> AsyncIterator[PhotographOutcome]:
    with path.open("rb") as file, archives.opened(file, PHOTOGRAPH_LIMITS) as archive:
        for name in filter(is_picture, archive.names):
            try:
                person_id = await _person_of(services, name)
                photo = await asyncio.to_thread(archive.read, name, services.settings.http.max_photo_bytes)
                await enrol_photograph(services, audit, person_id, partial(_given, photo))
            except RequestError as error:
                yield PhotographOutcome(
                    file=name, enrolled=False, code=error.code, detail=error.detail, hint=error.hint
                )
            else:
                yield PhotographOutcome(file=name, enrolled=True)


async def _given(photo: bytes) -> bytes:
    return photo


async def _person_of(services: Services, name: str) -> UUID:
    async with services.database.acquire() as connection:
        return await people.find_by_external_ids(connection, possible_ids(name))
