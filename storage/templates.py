"""Enrolled embeddings. Vectors leave the database only through `load_gallery`, for the matcher."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import numpy as np

from recognition.errors import RequestError
from recognition.types import Embedding, Template
from storage import people
from storage.database import Connection, Record
from storage.errors import NotFound

PER_PERSON_MAX = 20
"""Templates of one person and one model. More would slow every search and add little."""

EMBEDDING_LENGTH = 128
_STORED_DTYPE = np.dtype("<f4")  # little endian on every machine
_GALLERY_BATCH = 500

_COLUMNS = "id, person_id, model_id, quality, source, created_at"


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template without its vector. `source` says where it comes from, `quality` lies in 0..1."""

    template_id: UUID
    person_id: UUID
    model_id: str
    quality: float
    source: str
    created_at: datetime


async def add(
    connection: Connection,
    *,
    person_id: UUID,
    model_id: str,
    embedding: Embedding,
    quality: float,
    source: str,
) -> StoredTemplate:
    """Store an embedding of shape (128,) and announce the changed gallery, in one transaction.

    Raises NotFound, Conflict `person_erased`, and RequestError `consent_missing`, `template_limit` or
    `embedding_invalid`.
    """
    if embedding.shape != (EMBEDDING_LENGTH,) or not np.isfinite(embedding).all():
        raise RequestError(
            f"an embedding is {EMBEDDING_LENGTH} finite numbers, this one has shape {embedding.shape}",
            code="embedding_invalid",
        )
    async with connection.transaction():
        # The lock keeps a revocation and a second enrolment out until this one is stored and counted.
        await connection.execute("SELECT 1 FROM people WHERE id = $1 FOR NO KEY UPDATE", person_id)
        await check_may_enrol(connection, person_id)
        count = await connection.fetchval(
            "SELECT count(*) FROM templates WHERE person_id = $1 AND model_id = $2", person_id, model_id
        )
        if count >= PER_PERSON_MAX:
            raise RequestError(
                f"person {person_id} has {count} templates already",
                hint="delete some of them first",
                code="template_limit",
            )
        row = await connection.fetchrow(
            f"""
            INSERT INTO templates (id, person_id, model_id, embedding, quality, source)
            VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}
            """,
            uuid4(),
            person_id,
            model_id,
            embedding.astype(_STORED_DTYPE).tobytes(),
            quality,
            source,
        )
        assert row is not None
        await people.announce_gallery_change(connection, person_id)
    return _stored(row)


async def check_may_enrol(connection: Connection, person_id: UUID) -> None:
    """Return if the person agreed to be recognised, so that nobody's photograph is looked at without.

    Raises NotFound, Conflict `person_erased`, and RequestError `consent_missing`.
    """
    person = await connection.fetchrow("SELECT consent, erased_at FROM people WHERE id = $1", person_id)
    if person is None:
        raise NotFound(f"there is no person {person_id}", code="person_not_found")
    if person["erased_at"] is not None:
        raise people.erased(person_id)
    if person["consent"] != people.Consent.GRANTED:
        raise RequestError(
            f"person {person_id} has not agreed to be recognised by face",
            hint="record the consent first, or mark attendance by hand",
            code="consent_missing",
        )


async def list_of_person(connection: Connection, person_id: UUID) -> list[StoredTemplate]:
    """The person's templates of all models, oldest first, without vectors."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM templates WHERE person_id = $1 ORDER BY created_at, id", person_id
    )
    return [_stored(row) for row in rows]


async def facts_of_model(connection: Connection, model_id: str) -> dict[UUID, StoredTemplate]:
    """All templates of a model by id, without vectors."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM templates WHERE model_id = $1", model_id)
    return {row["id"]: _stored(row) for row in rows}


async def delete(connection: Connection, template_id: UUID, *, person_id: UUID | None = None) -> None:
    """Delete one template, of that person if one is given, and announce the changed gallery. Raises
    NotFound.
    """
    async with connection.transaction():
        owner = await connection.fetchval(
            "DELETE FROM templates WHERE id = $1 AND person_id = coalesce($2, person_id) RETURNING person_id",
            template_id,
            person_id,
        )
        if owner is None:
            raise NotFound(f"there is no template {template_id}", code="template_not_found")
        await people.announce_gallery_change(connection, owner)


async def load_gallery(connection: Connection, model_id: str) -> list[Template]:
    """What the matcher may compare with: templates of this model, of people who agreed and were not erased."""
    gallery: list[Template] = []
    # Row by row: the driver's own copy of a whole gallery would double the memory for a moment.
    async with connection.transaction(readonly=True):
        rows = connection.cursor(
            """
            SELECT t.id, t.person_id, t.model_id, t.embedding
            FROM templates t JOIN people p ON p.id = t.person_id
            WHERE t.model_id = $1 AND p.consent = 'granted' AND p.erased_at IS NULL
            ORDER BY t.person_id, t.id
            """,
            model_id,
            prefetch=_GALLERY_BATCH,
        )
        async for row in rows:
            embedding = np.frombuffer(row["embedding"], dtype=_STORED_DTYPE).astype(np.float32, copy=False)
            gallery.append(Template(str(row["id"]), str(row["person_id"]), row["model_id"], embedding))
    return gallery


async def count_by_model(connection: Connection) -> dict[str, int]:
    """How many templates there are of each model; those of another than the running one cannot be used."""
    rows = await connection.fetch("SELECT model_id, count(*) AS count FROM templates GROUP BY model_id")
    return {row["model_id"]: row["count"] for row in rows}


async def enrolled_names(connection: Connection, model_id: str) -> dict[UUID, str]:
    """The names of the people whom `load_gallery` gives templates of."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT p.id, p.name FROM people p JOIN templates t ON t.person_id = p.id
        WHERE t.model_id = $1 AND p.consent = 'granted' AND p.erased_at IS NULL
        """,
        model_id,
    )
    return {row["id"]: row["name"] for row in rows}


def _stored(row: Record) -> StoredTemplate:
    return StoredTemplate(
        template_id=row["id"],
        person_id=row["person_id"],
        model_id=row["model_id"],
        quality=row["quality"],
        source=row["source"],
        created_at=row["created_at"],
    )
