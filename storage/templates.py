"""Enrolled embeddings, encrypted at rest. Vectors leave the database only through `load_gallery`, for the matcher, and
through `vectors_of_person`, for the person.

Each is sealed by a `Cipher` that the caller brings, and bound to its person, its id and its model: a row that somebody
gives another person, another model or another id can no longer be opened.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import numpy as np

from recognition.errors import RequestError
from recognition.types import Embedding, Template
from storage import people
from storage.cipher import Cipher, SecretUnreadable
from storage.database import Connection, Record
from storage.errors import NotFound

PER_PERSON_MAX = 20
"""Templates of one person and one model. More would slow every search and add little."""

EMBEDDING_LENGTH = 128
_STORED_DTYPE = np.dtype("<f4")  # little endian on every machine
_GALLERY_BATCH = 500
_GALLERY_SQL = """
    SELECT t.id, t.person_id, t.model_id, t.sealed
    FROM templates t JOIN people p ON p.id = t.person_id
    WHERE t.model_id = $1 AND t.sealed IS NOT NULL AND p.consent = 'granted' AND p.erased_at IS NULL
    ORDER BY t.person_id, t.id
"""
_OF_PEOPLE = "AND p.id = ANY ($2)"
_GALLERY_OF_PEOPLE_SQL = _GALLERY_SQL.replace("ORDER BY", f"{_OF_PEOPLE} ORDER BY")
# An arbitrary number for the advisory lock; it spells "seal" in ASCII.
_SEAL_LOCK = 0x7365616C
SEAL_MAX = 500
"""Templates that are sealed at once by `seal_plain`."""

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


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledFaces:
    """What the matcher may compare with, and how many more there would be if their key were there."""

    templates: list[Template]
    unreadable: int


def context_of(person_id: UUID, template_id: UUID, model_id: str) -> str:
    """What a sealed embedding is bound to."""
    return f"template {person_id} {template_id} {model_id}"


def context_of_row(row: Record) -> str:
    """The same, of a row with `id`, `person_id` and `model_id`."""
    return context_of(row["person_id"], row["id"], row["model_id"])


async def add(
    connection: Connection,
    *,
    cipher: Cipher,
    person_id: UUID,
    model_id: str,
    embedding: Embedding,
    quality: float,
    source: str,
    announce: bool = True,
) -> StoredTemplate:
    """Store an embedding of shape (128,) and announce the changed gallery, in one transaction. Whoever adds those of
    several people does not `announce` but calls `people.announce_gallery_changes` at the end: the outbox is locked
    after everybody.

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
        template_id = uuid4()
        row = await connection.fetchrow(
            f"""
            INSERT INTO templates (id, person_id, model_id, sealed, quality, source)
            VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}
            """,
            template_id,
            person_id,
            model_id,
            cipher.seal_bytes(embedding.astype(_STORED_DTYPE).tobytes(), context_of(person_id, template_id, model_id)),
            quality,
            source,
        )
        assert row is not None
        if announce:
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


async def load_gallery(
    connection: Connection, model_id: str, cipher: Cipher, *, person_ids: Collection[UUID] | None = None
) -> EnrolledFaces:
    """What the matcher may compare with: templates of this model, of people who agreed and were not erased; of these
    people alone if some are given.

    One that cannot be opened is counted and left out: the others must go on working without it.
    """
    gallery: list[Template] = []
    unreadable = 0
    # A few at a time: the driver's own copy of a whole gallery would double the memory for a moment.
    async with connection.transaction(readonly=True):
        if person_ids is None:
            cursor = await connection.cursor(_GALLERY_SQL, model_id)
        else:
            cursor = await connection.cursor(_GALLERY_OF_PEOPLE_SQL, model_id, list(person_ids))
        while rows := await cursor.fetch(_GALLERY_BATCH):
            for row in rows:
                try:
                    embedding = _opened(row, cipher)
                except SecretUnreadable:
                    unreadable += 1
                    continue
                gallery.append(Template(str(row["id"]), str(row["person_id"]), model_id, embedding))
    return EnrolledFaces(gallery, unreadable)


