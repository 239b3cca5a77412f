import asyncio
from datetime import datetime, timedelta

import asyncpg
import pytest

from recognition.errors import RequestError
from storage import consents, people
from storage.consents import Consent
from storage.database import Connection, Database
from storage.errors import NotFound


async def states(connection: Connection, person: people.Person) -> list[tuple[str, int | None, str]]:
    answers = await consents.history(connection, person.person_id)
    return [(answer.state.value, answer.text_version, answer.actor) for answer in answers]


async def test_every_answer_is_kept_with_its_text_its_time_and_who_recorded_it(
    connection: Connection, noon: datetime
) -> None:
    await consents.publish_text(connection, "May we?", at=noon, actor="owner")
    ada = await people.create(connection, name="Ada", at=noon, consent=Consent.GRANTED, actor="Miss Lee")
    later = noon + timedelta(days=1)
    await people.update(connection, ada.person_id, at=later, consent=Consent.REVOKED, actor="Mr Oz")
    again = await people.update(connection, ada.person_id, at=later, consent=Consent.GRANTED, actor="Mr Oz")
    assert await states(connection, ada) == [
        ("granted", 1, "Miss Lee"),
        ("revoked", None, "Mr Oz"),
        ("granted", 1, "Mr Oz"),
    ]
    answers = await consents.history(connection, ada.person_id)
    assert [answer.at for answer in answers] == [noon, later, later]
    assert (ada.consent_text, again.consent_text) == (1, 1)


async def test_the_same_answer_again_is_none_and_to_a_newer_text_is_one(connection: Connection, noon: datetime) -> None:
    await consents.publish_text(connection, "May we?", at=noon, actor="owner")
    ada = await people.create(connection, name="Ada", at=noon, consent=Consent.GRANTED)
    same = await people.update(connection, ada.person_id, at=noon + timedelta(days=1), consent=Consent.GRANTED)
    assert same.consent_at == noon
    await consents.publish_text(connection, "May we still?", at=noon, actor="owner")
    assert (await people.get(connection, ada.person_id)).consent_text == 1  # nobody agreed to the new one yet
    newer = await people.update(
        connection, ada.person_id, at=noon + timedelta(days=2), consent=Consent.GRANTED, consent_text=2
    )
    assert (newer.consent_text, newer.consent_at) == (2, noon + timedelta(days=2))
    assert len(await states(connection, ada)) == 2


async def test_who_was_never_asked_has_no_answer(connection: Connection, noon: datetime) -> None:
    ada = await people.create(connection, name="Ada", at=noon)
    assert (await states(connection, ada), ada.consent_text) == ([], None)


async def test_a_text_that_is_not_there_cannot_be_agreed_to(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    for call in (
        people.create(connection, name="Eve", at=noon, consent=Consent.GRANTED, consent_text=3),
        people.update(connection, ada.person_id, at=noon, consent=Consent.GRANTED, consent_text=3),
    ):
        with pytest.raises(RequestError) as refused:
            await call
        assert refused.value.code == "consent_text_unknown"
    assert len((await people.list_people(connection)).items) == 1


async def test_texts_are_numbered_and_the_newest_again_is_no_new_one(database: Database, noon: datetime) -> None:
    async def publish(text: str) -> tuple[int, bool]:
        async with database.acquire() as own:
            made, new = await consents.publish_text(own, text, at=noon, actor="owner")
            return made.version, new

    assert sorted(await asyncio.gather(publish("one"), publish("one"))) == [(1, False), (1, True)]
    assert await publish("two\r\n") == (2, True)
    assert await publish("two") == (2, False)
    assert await publish("one") == (3, True)
    async with database.acquire() as connection:
        assert [text.version for text in await consents.newest_texts(connection, 2)] == [3, 2]
        assert (await consents.get_text(connection, 2)).text == "two"
        with pytest.raises(NotFound):
            await consents.get_text(connection, 4)


@pytest.mark.parametrize("text", ["", " \n", "a\0b", "x" * 20_001])
async def test_a_text_that_cannot_be_stored_is_refused(connection: Connection, noon: datetime, text: str) -> None:
    with pytest.raises(RequestError) as refused:
        await consents.publish_text(connection, text, at=noon, actor="owner")
    assert refused.value.code == "consent_text_invalid"


@pytest.mark.parametrize("table", ["consents", "consent_texts", "audit_log"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_what_is_append_only_can_neither_be_changed_nor_deleted(
    connection: Connection, noon: datetime, table: str, statement: str
) -> None:
    await consents.publish_text(connection, "May we?", at=noon, actor="owner")
    await people.create(connection, name="Ada", at=noon, consent=Consent.GRANTED)
    await connection.execute(
        "INSERT INTO audit_log (id, at, actor, action, request_id) VALUES (gen_random_uuid(), now(), 'a', 'b.c', '')"
    )
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await connection.execute(statement.format(table))
    assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 1


async def test_answers_outlast_an_erasure_for_a_while_and_those_of_others_stay(
    connection: Connection, ada: people.Person, noon: datetime
) -> None:
    await people.create(connection, name="Grace", at=noon, consent=Consent.GRANTED)
    await people.erase(connection, ada.person_id, at=noon, actor="owner")
    assert await states(connection, ada) == [("granted", None, "system"), ("revoked", None, "owner")]
    assert await consents.forget(connection, noon, 100) == 0
    assert await consents.forget(connection, noon + timedelta(days=1), 1) == 1
    assert await consents.forget(connection, noon + timedelta(days=1), 100) == 1
    assert await connection.fetchval("SELECT count(*) FROM consents") == 1
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):  # and the door is closed again
        await connection.execute("DELETE FROM consents")
