import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from recognition.types import UnknownFace
from recognition.unknown import ClusterPolicy
from storage import people, templates, unknown_faces
from storage.database import Connection, Database
from storage.errors import NotFound, StorageUnavailable
from stream_server.people import unknown_faces as collecting
from stream_server.people.unknown_faces import UnknownFaceCollector, UnknownSighting, forget_faces_like
from stream_server.privacy.secrets import SecretBox

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BOX = SecretBox(bytes(range(32)))
CHIP = np.random.default_rng(5).integers(0, 255, (150, 150, 3), dtype=np.uint8)


def place(*coordinates: float) -> Any:
    vector = np.zeros(128, np.float32)
    vector[: len(coordinates)] = coordinates
    return vector


def seen(x: float, *, quality: float = 0.5, minutes: int = 0, chip: Any = None) -> UnknownSighting:
    face = UnknownFace(place(x), quality, chip)
    return UnknownSighting(face, "door", NOON + timedelta(minutes=minutes), "model-a")


def make(database: Any, *, crops: bool = False, **policy: Any) -> UnknownFaceCollector:
    return UnknownFaceCollector(database, BOX, ClusterPolicy(**policy), crops=crops)


async def clusters(database: Database) -> list[tuple[int, int]]:
    """How often each was seen and how many faces are kept of it, the one seen last first."""
    async with database.acquire() as connection:
        return [(face.seen, face.members) for face in (await unknown_faces.list_faces(connection)).items]


async def test_faces_of_one_batch_are_sorted_by_person(database: Database) -> None:
    await make(database).store([seen(0), seen(3, minutes=1), seen(0.1), seen(3.1, minutes=2), seen(0.2)])
    assert await clusters(database) == [(2, 2), (3, 3)]


async def test_clusters_and_their_faces_are_bounded(database: Database) -> None:
    collector = make(database, members_max=2, clusters_max=2)
    for number, quality in enumerate((0.5, 0.6, 0.9, 0.1)):
        await collector.store([seen(number / 100, quality=quality)])
    assert await clusters(database) == [(4, 2)]
    async with database.acquire() as connection:
        (cluster,) = await unknown_faces.load(connection, "model-a", BOX)
    assert sorted(round(member.quality, 1) for member in cluster.members) == [0.6, 0.9]
    await collector.store([seen(5, minutes=1), seen(9, minutes=2)])
    assert await clusters(database) == [(1, 1), (1, 1)]


async def test_a_picture_is_kept_only_where_the_site_allows_it(database: Database) -> None:
    await make(database, crops=False).store([seen(0, chip=CHIP)])
    await make(database, crops=True).store([seen(5, chip=CHIP, minutes=1)])
    async with database.acquire() as connection:
        with_crop, without = (await unknown_faces.list_faces(connection)).items
        assert (with_crop.has_crop, without.has_crop) == (True, False)
        assert (await unknown_faces.crop(connection, with_crop.face_id, BOX)).startswith(b"\xff\xd8\xff")


async def test_a_face_to_be_ignored_leaves_nothing(database: Database) -> None:
    collector = make(database)
    await collector.store([seen(0)])
    async with database.acquire() as connection:
        (face,) = (await unknown_faces.list_faces(connection)).items
        await unknown_faces.ignore(connection, face.face_id, NOON, ignored_max=9)
    await collector.store([seen(0.1)])
    assert await clusters(database) == []
    async with database.acquire() as connection:
        assert (await unknown_faces.get(connection, face.face_id)).seen == 1


async def test_what_comes_too_fast_is_dropped_and_counted_and_the_rest_is_stored(database: Database) -> None:
    collector = make(database, clusters_max=500)
    for number in range(collecting.WAITING_MAX + 5):
        collector.offer(seen(number))
    assert collector.dropped == 5
    running = asyncio.create_task(collector.run())
    async with asyncio.timeout(60):
        while collector.stored < collecting.WAITING_MAX:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM unknown_faces") == collecting.WAITING_MAX


async def test_while_the_database_is_away_no_face_is_kept_anywhere() -> None:
    class Away:
        def acquire(self) -> Any:
            raise StorageUnavailable("away")

    collector = make(Away())
    running = asyncio.create_task(collector.run())
    for number in range(3):
        collector.offer(seen(number))
    async with asyncio.timeout(10):
        while collector.dropped < 3:
            await asyncio.sleep(0)
    assert not running.done()
    assert collector.stored == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def enrolled(connection: Connection, x: float) -> UUID:
    person = await people.create(connection, name="Ada", at=NOON, consent=people.Consent.GRANTED)
    await templates.add(
        connection,
        cipher=BOX,
        person_id=person.person_id,
        model_id="model-a",
        embedding=place(x),
        quality=0.5,
        source="photograph",
    )
    return person.person_id


@pytest.mark.parametrize(("cipher", "left"), [(BOX, 1), (SecretBox(bytes(32)), 2)])
async def test_faces_like_a_person_s_are_forgotten_with_the_person(
    database: Database, cipher: SecretBox, left: int
) -> None:
    await make(database).store([seen(0), seen(3)])
    async with database.acquire() as connection, connection.transaction():
        ada = await enrolled(connection, 0.3)
        assert await forget_faces_like(connection, cipher, [ada], 0.2) == 0
        assert await forget_faces_like(connection, cipher, [ada], 0.6) == 2 - left
    assert len(await clusters(database)) == left


async def test_of_who_has_no_template_nothing_can_be_found(database: Database) -> None:
    await make(database).store([seen(0)])
    async with database.acquire() as connection, connection.transaction():
        person = await people.create(connection, name="Ada", at=NOON)
        assert await forget_faces_like(connection, BOX, [person.person_id], 0.6) == 0
    assert len(await clusters(database)) == 1


async def test_of_several_people_the_faces_go_at_once_and_nobody_unknown_is_passed_over(database: Database) -> None:
    await make(database).store([seen(0), seen(3), seen(6)])
    async with database.acquire() as connection, connection.transaction():
        both = [await enrolled(connection, 0.1), await enrolled(connection, 3.1)]
        assert await forget_faces_like(connection, BOX, both, 0.6) == 2
        with pytest.raises(NotFound):
            await forget_faces_like(connection, BOX, [UUID(int=1)], 0.6)
    assert len(await clusters(database)) == 1


async def test_a_batch_opens_what_is_kept_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = make(database)
    await collector.store([seen(0), seen(3)])
    opened: list[str] = []
    load = unknown_faces.load

    async def counted(connection: Connection, model_id: str, cipher: Any) -> Any:
        opened.append(model_id)
        return await load(connection, model_id, cipher)

    monkeypatch.setattr(unknown_faces, "load", counted)
    await collector.store([seen(number / 50, quality=number / 20, minutes=number) for number in range(16)])
    assert opened == ["model-a"]
    assert await clusters(database) == [(17, 5), (1, 1)]
    async with database.acquire() as connection:
        qualities = await connection.fetch("SELECT quality FROM unknown_face_members WHERE quality > 0.5 ORDER BY 1")
    assert [round(row["quality"], 2) for row in qualities] == [0.55, 0.6, 0.65, 0.7, 0.75]


async def test_while_enrolled_people_may_look_like_strangers_none_is_taken(database: Database) -> None:
    readable = False
    collector = UnknownFaceCollector(database, BOX, ClusterPolicy(), crops=False, may_collect=lambda: readable)
    collector.offer(seen(0))
    assert (collector.dropped, len(collector._waiting)) == (1, 0)
    readable = True
    collector.offer(seen(0))
    assert (collector.dropped, len(collector._waiting)) == (1, 1)
