"""What people agreed to: every answer that somebody gave, in order, and the texts that they answered. Append-only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from recognition.errors import RequestError
from storage.database import Connection, Record
from storage.errors import NotFound

TEXT_LENGTH_MAX = 20_000
NO_TEXT = 0
"""Stands for the version of an answer to no text that is known here. Versions begin at 1."""

SYSTEM = "system"
"""The actor of what nobody asked for, such as a migration."""


class Consent(StrEnum):
    """Whether somebody agreed to be recognised by face. Only `granted` lets a template exist."""

    GRANTED = "granted"
    NONE = "none"  # never asked, or not answered
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ConsentText:
    """What people are asked. A version never changes; another text is another version."""

    version: int
    text: str
    actor: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One answer. `text_version` is None where there was no text yet, and for answers other than `granted`."""

    state: Consent
    text_version: int | None
    actor: str
    at: datetime


async def append(
    connection: Connection, person_id: UUID, state: Consent, *, text_version: int | None, at: datetime, actor: str
) -> None:
    """Note an answer, in the caller's transaction."""
    await connection.execute(
        "INSERT INTO consents (person_id, state, text_version, actor, at) VALUES ($1, $2, $3, $4, $5)",
        person_id,
        state,
        text_version,
        actor,
        at,
    )


async def append_granted(connection: Connection, person_ids: Sequence[UUID], *, at: datetime, actor: str) -> None:
    """Note that all of these agreed to the newest text, in the caller's transaction."""
    await connection.execute(
        """
        INSERT INTO consents (person_id, state, text_version, actor, at)
        SELECT id, 'granted', (SELECT max(version) FROM consent_texts), $2, $3 FROM unnest($1::uuid[]) AS id
        """,
        list(person_ids),
        actor,
        at,
    )


async def append_revoked(connection: Connection, person_ids: Sequence[UUID], *, at: datetime, actor: str) -> None:
    """Note that none of these agree (any more), in the caller's transaction."""
    await connection.execute(
        """
        INSERT INTO consents (person_id, state, actor, at)
        SELECT id, 'revoked', $2, $3 FROM unnest($1::uuid[]) AS id
        """,
        list(person_ids),
        actor,
        at,
    )


async def history(connection: Connection, person_id: UUID) -> list[ConsentRecord]:
    """The person's answers, the first one first."""
    rows = await connection.fetch(
        "SELECT state, text_version, actor, at FROM consents WHERE person_id = $1 ORDER BY id", person_id
    )
    return [ConsentRecord(Consent(row["state"]), row["text_version"], row["actor"], row["at"]) for row in rows]


async def version_meant(connection: Connection, asked_for: int | None) -> int | None:
    """The version that an answer is to: the one asked for, else the newest. None when there is no text, or NO_TEXT.

    Raises RequestError `consent_text_unknown`.
    """
    if asked_for == NO_TEXT:
        return None
    if asked_for is None:
        newest: int | None = await connection.fetchval("SELECT max(version) FROM consent_texts")
        return newest
    if await connection.fetchval("SELECT 1 FROM consent_texts WHERE version = $1", asked_for) is None:
        raise RequestError(
            f"there is no version {asked_for} of the consent text",
            hint="GET /api/v1/consent-texts lists them",
            code="consent_text_unknown",
        )
    return asked_for


async def publish_text(connection: Connection, text: str, *, at: datetime, actor: str) -> tuple[ConsentText, bool]:
    """Make a text the newest version; returns it and whether it is new: the newest text again changes nothing.

    Raises RequestError `consent_text_invalid`.
    """
    text = text.replace("\r\n", "\n").strip()
    if not text or len(text) > TEXT_LENGTH_MAX or "\0" in text:
        raise RequestError(
            "this text cannot be stored",
            hint=f"use 1 to {TEXT_LENGTH_MAX} characters of plain text",
            code="consent_text_invalid",
        )
    async with connection.transaction():
        await connection.execute("LOCK TABLE consent_texts IN SHARE ROW EXCLUSIVE MODE")
        newest = await connection.fetchrow("SELECT * FROM consent_texts ORDER BY version DESC LIMIT 1")
        if newest is not None and newest["text"] == text:
            return _text(newest), False
        row = await connection.fetchrow(
            "INSERT INTO consent_texts (version, text, actor, published_at) VALUES ($1, $2, $3, $4) RETURNING *",
            1 if newest is None else newest["version"] + 1,
            text,
            actor,
            at,
        )
    assert row is not None
    return _text(row), True


async def get_text(connection: Connection, version: int) -> ConsentText:
    """One version. Raises NotFound `consent_text_not_found`."""
    row = await connection.fetchrow("SELECT * FROM consent_texts WHERE version = $1", version)
    if row is None:
        raise NotFound(f"there is no version {version} of the consent text", code="consent_text_not_found")
    return _text(row)


async def newest_texts(connection: Connection, limit: int) -> list[ConsentText]:
    """The newest versions, at most `limit`, the newest first."""
    rows = await connection.fetch("SELECT * FROM consent_texts ORDER BY version DESC LIMIT $1", limit)
    return [_text(row) for row in rows]


async def forget(connection: Connection, erased_before: datetime, limit: int) -> int:
    """Delete the answers of people who were erased before that, at most `limit`; return how many."""
    count: int = await connection.fetchval("SELECT forget_consents($1, $2)", erased_before, limit)
    return count


def _text(row: Record) -> ConsentText:
    return ConsentText(row["version"], row["text"], row["actor"], row["published_at"])
