"""Faces of people whom nobody has named: clusters and their faces, sealed like templates, and never kept for long."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import numpy as np

from recognition.types import Embedding, Template, UnknownCluster, UnknownMember
from storage import outbox
from storage.cipher import Cipher, SecretUnreadable
from storage.database import Connection, Record
from storage.errors import Conflict, NotFound
from storage.paging import LIMIT_DEFAULT, Page, checked_limit, page_of, time_cursor

FORGET_MAX = 500
_STORED_DTYPE = np.dtype("<f4")
# An arbitrary number for the advisory lock; it spells "unkn" in ASCII.
_LOCK = 0x756E6B6E

_SELECT = """
    SELECT f.*, count(m.id) AS members, max(m.quality) AS quality, count(m.crop) > 0 AS has_crop,
           array_agg(DISTINCT m.camera_id) FILTER (WHERE m.id IS NOT NULL) AS cameras
    FROM unknown_faces f LEFT JOIN unknown_face_members m ON m.face_id = f.id
"""

_SEALED = """
    SELECT m.id, m.face_id, m.model_id, m.sealed, m.quality, f.last_seen_at, f.ignored_at
    FROM unknown_face_members m JOIN unknown_faces f ON f.id = m.face_id
"""


@dataclass(frozen=True, slots=True)
class StoredUnknown:
    """A cluster without its faces. `seen` counts the tracks that belonged to it, kept or not; `quality` in 0..1 is that
    of the best face kept.
    """

    face_id: UUID
    ignored: bool
    seen: int
    members: int
    quality: float
    cameras: tuple[str, ...]
    has_crop: bool
    first_seen_at: datetime
    last_seen_at: datetime


def member_context(face_id: UUID, member_id: UUID, model_id: str) -> str:
    """What a sealed face is bound to."""
    return f"unknown face {face_id} {member_id} {model_id}"


def crop_context(member_id: UUID) -> str:
    """What a sealed picture is bound to."""
    return f"unknown crop {member_id}"


async def lock(connection: Connection) -> None:
    """Let no other server sort faces, or take clusters away, until the transaction ends.

    The first lock of a transaction: people, clusters and at last the outbox are locked after it.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def load(connection: Connection, model_id: str, cipher: Cipher) -> list[UnknownCluster]:
    """Every cluster of this model with its faces; a face that cannot be opened is left out."""
    rows = await connection.fetch(f"{_SEALED} WHERE m.model_id = $1 ORDER BY m.face_id", model_id)
    # A thousand faces take some 10 ms to open, for which the event loop must not stand still.
    return await asyncio.to_thread(_clusters, rows, cipher)


def _clusters(rows: Sequence[Record], cipher: Cipher) -> list[UnknownCluster]:
    members: dict[UUID, list[UnknownMember]] = {}
    facts: dict[UUID, Record] = {}
    for row in rows:
        try:
            embedding = _opened(row, cipher)
        except SecretUnreadable:
            continue
        facts[row["face_id"]] = row
        members.setdefault(row["face_id"], []).append(UnknownMember(str(row["id"]), embedding, row["quality"]))
    return [
        UnknownCluster(
            str(face_id), tuple(found), facts[face_id]["last_seen_at"], facts[face_id]["ignored_at"] is not None
        )
        for face_id, found in members.items()
    ]


async def load_ignored(connection: Connection, model_id: str, cipher: Cipher) -> list[Template]:
    """The faces that must never get a name, for the gallery."""
    rows = await connection.fetch(
        f"{_SEALED} WHERE m.model_id = $1 AND f.ignored_at IS NOT NULL ORDER BY m.face_id", model_id
    )
    return [
        Template(member.member_id, f"ignored:{cluster.cluster_id}", model_id, member.embedding)
        for cluster in await asyncio.to_thread(_clusters, rows, cipher)
        for member in cluster.members
    ]


async def ignored_ids(connection: Connection, model_id: str) -> frozenset[UUID]:
    """The ids of the faces that `load_ignored` reads, also of those that cannot be opened."""
    rows = await connection.fetch(
        """
        SELECT m.id FROM unknown_face_members m JOIN unknown_faces f ON f.id = m.face_id
        WHERE m.model_id = $1 AND f.ignored_at IS NOT NULL
        """,
        model_id,
    )
    return frozenset(row["id"] for row in rows)


async def count_ignored_of_others(connection: Connection, model_id: str) -> int:
    """How many faces are to be ignored that no face of this model can be compared with."""
    count: int = await connection.fetchval(
        """
        SELECT count(*) FROM unknown_faces f WHERE ignored_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM unknown_face_members m WHERE m.face_id = f.id AND m.model_id = $1)
        """,
        model_id,
    )
    return count