async def vectors_of_person(connection: Connection, person_id: UUID, cipher: Cipher) -> dict[UUID, Embedding | None]:
    """The person's embeddings of all models by template id; None for one that cannot be opened."""
    rows = await connection.fetch(
        "SELECT id, person_id, model_id, sealed FROM templates WHERE person_id = $1 AND sealed IS NOT NULL", person_id
    )
    found: dict[UUID, Embedding | None] = {}
    for row in rows:
        try:
            found[row["id"]] = _opened(row, cipher)
        except SecretUnreadable:
            found[row["id"]] = None
    return found


async def seal_plain(connection: Connection, cipher: Cipher, limit: int = SEAL_MAX) -> int:
    """Seal templates from before they were encrypted, at most `limit`; return how many. Not 0: ask again.

    Several servers that start at once take turns, so that 0 means that none is left but of people who are being erased.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _SEAL_LOCK)
        rows = await connection.fetch(
            """
            SELECT id, person_id, model_id, embedding FROM templates WHERE embedding IS NOT NULL
            LIMIT $1 FOR UPDATE SKIP LOCKED
            """,
            limit,
        )
        await connection.executemany(
            "UPDATE templates SET sealed = $2, embedding = NULL WHERE id = $1",
            [(row["id"], cipher.seal_bytes(row["embedding"], context_of_row(row))) for row in rows],
        )
        if rows:
            # With them: whoever dies now leaves word of what is still in the file.
            await connection.execute(
                """
                INSERT INTO plain_template_files SELECT pg_relation_filenode('templates') ON CONFLICT DO NOTHING
                """
            )
    return len(rows)


async def file_was_plain(connection: Connection) -> bool:
    """Whether the file of the table held plain vectors: then it does until it is written anew, by us or by hand."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM plain_template_files WHERE filenode = pg_relation_filenode('templates'))"
    )
    return found


async def forget_plain_files(connection: Connection) -> None:
    """Forget the files that are no more."""
    await connection.execute("DELETE FROM plain_template_files WHERE filenode <> pg_relation_filenode('templates')")


async def count_of_others(
    connection: Connection, model_id: str, *, person_ids: Collection[UUID] | None = None
) -> dict[UUID, int]:
    """How many templates of other models than the running one there are, which cannot be used: of each person who has
    any, or of these people alone if some are given.
    """
    rows = await connection.fetch(
        f"""
        SELECT person_id, count(*) AS count FROM templates
        WHERE model_id <> $1 {"" if person_ids is None else "AND person_id = ANY ($2)"} GROUP BY person_id
        """,
        model_id,
        *(() if person_ids is None else (list(person_ids),)),
    )
    return {row["person_id"]: row["count"] for row in rows}


async def enrolled_names(
    connection: Connection, model_id: str, *, person_ids: Collection[UUID] | None = None
) -> dict[UUID, str]:
    """The names of the people whom `load_gallery` gives templates of."""
    rows = await connection.fetch(
        f"""
        SELECT DISTINCT p.id, p.name FROM people p JOIN templates t ON t.person_id = p.id
        WHERE t.model_id = $1 AND p.consent = 'granted' AND p.erased_at IS NULL
            {"" if person_ids is None else _OF_PEOPLE}
        """,
        model_id,
        *(() if person_ids is None else (list(person_ids),)),
    )
    return {row["id"]: row["name"] for row in rows}


def _opened(row: Record, cipher: Cipher) -> Embedding:
    data = cipher.open_bytes(row["sealed"], context_of_row(row))
    if len(data) != _STORED_DTYPE.itemsize * EMBEDDING_LENGTH:
        raise SecretUnreadable(f"template {row['id']} holds no embedding")
    return np.frombuffer(data, dtype=_STORED_DTYPE).astype(np.float32, copy=False)


def _stored(row: Record) -> StoredTemplate:
    return StoredTemplate(
        template_id=row["id"],
        person_id=row["person_id"],
        model_id=row["model_id"],
        quality=row["quality"],
        source=row["source"],
        created_at=row["created_at"],
    )
