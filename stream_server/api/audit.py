"""The audit log: who saw or changed what."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from storage import audit as audit_log
from stream_server.api.audited import AuditOf
from stream_server.api.request import PROBLEMS, Cursor, Limit, ServicesOf
from stream_server.messages.privacy import AuditEntry, AuditLog
from stream_server.privacy.auditing import Action

router = APIRouter(tags=["audit"], responses=PROBLEMS)

Text = Annotated[str | None, Query(min_length=1, max_length=200)]


@router.get("/audit", summary="Who saw or changed what")
async def list_audit(
    services: ServicesOf,
    audit: AuditOf,
    actor: Text = None,
    action: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=r"^[a-z_]+\.[a-z_]*$",
            description="Such as `person.read`, or `person.` for all of a kind.",
        ),
    ] = None,
    person_id: Annotated[UUID | None, Query(description="What is about this person.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="From this moment.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditLog:
    """The newest first; conditions that are given must all hold. Reading the log is noted in it."""
    async with services.database.acquire() as connection:
        await audit.seen(connection, Action.AUDIT_READ, person_id)
        page = await audit_log.list_entries(
            connection,
            actor=actor,
            action=action,
            subject=None if person_id is None else audit_log.of_person(person_id),
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )
    return AuditLog(audit=tuple(map(audit_entry, page.items)), next_cursor=page.next_cursor)


def audit_entry(entry: audit_log.Entry) -> AuditEntry:
    """An entry as it is shown."""
    return AuditEntry(
        id=entry.entry_id,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        request_id=entry.request_id,
        details=entry.details,
    )
