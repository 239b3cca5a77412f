import asyncio
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from storage import cameras, people, sealing, templates
from storage.cipher import SecretUnreadable
from storage.database import Connection, Database, open_connection
from storage.embedded import EmbeddedPostgres
from storage.sealing import Rotated
from stream_server.privacy.keys import KeyRing
from stream_server.privacy.secrets import SecretBox

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
# Kept as they are on purpose: nothing secret in it, or hashed.
NOT_SEALED = {
    ("templates", "embedding"),  # what was stored before templates were sealed; none is once a server has started
    # SHA-256 of 256 random bits.
    ("devices", "token_sha256"),
    ("api_tokens", "token_sha256"),
    ("user_sessions", "token_sha256"),
    ("pairing_codes", "code_sha256"),  # 40 random bits, good for minutes
    # HMAC under a key of `credential_keys`.
    ("credentials", "digest"),
    ("idempotency_keys", "request_digest"),
    ("attempts", "counter"),
}


@pytest.fixture
def old() -> SecretBox:
    return SecretBox(OLD)


@pytest.fixture
def both() -> SecretBox:
    """The new key in use, the old one known."""
    return SecretBox(KeyRing([NEW, OLD]))


async def add(connection: Connection, person: people.Person, cipher: SecretBox, seed: int = 0) -> np.ndarray[Any, Any]:
    embedding = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    await templates.add(
        connection,
        cipher=cipher,
        person_id=person.person_id,
        model_id="model-a",
        embedding=embedding,
        quality=0.8,
        source="photograph",
    )
    return embedding


async def make_plain(connection: Connection, person: people.Person, seed: int) -> np.ndarray[Any, Any]:
    """A template as it was stored before templates were encrypted."""
    embedding = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    await connection.execute(
        """
        INSERT INTO templates (id, person_id, model_id, embedding, quality, source)
        VALUES ($1, $2, 'model-a', $3, 0.5, 'photograph')
        """,
        uuid4(),
        person.person_id,
        embedding.astype("<f4").tobytes(),
    )
    return embedding


async def file_of_templates(connection: Connection) -> int:
    number: int = await connection.fetchval("SELECT pg_relation_filenode('templates')")
    return number


def nothing(_done: int, _total: int) -> None:
    """No progress bar."""


async def vectors(connection: Connection, cipher: SecretBox) -> set[bytes]:
    loaded = await templates.load_gallery(connection, "model-a", cipher)
    assert loaded.unreadable == 0
    return {template.embedding.tobytes() for template in loaded.templates}


async def test_every_column_that_may_hold_a_secret_is_sealed_anew_or_named_here(connection: Connection) -> None:
    rows = await connection.fetch(
        """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'bytea'
        """
    )
    found = {(row["table_name"], row["column_name"]) for row in rows}
    assert found == {(column.table, column.column) for column in sealing.SEALED} | NOT_SEALED


async def test_no_vector_is_in_the_table(connection: Connection, ada: people.Person, old: SecretBox) -> None:
    embedding = await add(connection, ada, old)
    (row,) = await connection.fetch("SELECT * FROM templates")
    assert row["embedding"] is None
    assert embedding[:2].tobytes() not in row["sealed"]
    assert len(row["sealed"]) == 545


@pytest.mark.parametrize("column", ["person_id", "model_id", "id"])
async def test_a_template_that_is_moved_to_another_row_names_nobody(
    connection: Connection, ada: people.Person, old: SecretBox, column: str
) -> None:
    eve = await people.create(connection, name="Eve", at=ada.created_at, consent=people.Consent.GRANTED)
    await add(connection, ada, old)
    value = {"person_id": eve.person_id, "model_id": "model-b", "id": uuid4()}[column]
    await connection.execute(f"UPDATE templates SET {column} = $1", value)
    model_id = "model-b" if column == "model_id" else "model-a"
    loaded = await templates.load_gallery(connection, model_id, old)
    assert (loaded.templates, loaded.unreadable) == ([], 1)


async def test_everything_is_sealed_under_the_new_key_and_doing_it_again_changes_nothing(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox, both: SecretBox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sealing, "BATCH", 2)
    kept = {(await add(connection, ada, old, seed)).tobytes() for seed in range(5)}
    kept.add((await make_plain(connection, ada, 9)).tobytes())
    await cameras.add(connection, "door", None)
    sealed = old.seal("rtsp://x", "camera door")
    await cameras.set_source(connection, "door", address="x", sealed=sealed, transport="auto", enabled=True)
    progress: list[tuple[int, int]] = []

    done = await sealing.reseal_all(database, both, lambda more, total: progress.append((more, total)))

    assert done == Rotated(sealed=7, left=0)
    assert (sum(more for more, _ in progress), {total for _, total in progress}) == (7, {7})
    new = SecretBox(NEW)
    assert await vectors(connection, new) == kept
    camera = await cameras.get(connection, "door")
    assert camera.sealed is not None
    assert new.open(camera.sealed, "camera door") == "rtsp://x"
    assert await sealing.reseal_all(database, both, nothing) == Rotated(sealed=0, left=0)


async def test_what_nobody_can_open_is_left_and_counted_and_holds_up_nothing(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox, both: SecretBox
) -> None:
    await add(connection, ada, SecretBox(b"l" * 32), 1)
    kept = await add(connection, ada, old, 2)
    assert await sealing.reseal_all(database, both, nothing) == Rotated(sealed=1, left=1, unreadable=1)
    loaded = await templates.load_gallery(connection, "model-a", SecretBox(NEW))
    assert [template.embedding.tobytes() for template in loaded.templates] == [kept.tobytes()]
    assert loaded.unreadable == 1
    opened = await templates.vectors_of_person(connection, ada.person_id, both)
    assert sorted(vector is None for vector in opened.values()) == [False, True]