async def begin(connection: Connection, at: datetime) -> UUID:
    """Make a cluster without faces; returns its id."""
    face_id = uuid4()
    await connection.execute(
        "INSERT INTO unknown_faces (id, seen, first_seen_at, last_seen_at) VALUES ($1, 0, $2, $2)", face_id, at
    )
    return face_id


async def see(connection: Connection, face_id: UUID, at: datetime) -> None:
    """Count one more track of the cluster."""
    await connection.execute(
        "UPDATE unknown_faces SET seen = seen + 1, last_seen_at = greatest(last_seen_at, $2) WHERE id = $1", face_id, at
    )


async def add_member(
    connection: Connection,
    face_id: UUID,
    *,
    cipher: Cipher,
    model_id: str,
    embedding: Embedding,
    quality: float,
    camera_id: str,
    at: datetime,
    crop_jpeg: bytes | None,
    replaces: UUID | None = None,
) -> UUID:
    """Keep a face, in place of another one of the cluster if that is given; returns its id."""
    if replaces is not None:
        await connection.execute("DELETE FROM unknown_face_members WHERE id = $1", replaces)
    member_id = uuid4()
    data = embedding.astype(_STORED_DTYPE).tobytes()
    await connection.execute(
        """
        INSERT INTO unknown_face_members (id, face_id, model_id, sealed, crop, quality, camera_id, captured_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        member_id,
        face_id,
        model_id,
        cipher.seal_bytes(data, member_context(face_id, member_id, model_id)),
        None if crop_jpeg is None else cipher.seal_bytes(crop_jpeg, crop_context(member_id)),
        quality,
        camera_id,
        at,
    )
    return member_id


async def list_faces(
    connection: Connection, *, ignored: bool = False, limit: int = LIMIT_DEFAULT, cursor: str | None = None
) -> Page[StoredUnknown]:
    """Those that nobody has settled, or those that are ignored; seen last first. Raises RequestError."""
    checked_limit(limit)
    before = time_cursor(cursor)
    behind, arguments = ("", []) if before is None else ("AND (f.last_seen_at, f.id) < ($3, $4)", list(before))
    rows = await connection.fetch(
        f"""
        {_SELECT} WHERE (f.ignored_at IS NOT NULL) = $2 {behind}
        GROUP BY f.id ORDER BY f.last_seen_at DESC, f.id DESC LIMIT $1
        """,
        limit + 1,
        ignored,
        *arguments,
    )
    return page_of([_stored(row) for row in rows], limit, lambda face: (face.last_seen_at, face.face_id))


async def get(connection: Connection, face_id: UUID) -> StoredUnknown:
    """One cluster. Raises NotFound `unknown_face_not_found`."""
    row = await connection.fetchrow(f"{_SELECT} WHERE f.id = $1 GROUP BY f.id", face_id)
    if row is None:
        raise _missing(face_id)
    return _stored(row)


async def crop(connection: Connection, face_id: UUID, cipher: Cipher) -> bytes:
    """The best picture of a cluster as JPEG. Raises NotFound `crop_not_found`, SecretUnreadable."""
    row = await connection.fetchrow(
        """
        SELECT id, crop FROM unknown_face_members WHERE face_id = $1 AND crop IS NOT NULL
        ORDER BY quality DESC, id LIMIT 1
        """,
        face_id,
    )
    if row is None:
        raise NotFound(
            f"no picture of the unknown face {face_id} is kept",
            hint="ROLLCALL_UNKNOWN_FACES__CROPS lets the server keep them",
            code="crop_not_found",
        )
    return cipher.open_bytes(row["crop"], crop_context(row["id"]))


async def best_members(
    connection: Connection, face_id: UUID, cipher: Cipher, limit: int
) -> list[tuple[str, Embedding, float]]:
    """Model, embedding and quality of the best faces of a cluster, which is held until the transaction ends.

    Raises NotFound, Conflict `unknown_face_ignored`, SecretUnreadable.
    """
    face = await connection.fetchrow("SELECT ignored_at FROM unknown_faces WHERE id = $1 FOR UPDATE", face_id)
    if face is None:
        raise _missing(face_id)
    if face["ignored_at"] is not None:
        raise Conflict(
            f"the unknown face {face_id} is to be ignored",
            hint="discard it first; it is then collected anew",
            code="unknown_face_ignored",
        )
    rows = await connection.fetch(
        """
        SELECT id, face_id, model_id, sealed, quality FROM unknown_face_members WHERE face_id = $1
        ORDER BY quality DESC, id LIMIT $2
        """,
        face_id,
        limit,
    )
    return [(row["model_id"], _opened(row, cipher), row["quality"]) for row in rows]


async def ignore(connection: Connection, face_id: UUID, at: datetime, *, ignored_max: int) -> bool:
    """Never name this face again: it stays as what it must not be taken for, without its pictures. False when it was
    to be ignored already.

    Raises NotFound, and Conflict `ignored_faces_limit` when `ignored_max` are ignored already.
    """
    async with connection.transaction():
        await lock(connection)
        face = await get(connection, face_id)
        if face.ignored:
            return False
        count = await connection.fetchval("SELECT count(*) FROM unknown_faces WHERE ignored_at IS NOT NULL")
        if count >= ignored_max:
            # None is let go for it: whoever asked not to be collected would be collected again, and nobody told.
            raise Conflict(
                f"{count} faces are to be ignored already",
                hint="discard some of them, or raise ROLLCALL_UNKNOWN_FACES__MAX_PEOPLE",
                code="ignored_faces_limit",
            )
        await connection.execute("UPDATE unknown_faces SET ignored_at = $2 WHERE id = $1", face_id, at)
        await connection.execute("UPDATE unknown_face_members SET crop = NULL WHERE face_id = $1", face_id)
        await _announce(connection, face_id)
    return True


async def forget_clusters(connection: Connection, face_ids: Sequence[UUID]) -> int:
    """Delete clusters with all that is kept of them; returns how many were still there. The caller holds the lock, and
    writes `gallery.changed` when ignored ones may be among them: last, because the outbox is locked last.
    """
    rows = await connection.fetch("DELETE FROM unknown_faces WHERE id = ANY ($1::uuid[]) RETURNING 1", list(face_ids))
    return len(rows)


async def delete(connection: Connection, face_id: UUID) -> None:
    """Forget a cluster with all that is kept of it. Raises NotFound."""
    async with connection.transaction():
        await lock(connection)
        gone = await connection.fetchrow("DELETE FROM unknown_faces WHERE id = $1 RETURNING ignored_at", face_id)
        if gone is None:
            raise _missing(face_id)
        if gone["ignored_at"] is not None:
            await _announce(connection, face_id)


async def forget_members(connection: Connection, older_than: datetime, limit: int = FORGET_MAX) -> int:
    """Delete faces from before that, at most `limit`, and clusters that are left without; return how many faces.

    Those that are to be ignored stay.
    """
    async with connection.transaction():
        await lock(connection)  # a face that is being sorted may belong to one of them
        count: int = await connection.fetchval(
            """
            WITH gone AS (
                DELETE FROM unknown_face_members WHERE id IN (
                    SELECT m.id FROM unknown_face_members m JOIN unknown_faces f ON f.id = m.face_id
                    WHERE m.captured_at < $1 AND f.ignored_at IS NULL LIMIT $2 FOR UPDATE OF m SKIP LOCKED
                )
                RETURNING 1
            )
            SELECT count(*) FROM gone
            """,
            older_than,
            limit,
        )
        await connection.execute(
            """
            DELETE FROM unknown_faces f WHERE last_seen_at < $1
            AND NOT EXISTS (SELECT 1 FROM unknown_face_members m WHERE m.face_id = f.id)
            """,
            older_than,
        )
    return count


async def forget_crops(connection: Connection, older_than: datetime, limit: int = FORGET_MAX) -> int:
    """Delete pictures from before that, at most `limit`; return how many."""
    rows = await connection.fetch(
        """
        UPDATE unknown_face_members SET crop = NULL WHERE id IN (
            SELECT id FROM unknown_face_members WHERE crop IS NOT NULL AND captured_at < $1
            LIMIT $2 FOR UPDATE SKIP LOCKED
        ) RETURNING 1
        """,
        older_than,
        limit,
    )
    return len(rows)


async def forget_ignored(connection: Connection, older_than: datetime, limit: int = FORGET_MAX) -> int:
    """Delete faces that were to be ignored since before that, at most `limit`; return how many."""
    async with connection.transaction():
        await lock(connection)
        rows = await connection.fetch(
            """
            DELETE FROM unknown_faces WHERE id IN (
                SELECT id FROM unknown_faces WHERE ignored_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            ) RETURNING id
            """,
            older_than,
            limit,
        )
        if rows:
            await _announce(connection, rows[0]["id"])
    return len(rows)


async def _announce(connection: Connection, face_id: UUID) -> None:
    await outbox.append(connection, "gallery.changed", {"unknown_face": str(face_id)})


def _opened(row: Record, cipher: Cipher) -> Embedding:
    data = cipher.open_bytes(row["sealed"], member_context(row["face_id"], row["id"], row["model_id"]))
    return np.frombuffer(data, dtype=_STORED_DTYPE).astype(np.float32, copy=False)


def _missing(face_id: UUID) -> NotFound:
    return NotFound(f"there is no unknown face {face_id}", code="unknown_face_not_found")


def _stored(row: Record) -> StoredUnknown:
    return StoredUnknown(
        face_id=row["id"],
        ignored=row["ignored_at"] is not None,
        seen=row["seen"],
        members=row["members"],
        quality=row["quality"] or 0.0,
        cameras=tuple(sorted(row["cameras"] or ())),
        has_crop=row["has_crop"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
    )
