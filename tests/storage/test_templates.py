import asyncio
import contextlib
import json
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from recognition.errors import RequestError
from storage import outbox, people, templates
from storage.database import Connection, Database
from storage.errors import Conflict, NotFound
from storage.people import Consent
from stream_server.privacy.secrets import SecretBox

CIPHER = SecretBox(bytes(range(32)))


async def add(connection: Connection, person_id: UUID, **changes: Any) -> templates.StoredTemplate:
    values: dict[str, Any] = {
        "cipher": CIPHER,
        "person_id": person_id,
        "model_id": "model-a",
        "embedding": np.arange(128, dtype=np.float32),
        "quality": 0.5,
        "source": "photograph",
    }
    return await templates.add(connection, **(values | changes))


async def test_a_template_comes_back_as_it_was_stored(connection: Connection, ada: people.Person) -> None:
    embedding = np.random.default_rng(1).standard_normal(128).astype(np.float32)
    stored = await add(connection, ada.person_id, embedding=embedding)

    (loaded,) = (await templates.load_gallery(connection, "model-a", CIPHER)).templates
    assert loaded.template_id == str(stored.template_id)
    assert (loaded.person_id, loaded.model_id) == (str(ada.person_id), "model-a")
    assert loaded.embedding.dtype == np.float32
    np.testing.assert_array_equal(loaded.embedding, embedding)
    assert await templates.list_of_person(connection, ada.person_id) == [stored]
    assert [event.type for event in await outbox.read_after(connection, 0)] == ["gallery.changed"]


@pytest.mark.parametrize("consent", [Consent.NONE, Consent.REVOKED])
async def test_without_consent_no_template_is_stored(connection: Connection, noon: datetime, consent: Consent) -> None:
    person = await people.create(connection, name="Grace", at=noon, consent=consent)
    for call in (
        add(connection, person.person_id),
        templates.check_may_enrol(connection, person.person_id),
    ):
        with pytest.raises(RequestError) as refused:
            await call
        assert refused.value.code == "consent_missing"
    assert await templates.list_of_person(connection, person.person_id) == []


async def test_nobody_and_somebody_erased_get_no_template(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    with pytest.raises(NotFound):
        await add(connection, uuid4())
    await people.erase(connection, ada.person_id, at=noon)
    with pytest.raises(Conflict):
        await add(connection, ada.person_id)


@pytest.mark.parametrize(
    "embedding", [np.zeros(127, np.float32), np.zeros((1, 128), np.float32), np.full(128, np.nan, np.float32)]
)
async def test_what_is_no_embedding_is_refused(connection: Connection, ada: people.Person, embedding: Any) -> None:
    with pytest.raises(RequestError) as refused:
        await add(connection, ada.person_id, embedding=embedding)
    assert refused.value.code == "embedding_invalid"


async def test_templates_of_one_person_and_model_are_bounded_also_at_the_same_time(
    database: Database, ada: people.Person
) -> None:
    async def enrol(model_id: str) -> str:
        async with database.acquire() as connection:
            try:
                await add(connection, ada.person_id, model_id=model_id)
            except RequestError as error:
                return error.code
            return "kept"

    ends = await asyncio.gather(*(enrol("model-a") for _ in range(templates.PER_PERSON_MAX + 5)))
    assert Counter(ends) == {"kept": templates.PER_PERSON_MAX, "template_limit": 5}
    assert await enrol("model-b") == "kept"  # enrolling anew for another model goes on beside the old one


async def test_a_revocation_at_the_same_time_leaves_no_template_behind(
    database: Database, ada: people.Person, noon: datetime
) -> None:
    async def enrol() -> None:
        async with database.acquire() as connection:
            with contextlib.suppress(RequestError):  # those that come after the revocation are refused
                await add(connection, ada.person_id)

    async def revoke() -> None:
        async with database.acquire() as connection:
            await people.update(connection, ada.person_id, at=noon, consent=Consent.REVOKED)

    await asyncio.gather(*(enrol() for _ in range(5)), revoke(), *(enrol() for _ in range(5)))
    async with database.acquire() as connection:
        assert await templates.list_of_person(connection, ada.person_id) == []


async def test_the_gallery_holds_one_model_of_people_who_agreed(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    grace = await people.create(connection, name="Grace", at=noon, consent=Consent.GRANTED)
    await add(connection, ada.person_id)
    await add(connection, ada.person_id, model_id="model-b")
    await add(connection, grace.person_id)
    # What a restored backup might hold: a template whose consent is missing. It must not be matched.
    await connection.execute("UPDATE people SET consent = 'revoked' WHERE id = $1", grace.person_id)

    gallery = (await templates.load_gallery(connection, "model-a", CIPHER)).templates
    assert [template.person_id for template in gallery] == [str(ada.person_id)]
    assert await templates.enrolled_names(connection, "model-a") == {ada.person_id: "Ada"}
    assert await templates.count_of_others(connection, "model-a") == {ada.person_id: 1}
    assert await templates.count_of_others(connection, "model-b") == {ada.person_id: 1, grace.person_id: 1}
    of_grace = await templates.count_of_others(connection, "model-b", person_ids=[grace.person_id])
    assert of_grace == {grace.person_id: 1}


async def test_a_deleted_template_is_gone_and_announced(connection: Connection, ada: people.Person) -> None:
    stored = await add(connection, ada.person_id)
    with pytest.raises(NotFound):
        await templates.delete(connection, stored.template_id, person_id=uuid4())
    await templates.delete(connection, stored.template_id, person_id=ada.person_id)
    with pytest.raises(NotFound):
        await templates.delete(connection, stored.template_id)
    assert (await templates.load_gallery(connection, "model-a", CIPHER)).templates == []
    assert len(await outbox.read_after(connection, 0)) == 2


async def test_a_gallery_is_read_in_one_go_also_before_the_tables_were_ever_analysed(connection: Connection) -> None:
    ids = [uuid4() for _ in range(1000)]
    await connection.executemany(
        "INSERT INTO people (id, name, consent) VALUES ($1, 'somebody', 'granted')", [(person_id,) for person_id in ids]
    )
    await connection.executemany(
        """
        INSERT INTO templates (id, person_id, model_id, sealed, quality, source)
        VALUES ($1, $2, 'model-a', $3, 0.5, 'x')
        """,
        [(uuid4(), person_id, bytes(545)) for person_id in ids],
    )
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {templates._GALLERY_SQL}", "model-a")
    # With an index on the model it read all of that index once for each person: 9,000 pages.
    assert json.loads(plan)[0]["Plan"]["Shared Hit Blocks"] < 5000