async def test_a_rotation_that_is_cut_off_goes_on_where_it_was(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox, both: SecretBox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    kept = {(await add(connection, ada, old, seed)).tobytes() for seed in range(6)}
    monkeypatch.setattr(sealing, "BATCH", 2)

    def cut(_done: int, _total: int) -> None:
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await sealing.reseal_all(database, both, cut)
    assert await sealing.count_stale(connection, both) == 4
    assert await vectors(connection, both) == kept  # a server that knows both keys misses nobody meanwhile
    assert await sealing.reseal_all(database, both, nothing) == Rotated(sealed=4, left=0)


async def test_a_rotation_beside_an_erasure_waits_for_nobody(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox, both: SecretBox
) -> None:
    for seed in range(4):
        await add(connection, ada, old, seed)
    async with database.acquire() as other, other.transaction():
        await other.execute("DELETE FROM templates WHERE person_id = $1", ada.person_id)
        done = await asyncio.wait_for(sealing.reseal_all(database, both, nothing), 30)
    assert done.sealed == 0
    assert await sealing.count_stale(connection, both) == 0


async def test_plain_templates_are_sealed_once_by_however_many_servers(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox
) -> None:
    kept = {(await make_plain(connection, ada, seed)).tobytes() for seed in range(7)}
    assert (await templates.load_gallery(connection, "model-a", old)).templates == []

    async def seal() -> int:
        sealed = 0
        while True:
            async with database.acquire() as own:
                count = await templates.seal_plain(own, old, 2)
            sealed += count
            if not count:
                return sealed

    assert sum(await asyncio.gather(seal(), seal())) == 7
    assert await vectors(connection, old) == kept
    assert await connection.fetchval("SELECT count(embedding) FROM templates") == 0


async def test_plain_vectors_leave_the_disk_once_they_are_sealed(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox, postgres_server: EmbeddedPostgres
) -> None:
    plain = await make_plain(connection, ada, 3)
    path = await connection.fetchval("SELECT pg_relation_filepath('templates')")
    await connection.execute("CHECKPOINT")
    assert plain.astype("<f4").tobytes() in (postgres_server.data_dir / path).read_bytes()
    assert await sealing.seal_all_plain(database, old) == 1
    assert await vectors(connection, old) == {plain.tobytes()}
    anew = await connection.fetchval("SELECT pg_relation_filepath('templates')")
    assert anew != path
    assert plain.astype("<f4").tobytes() not in (postgres_server.data_dir / anew).read_bytes()
    gone = postgres_server.data_dir / path
    assert not gone.exists() or gone.stat().st_size == 0


async def test_where_the_table_cannot_be_written_anew_that_is_told_and_nothing_fails(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(sealing, "REWRITE_LOCK_TIMEOUT", "50ms")
    await make_plain(connection, ada, 3)
    before = await file_of_templates(connection)
    async with database.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE templates IN ACCESS SHARE MODE")
        assert await sealing.seal_all_plain(database, old) == 1
    assert "VACUUM FULL templates" in caplog.text
    assert await file_of_templates(connection) == before
    assert await sealing.seal_all_plain(database, old) == 0
    assert await file_of_templates(connection) != before


async def test_plain_vectors_leave_the_disk_also_when_the_server_died_before_it_could_see_to_it(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox
) -> None:
    await make_plain(connection, ada, 3)
    before = await file_of_templates(connection)
    assert await templates.seal_plain(connection, old) == 1  # and then it dies
    assert await sealing.seal_all_plain(database, old) == 0
    anew = await file_of_templates(connection)
    assert anew != before
    assert await sealing.seal_all_plain(database, old) == 0
    assert await file_of_templates(connection) == anew


async def test_a_table_that_somebody_wrote_anew_by_hand_is_not_written_again(
    database: Database, connection: Connection, ada: people.Person, old: SecretBox
) -> None:
    await make_plain(connection, ada, 3)
    await templates.seal_plain(connection, old)
    await connection.execute("VACUUM FULL templates")
    by_hand = await file_of_templates(connection)
    assert await sealing.seal_all_plain(database, old) == 0
    assert await file_of_templates(connection) == by_hand


async def test_a_transaction_that_has_written_nothing_is_waited_for_as_well(database: Database) -> None:
    assert await sealing.earlier_transactions_ended(database, 0) == 0
    waiting_for: list[int] = []
    async with database.acquire() as other:
        async with other.transaction():
            await other.execute("SELECT 1")
            assert await sealing.earlier_transactions_ended(database, 0, waiting_for.append) == 1
            waiting = asyncio.create_task(sealing.earlier_transactions_ended(database, 60, waiting_for.append))
            while len(waiting_for) < 2:
                await asyncio.sleep(0.01)
        async with other.transaction():  # one that began later is none of them
            await other.execute("SELECT 1")
            assert await waiting == 0
    assert waiting_for == [1, 1]


async def test_nobody_in_another_database_of_the_server_is_waited_for(
    database: Database, empty_database_dsn: str
) -> None:
    elsewhere = await open_connection(empty_database_dsn)
    try:
        async with elsewhere.transaction():
            await elsewhere.execute("SELECT 1")
            assert await sealing.earlier_transactions_ended(database, 0) == 0
    finally:
        await elsewhere.close()


async def test_a_sealed_value_of_another_length_is_no_embedding(
    connection: Connection, ada: people.Person, old: SecretBox
) -> None:
    await add(connection, ada, old)
    row = await connection.fetchrow("SELECT * FROM templates")
    assert row is not None
    other = old.seal_bytes(bytes(16), templates.context_of_row(row))
    with pytest.raises(SecretUnreadable):
        templates._opened({**row, "sealed": other}, old)  # type: ignore[arg-type]
