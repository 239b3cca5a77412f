"""Everything that is held on one person, table by table, in pieces: for the person who asks for it."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storage.database import Connection

PIECE_MAX = 500


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of a table that are about a person; $1 in `condition` is the person's id.

    `key` orders them. What is in `leave_out` is not shown: nobody could read it, or it tells of somebody else.
    """

    name: str
    table: str
    condition: str
    key: str = "id"
    leave_out: tuple[str, ...] = ()


SECTIONS = (
    Section("consents", "consents", "person_id = $1"),
    Section(
        "consent_texts",
        "consent_texts",
        "version IN (SELECT text_version FROM consents WHERE person_id = $1)",
        key="version",
    ),
    Section("templates", "templates", "person_id = $1", leave_out=("sealed", "embedding")),
    Section("memberships", "memberships", "person_id = $1"),
    Section("credentials", "credentials", "person_id = $1", leave_out=("digest",)),
    Section("attendance", "attendance", "person_id = $1"),
    Section(
        "attendance_corrections",
        "attendance_corrections",
        "attendance_id IN (SELECT id FROM attendance WHERE person_id = $1)",
        key="attendance_id::text || lpad(number::text, 10, '0')",
    ),
    Section("punches", "punches", "person_id = $1"),
    # Whom else a face came near is not this person's to know.
    Section(
        "reviews",
        "reviews",
        "nearest_id = $1 OR settled_as = $1 OR id IN (SELECT review_id FROM review_candidates WHERE person_id = $1)",
        leave_out=("nearest_id", "settled_as"),
    ),
    Section("review_candidates", "review_candidates", "person_id = $1", key="review_id"),
    Section("sightings", "sightings", "person_id = $1"),
    Section(
        "answers_to_kiosks",
        "idempotency_keys",
        "response -> 'person' ->> 'id' = $1::uuid::text",
        key="key",
        leave_out=("request_digest",),
    ),
    Section(
        "events", "outbox", "payload -> 'person' ->> 'id' = $1::uuid::text OR payload ->> 'person_id' = $1::uuid::text"
    ),
    # Only what came of what a receiver was told of this person: a name alone may be somebody else's too.
    Section(
        "answers_of_receivers",
        "webhook_deliveries",
        """
        response <> '' AND (strpos(response, $1::uuid::text) > 0 OR event_id IN (
            SELECT id FROM outbox
            WHERE payload -> 'person' ->> 'id' = $1::uuid::text OR payload ->> 'person_id' = $1::uuid::text
        ))
        """,
    ),
    Section("audit", "audit_log", "subject = 'person:' || $1::uuid::text"),
)
"""Every table that tells of people; a test compares it with the tables. `people` itself is the document's head."""


async def piece(
    connection: Connection, section: Section, person_id: UUID, after: object | None, limit: int = PIECE_MAX
) -> tuple[list[dict[str, Any]], object | None]:
    """Rows behind `after` (None: from the start) with all their columns, and what to go on behind; None at the end."""
    behind = "" if after is None else f"AND {section.key} > $4"
    rows = await connection.fetch(
        f"""
        SELECT {section.key} AS key, to_jsonb(t) - $2::text[] AS content FROM {section.table} AS t
        WHERE ({section.condition}) {behind} ORDER BY {section.key} LIMIT $3
        """,
        person_id,
        list(section.leave_out),
        limit,
        *(() if after is None else (after,)),
    )
    return [json.loads(row["content"]) for row in rows], rows[-1]["key"] if len(rows) == limit else None


async def person(connection: Connection, person_id: UUID) -> dict[str, Any] | None:
    """The person's own row with all its columns; None when there is none."""
    content = await connection.fetchval("SELECT to_jsonb(people) FROM people WHERE id = $1", person_id)
    return None if content is None else dict(json.loads(content))
