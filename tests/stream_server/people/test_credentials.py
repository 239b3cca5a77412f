import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import credentials, people, sealing
from storage.database import Database
from stream_server.people.credentials import MANY_PINS, CredentialMaker, load_keys
from stream_server.privacy.keys import KeyRing
from stream_server.privacy.secrets import SecretBox


@pytest.fixture
def maker() -> CredentialMaker:
    return CredentialMaker([bytes(32)])


def test_pins_are_digits_and_longer_where_many_people_have_one(maker: CredentialMaker) -> None:
    few, many = maker.new_pin(MANY_PINS - 1), maker.new_pin(MANY_PINS)
    assert (len(few), len(many)) == (6, 8)
    assert few.isdecimal()
    assert many.isdecimal()


def test_a_digest_depends_on_the_key_and_on_what_it_is_of(maker: CredentialMaker) -> None:
    other = CredentialMaker([bytes([1]) * 32])
    (digest,) = maker.digests_of_pin("123456")
    assert len(digest) == 32
    assert [digest] == maker.digests_of_pin("123456")
    others = other.digests_of_pin("123456") + maker.digests_of_pin("123457")
    assert digest not in [*others, maker.digest("qr", "123456")]


def test_what_was_given_out_under_a_key_from_before_is_known_too(maker: CredentialMaker) -> None:
    old = CredentialMaker([bytes([1]) * 32])
    both = CredentialMaker([bytes(32), bytes([1]) * 32])
    assert both.digests_of_pin("123456") == maker.digests_of_pin("123456") + old.digests_of_pin("123456")
    card = old.new_code()
    assert both.digest_of_code(card) == old.digest_of_code(card)
    assert maker.digest_of_code(both.new_code()) is not None


async def test_pins_outlast_a_new_key_and_forgetting_the_old_one(database: Database, tmp_path: Path) -> None:
    ring = KeyRing.from_settings(None, [], tmp_path)
    first = await load_keys(database, SecretBox(ring))
    ring.add_new()
    box = SecretBox(ring)
    assert await load_keys(database, box) == first
    await sealing.reseal_all(database, box, lambda _more, _total: None)
    assert ring.forget_old() == 1
    assert await load_keys(database, SecretBox(KeyRing.from_settings(None, [], tmp_path, make=False))) == first


async def test_without_the_key_there_is_another_and_both_count_when_it_is_back(database: Database) -> None:
    lost, new = bytes(32), bytes([1]) * 32
    (first,) = await load_keys(database, SecretBox(lost))
    (second,) = await load_keys(database, SecretBox(new))
    assert second != first
    assert await load_keys(database, SecretBox(new)) == (second,)
    assert await load_keys(database, SecretBox(KeyRing([new, lost]))) == (second, first)


async def test_servers_that_start_together_have_one_key(database: Database) -> None:
    found = await asyncio.gather(*(load_keys(database, SecretBox(bytes(32))) for _ in range(4)))
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM credential_keys") == 1
    assert len(set(found)) == 1


def test_a_code_is_known_again_and_only_by_its_own_site(maker: CredentialMaker) -> None:
    text = maker.new_code()
    assert maker.new_code() != text
    assert maker.digest_of_code(text) == maker.digest_of_code(text)
    assert CredentialMaker([bytes([1]) * 32]).digest_of_code(text) is None


@pytest.mark.parametrize(
    "change", [lambda t: "", lambda t: t[:-2], lambda t: t.lower(), lambda t: t[:12] + "é", str.title]
)
def test_a_code_that_was_changed_is_no_code(maker: CredentialMaker, change: object) -> None:
    assert callable(change)
    assert maker.digest_of_code(change(maker.new_code())) is None


@pytest.mark.parametrize("given_out", [False, True])
async def test_where_pins_are_given_out_already_every_known_key_may_be_theirs(
    database: Database, given_out: bool
) -> None:
    new, old = SecretBox(bytes([1]) * 32), SecretBox(bytes(32))
    if given_out:  # by a version that made the key of PINs of the one then in use
        async with database.acquire() as connection:
            person = await people.create(connection, name="Ada", at=datetime.now(UTC))
            await credentials.set_digest(connection, person.person_id, credentials.CredentialKind.PIN, bytes(32))
    both = SecretBox(KeyRing([bytes([1]) * 32, bytes(32)]))
    kept = await load_keys(database, both)
    assert kept == (
        new.subkeys("credentials") + old.subkeys("credentials") if given_out else new.subkeys("credentials")
    )
    assert await load_keys(database, new) == kept
