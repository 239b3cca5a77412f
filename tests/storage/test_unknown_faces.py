import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from storage import outbox, unknown_faces
from storage.cipher import SecretUnreadable
from storage.database import Connection
from storage.errors import Conflict, NotFound
from stream_server.privacy.secrets import SecretBox


async def keep(
    connection: Connection, cipher: SecretBox, at: datetime, *, face_id: UUID | None = None, **more: Any
) -> UUID:
    face_id = face_id or await unknown_faces.begin(connection, at)
    await unknown_faces.see(connection, face_id, at)
    values: dict[str, Any] = {
        "model_id": "model-a",
        "embedding": np.arange(128, dtype=np.float32),
        "quality": 0.5,
        "camera_id": "door",
        "crop_jpeg": b"JPEG",
    }
    await unknown_faces.add_member(connection, face_id, cipher=cipher, at=at, **(values | more))
    return face_id


async def test_a_cluster_comes_back_as_it_was_kept(connection: Connection, cipher: SecretBox, noon: datetime) -> None:
    embedding = np.random.default_rng(1).standard_normal(128).astype(np.float32)
    face_id = await keep(connection, cipher, noon, embedding=embedding)
    await keep(connection, cipher, noon + timedelta(hours=1), face_id=face_id, quality=0.9, camera_id="yard")
    (cluster,) = await unknown_faces.load(connection, "model-a", cipher)
    assert (cluster.cluster_id, cluster.ignored, len(cluster.members)) == (str(face_id), False, 2)
    assert any(np.array_equal(member.embedding, embedding) for member in cluster.members)
    stored = await unknown_faces.get(connection, face_id)
    assert (stored.seen, stored.members, stored.cameras, stored.has_crop) == (2, 2, ("door", "yard"), True)
    assert (stored.quality, stored.first_seen_at) == (pytest.approx(0.9), noon)
    assert stored.last_seen_at == cluster.last_seen_at == noon + timedelta(hours=1)
    assert await unknown_faces.load(connection, "model-b", cipher) == []


async def test_neither_vector_nor_picture_is_in_the_table(
    connection: Connection, cipher: SecretBox, noon: datetime
) -> None:
    face_id = await keep(connection, cipher, noon, crop_jpeg=b"a picture")
    row = await connection.fetchrow("SELECT sealed, crop FROM unknown_face_members")
    assert row is not None
    assert np.arange(128, dtype="<f4").tobytes()[:64] not in row["sealed"]
    assert b"a picture" not in row["crop"]
    assert await unknown_faces.crop(connection, face_id, cipher) == b"a picture"
    lost = SecretBox(bytes(32))
    assert await unknown_faces.load(connection, "model-a", lost) == []
    with pytest.raises(SecretUnreadable):
        await unknown_faces.crop(connection, face_id, lost)


async def test_a_better_face_takes_the_place_of_another(
    connection: Connection, cipher: SecretBox, noon: datetime
) -> None:
    face_id = await keep(connection, cipher, noon)
    (cluster,) = await unknown_faces.load(connection, "model-a", cipher)
    worst = UUID(cluster.members[0].member_id)
    await keep(connection, cipher, noon, face_id=face_id, quality=0.8, replaces=worst)
    (cluster,) = await unknown_faces.load(connection, "model-a", cipher)
    assert [member.quality for member in cluster.members] == [pytest.approx(0.8)]


