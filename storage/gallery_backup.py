"""The gallery as it is backed up and restored: people with their consent, and the templates of one model.

Restoring adds what is missing and changes nothing that is there. What this database knows of somebody's consent goes
before what a backup says: who has taken it back or was erased since stays so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import numpy as np

from recognition.errors import RequestError
from recognition.types import Embedding, Template
from storage import consents, people, templates
from storage.cipher import Cipher, SecretUnreadable
from storage.database import Connection
from storage.errors import NotFound, StorageUnavailable
from storage.paging import LIMIT_MAX
from storage.visibility import EVERYTHING


@dataclass(frozen=True, slots=True, eq=False)
class BackupTemplate:
    """An embedding, float32 (128,), with what is known of it."""

    embedding: Embedding
    quality: float
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class BackupPerson:
    """Somebody with consent as it was and, when it was given, templates."""

    person_id: UUID
    name: str
    external_id: str | None
    consent: people.Consent
    consent_at: datetime | None
    templates: tuple[BackupTemplate, ...] = ()


class Restored(StrEnum):
    """What became of a person."""

    ADDED = "added"
    UPDATED = "updated"  # was there; templates were added
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RestoredPerson:
    """The same, with how many templates were added, and why others were not."""

    outcome: Restored
    templates: int = 0
    reason: str = ""


class KnownFaces:
    """The embeddings that are there, so that none is added twice."""

    def __init__(self, of_people: Iterable[tuple[UUID, Embedding]] = ()) -> None:
        self._known = {(person_id, _key(embedding)) for person_id, embedding in of_people}

    def is_new(self, person_id: UUID, embedding: Embedding) -> bool:
        """Whether it is not known yet; from now on it is."""
        key = (person_id, _key(embedding))
        new = key not in self._known
        self._known.add(key)
        return new


async def known_faces(connection: Connection, model_id: str, cipher: Cipher) -> KnownFaces:
    """Those of the gallery. Raises SecretUnreadable."""
    gallery = await _readable(connection, model_id, cipher)
    return KnownFaces((UUID(template.person_id), template.embedding) for template in gallery)


async def everybody(connection: Connection, model_id: str, cipher: Cipher) -> list[BackupPerson]:
    """All people who were not erased, with their templates of this model. Without consent there are none.

    Raises SecretUnreadable when a template cannot be opened: a backup is whole.
    """
    faces: dict[UUID, list[BackupTemplate]] = {}
    facts = await templates.facts_of_model(connection, model_id)
    for template in await _readable(connection, model_id, cipher):
        fact = facts[UUID(template.template_id)]
        faces.setdefault(fact.person_id, []).append(BackupTemplate(template.embedding, fact.quality, fact.source))
    found: list[BackupPerson] = []
    cursor: str | None = None
    while True:
        page = await people.list_people(connection, EVERYTHING, limit=LIMIT_MAX, cursor=cursor)
        found += [
            BackupPerson(
                person.person_id,
                person.name,
                person.external_id,
                person.consent,
                person.consent_at,
                tuple(faces.get(person.person_id, ())),
            )
            for person in page.items
        ]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def restore(
    connection: Connection,
    person: BackupPerson,
    *,
    cipher: Cipher,
    model_id: str,
    known: KnownFaces,
    at: datetime,
    actor: str = consents.SYSTEM,
) -> RestoredPerson:
    """Add what is missing of one person. Run everybody in one transaction, so that a backup is restored whole, and
    call `people.announce_gallery_changes` at its end.

    Consent is noted as given when it was given, to a text that is not known here; `actor` is who restores.
    """
    try:
        present: people.Person | None = await people.get(connection, EVERYTHING, person.person_id)
    except NotFound:
        present = None
    if present is not None and present.erased_at is not None:
        return RestoredPerson(Restored.REFUSED, reason="was erased since")
    if present is None:
        try:
            present = await people.create(
                connection,
                name=person.name,
                external_id=person.external_id,
                consent=person.consent,
                consent_text=consents.NO_TEXT,
                at=person.consent_at or at,
                actor=actor,
                person_id=person.person_id,
            )
        except RequestError as error:
            return RestoredPerson(Restored.REFUSED, reason=error.detail)
        outcome = Restored.ADDED
    else:
        outcome = Restored.UNCHANGED
    if person.templates and present.consent is not people.Consent.GRANTED:
        return RestoredPerson(Restored.REFUSED, reason="has not agreed to be recognised by face")
    added, reason = 0, ""
    for template in person.templates:
        if not known.is_new(person.person_id, template.embedding):
            continue
        try:
            await templates.add(
                connection,
                cipher=cipher,
                person_id=person.person_id,
                model_id=model_id,
                embedding=template.embedding,
                quality=template.quality,
                source=template.source,
                announce=False,
            )
        except RequestError as error:
            reason = error.detail
            break
        added += 1
    if added and outcome is Restored.UNCHANGED:
        outcome = Restored.UPDATED
    return RestoredPerson(outcome, added, reason)


async def person_of_encoding(
    connection: Connection,
    *,
    name: str,
    external_id: str | None,
    add_with_consent: bool,
    at: datetime,
    actor: str = consents.SYSTEM,
) -> tuple[people.Person, bool]:
    """Whom an old encoding belongs to: by external id, else by exact name; added when nobody is there and all of them
    have agreed, which the second says. Raises NotFound, RequestError `person_ambiguous`, and as `people.create`.
    """
    column, value = ("external_id", external_id) if external_id else ("name", name)
    rows = await connection.fetch(
        f"SELECT id FROM people WHERE {column} = $1 AND erased_at IS NULL ORDER BY id LIMIT 2", value
    )
    if len(rows) > 1:
        raise RequestError("several people have this name", hint="give external ids", code="person_ambiguous")
    if rows:
        return await people.get(connection, EVERYTHING, rows[0]["id"]), False
    if not add_with_consent:
        raise NotFound("there is no such person", hint="add them first, with their consent", code="person_not_found")
    person = await people.create(
        connection, name=name, external_id=external_id, consent=people.Consent.GRANTED, at=at, actor=actor
    )
    return person, True


async def _readable(connection: Connection, model_id: str, cipher: Cipher) -> list[Template]:
    if await connection.fetchval("SELECT EXISTS (SELECT FROM templates WHERE embedding IS NOT NULL)"):
        # What somebody held while the others were sealed.
        raise StorageUnavailable("some enrolled faces are not encrypted yet", hint="run this again in a moment")
    faces = await templates.load_gallery(connection, model_id, cipher)
    if faces.unreadable:
        raise SecretUnreadable(
            f"{faces.unreadable} enrolled faces cannot be opened: their key is not there",
            hint="bring back the old key (ROLLCALL_SECRETS__OLD_KEYS, or the file secret-key)",
        )
    return faces.templates


def _key(embedding: Embedding) -> bytes:
    return embedding.astype(np.dtype("<f4")).tobytes()
