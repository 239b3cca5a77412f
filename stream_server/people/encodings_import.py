"""Old encodings become templates: each row by itself, all that can be in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from recognition.errors import RequestError
from recognition.old_encodings import OldEncoding
from storage import gallery_backup, people, people_locks, sealing, templates
from storage.cipher import Cipher
from storage.database import Connection, Database
from storage.gallery_backup import KnownFaces
from stream_server.privacy.auditing import Action, Auditor

SOURCE = "face_recognition"
# Nobody knows how good the picture was.
QUALITY = 0.0


class RowOutcome(StrEnum):
    """What became of a row."""

    IMPORTED = "imported"
    ALREADY_THERE = "already_there"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RowResult:
    """The same, with the reason of a refusal."""

    row: int
    name: str
    outcome: RowOutcome
    reason: str = ""


class _DryRun(Exception):
    """Ends the transaction without a trace."""


async def import_encodings(
    database: Database,
    encodings: Sequence[OldEncoding],
    *,
    cipher: Cipher,
    model_id: str,
    add_with_consent: bool,
    dry_run: bool,
    at: datetime,
    audit: Auditor,
) -> list[RowResult]:
    """Store what can be and say what became of each row. A dry run does all of it and takes it back."""
    results: list[RowResult] = []
    await sealing.seal_all_plain(database, cipher)
    into = _Into(cipher, model_id, add_with_consent, at, audit)
    async with database.apart() as connection:
        try:
            async with connection.transaction():
                await people_locks.take_turn(connection)
                await people_locks.hold_all(
                    connection,
                    external_ids={one.external_id for one in encodings if one.external_id},
                    names={one.name for one in encodings if not one.external_id},
                )
                known = await gallery_backup.known_faces(connection, model_id, cipher)
                for encoding in encodings:
                    results.append(await _import(connection, encoding, known, into))
                if dry_run:
                    raise _DryRun
                await people.announce_gallery_changes(connection, into.enrolled)
        except _DryRun:
            pass
    return results


@dataclass(frozen=True, slots=True)
class _Into:
    cipher: Cipher
    model_id: str
    add_with_consent: bool
    at: datetime
    audit: Auditor
    # As keys, so that each is told of once and in order.
    enrolled: dict[UUID, None] = field(default_factory=dict)


async def _import(connection: Connection, encoding: OldEncoding, known: KnownFaces, into: _Into) -> RowResult:
    def result(outcome: RowOutcome, reason: str = "") -> RowResult:
        return RowResult(encoding.row, encoding.name or encoding.external_id or "", outcome, reason)

    if encoding.embedding is None:
        return result(RowOutcome.REFUSED, encoding.problem)
    try:
        async with connection.transaction():
            person, is_new = await gallery_backup.person_of_encoding(
                connection,
                name=encoding.name,
                external_id=encoding.external_id,
                add_with_consent=into.add_with_consent,
                at=into.at,
                actor=into.audit.actor,
            )
            if is_new:
                await into.audit.changed(connection, Action.PERSON_CREATED, person.person_id)
                await into.audit.changed(connection, Action.CONSENT_GRANTED, person.person_id, text=person.consent_text)
            if not known.is_new(person.person_id, encoding.embedding):
                return result(RowOutcome.ALREADY_THERE)
            await into.audit.changed(connection, Action.TEMPLATE_ADDED, person.person_id, source=SOURCE)
            await templates.add(
                connection,
                cipher=into.cipher,
                person_id=person.person_id,
                model_id=into.model_id,
                embedding=encoding.embedding,
                quality=QUALITY,
                source=SOURCE,
                announce=False,
            )
    except RequestError as error:
        return result(RowOutcome.REFUSED, error.detail)
    into.enrolled[person.person_id] = None
    return result(RowOutcome.IMPORTED)