async def test_clusters_are_listed_in_pages_seen_last_first_and_the_ignored_apart(
    connection: Connection, cipher: SecretBox, noon: datetime
) -> None:
    made = [await keep(connection, cipher, noon + timedelta(minutes=number // 2)) for number in range(5)]
    await unknown_faces.ignore(connection, made[4], noon, ignored_max=9)
    found: list[UUID] = []
    cursor: str | None = None
    while not found or cursor:
        page = await unknown_faces.list_faces(connection, limit=2, cursor=cursor)
        found += [face.face_id for face in page.items]
        cursor = page.next_cursor
    assert set(found) == set(made[:4])
    assert set(found[:2]) == {made[2], made[3]}
    ignored = (await unknown_faces.list_faces(connection, ignored=True)).items
    assert [(face.face_id, face.ignored, face.has_crop) for face in ignored] == [(made[4], True, False)]


async def test_a_face_to_be_ignored_keeps_its_vectors_for_the_gallery_and_is_told_of(
    connection: Connection, cipher: SecretBox, noon: datetime
) -> None:
    face_id = await keep(connection, cipher, noon)
    assert await unknown_faces.load_ignored(connection, "model-a", cipher) == []
    assert await unknown_faces.ignore(connection, face_id, noon, ignored_max=9)
    assert not await unknown_faces.ignore(connection, face_id, noon, ignored_max=0)
    assert await unknown_faces.count_ignored_of_others(connection, "model-a") == 0
    assert await unknown_faces.count_ignored_of_others(connection, "model-b") == 1
    (anchor,) = await unknown_faces.load_ignored(connection, "model-a", cipher)
    assert (anchor.person_id, anchor.model_id) == (f"ignored:{face_id}", "model-a")
    with pytest.raises(Conflict):
        await unknown_faces.best_members(connection, face_id, cipher, 3)
    with pytest.raises(NotFound):
        await unknown_faces.crop(connection, face_id, cipher)
    await unknown_faces.delete(connection, face_id)
    assert await unknown_faces.load_ignored(connection, "model-a", cipher) == []
    events = await outbox.read_after(connection, 0)
    assert [(event.type, event.payload) for event in events] == [
        ("gallery.changed", {"unknown_face": str(face_id)})
    ] * 2


async def test_the_best_faces_are_given_to_be_enrolled(
    connection: Connection, cipher: SecretBox, noon: datetime
) -> None:
    face_id = await keep(connection, cipher, noon, quality=0.4)
    for quality in (0.9, 0.6, 0.7):
        await keep(connection, cipher, noon, face_id=face_id, quality=quality)
    best = await unknown_faces.best_members(connection, face_id, cipher, 3)
    assert [(model, quality) for model, _, quality in best] == [
        ("model-a", pytest.approx(quality)) for quality in (0.9, 0.7, 0.6)
    ]


async def test_nobody_is_not_found(connection: Connection, cipher: SecretBox, noon: datetime) -> None:
    for call in (
        unknown_faces.get(connection, uuid4()),
        unknown_faces.delete(connection, uuid4()),
        unknown_faces.ignore(connection, uuid4(), noon, ignored_max=9),
        unknown_faces.best_members(connection, uuid4(), cipher, 3),
    ):
        with pytest.raises(NotFound) as missing:
            await call
        assert missing.value.code == "unknown_face_not_found"


async def test_faces_grow_old_one_by_one_and_a_cluster_goes_with_its_last(
    connection: Connection, cipher: SecretBox, noon: datetime
) -> None:
    face_id = await keep(connection, cipher, noon - timedelta(days=3))
    await keep(connection, cipher, noon, face_id=face_id)
    ignored = await keep(connection, cipher, noon - timedelta(days=9))
    await unknown_faces.ignore(connection, ignored, noon, ignored_max=9)
    assert await unknown_faces.forget_members(connection, noon - timedelta(days=1)) == 1
    assert (await unknown_faces.get(connection, face_id)).members == 1
    assert await unknown_faces.forget_members(connection, noon + timedelta(days=1)) == 1
    with pytest.raises(NotFound):
        await unknown_faces.get(connection, face_id)
    assert (await unknown_faces.get(connection, ignored)).members == 1
    assert await unknown_faces.forget_ignored(connection, noon) == 0
    assert await unknown_faces.forget_ignored(connection, noon + timedelta(seconds=1)) == 1


async def test_two_that_sort_faces_take_turns(database: Any, noon: datetime) -> None:
    order: list[str] = []
    inside = asyncio.Event()

    async def sort(name: str) -> None:
        async with database.acquire() as connection, connection.transaction():
            await unknown_faces.lock(connection)
            order.append(f"{name} in")
            inside.set()
            await connection.fetchval("SELECT 1")
            order.append(f"{name} out")

    await asyncio.gather(sort("a"), sort("b"))
    assert [entry.split()[0] for entry in order] in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
