"""A gallery's backup: what its lines say, and how they are written and read.

The first line names the model, the others are people with their templates, and the last says how many there were.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO
from uuid import UUID

import numpy as np

from recognition.errors import RequestError
from storage import gallery_backup, people, people_locks, sealing
from storage.cipher import Cipher
from storage.database import Database
from storage.gallery_backup import BackupPerson, BackupTemplate, Restored
from storage.people import Consent
from stream_server.people.gallery_file import BackupUnusable, SealedWriter, sealed_lines
from stream_server.privacy.auditing import Action, Auditor


class OtherModel(RequestError):
    """The templates of a backup are another network's."""

    code = "backup_of_other_model"


@dataclass(slots=True)
class RestoreReport:
    """What became of a backup's people."""

    counts: dict[str, int] = field(default_factory=lambda: {outcome.value: 0 for outcome in Restored})
    templates: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)


async def write_backup(
    file: BinaryIO, passphrase: str, database: Database, *, cipher: Cipher, model: str, model_id: str, audit: Auditor
) -> int:
    """Write everybody and return how many people there are. Raises SecretUnreadable.

    It is noted in the audit log when the file is complete. Where that cannot be noted there must be no file.
    """
    await sealing.seal_all_plain(database, cipher)
    async with database.apart() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        everybody = await gallery_backup.everybody(connection, model_id, cipher)
    writer = SealedWriter(file, passphrase)
    writer.line({"kind": "gallery", "model": model, "model_id": model_id, "at": datetime.now(UTC).isoformat()})
    for person in everybody:
        writer.line(_line_of(person))
    writer.line({"kind": "end", "people": len(everybody)})
    writer.close()
    file.flush()
    async with database.acquire() as connection:
        await audit.changed(connection, Action.GALLERY_EXPORTED, people=len(everybody))
    return len(everybody)


def read_backup(file: BinaryIO, passphrase: str, *, model_id: str) -> list[BackupPerson]:
    """Everybody in a backup, which is believed only when it is whole. Raises BackupUnusable and OtherModel."""
    lines = sealed_lines(file, passphrase)
    head = next(lines, {})
    if head.get("kind") != "gallery":
        raise BackupUnusable("the backup does not say what it holds")
    if head.get("model_id") != model_id:
        raise OtherModel(
            f"the templates are of {str(head.get('model'))[:80]} ({str(head.get('model_id'))[:12]}…), "
            f"and this installation compares with {model_id[:12]}…",
            hint="choose the same network (ROLLCALL_RECOGNITION__PRECISION), or enrol from photographs: "
            "templates of different networks are never compared",
        )
    return _whole(lines)


async def restore_backup(
    database: Database, everybody: Sequence[BackupPerson], *, cipher: Cipher, model_id: str, audit: Auditor
) -> RestoreReport:
    """Add what is missing, all of it in one transaction: when that fails nothing was changed."""
    report, at = RestoreReport(), datetime.now(UTC)
    await sealing.seal_all_plain(database, cipher)
    async with database.apart() as connection, connection.transaction():
        await people_locks.take_turn(connection)
        await people_locks.hold_all(connection, person_ids=[person.person_id for person in everybody])
        known = await gallery_backup.known_faces(connection, model_id, cipher)
        changed: list[UUID] = []
        enrolled: list[UUID] = []
        for person in everybody:
            restored = await gallery_backup.restore(
                connection, person, cipher=cipher, model_id=model_id, known=known, at=at, actor=audit.actor
            )
            if restored.outcome in (Restored.ADDED, Restored.UPDATED):
                changed.append(person.person_id)
            if restored.templates:
                enrolled.append(person.person_id)
            report.counts[restored.outcome.value] += 1
            report.templates += restored.templates
            if restored.reason:
                report.refused.append({"id": str(person.person_id), "name": person.name, "reason": restored.reason})
        await audit.changed_people(connection, Action.GALLERY_RESTORED, changed)
        await people.announce_gallery_changes(connection, enrolled)
    return report


def _whole(lines: Iterator[dict[str, Any]]) -> list[BackupPerson]:
    everybody: list[BackupPerson] = []
    for line in lines:
        if line.get("kind") == "end":
            if line.get("people") != len(everybody) or next(lines, None) is not None:
                break
            return everybody
        everybody.append(_person_of(line))
    raise BackupUnusable("the backup does not hold everybody that it should", hint="use another copy")


def _line_of(person: BackupPerson) -> dict[str, Any]:
    return {
        "kind": "person",
        "id": str(person.person_id),
        "name": person.name,
        "external_id": person.external_id,
        "consent": person.consent.value,
        "consent_at": None if person.consent_at is None else person.consent_at.isoformat(),
        "templates": [
            {
                "embedding": base64.b64encode(template.embedding.astype("<f4").tobytes()).decode(),
                "quality": template.quality,
                "source": template.source,
            }
            for template in person.templates
        ],
    }


def _person_of(line: dict[str, Any]) -> BackupPerson:
    try:
        consent = Consent(line["consent"])
        faces = tuple(
            BackupTemplate(
                np.frombuffer(base64.b64decode(face["embedding"], validate=True), "<f4").astype(np.float32),
                float(face["quality"]),
                str(face["source"]),
            )
            for face in line["templates"]
        )
        consent_at = None if line["consent_at"] is None else datetime.fromisoformat(line["consent_at"])
        return BackupPerson(UUID(line["id"]), line["name"], line["external_id"], consent, consent_at, faces)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise BackupUnusable("the backup holds a person that cannot be understood") from error
