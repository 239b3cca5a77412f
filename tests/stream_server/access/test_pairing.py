import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from recognition.errors import RequestError
from storage import cameras, devices
from storage.database import Database
from storage.errors import NotFound, StorageUnavailable
from stream_server.access.attempts import TooManyAttempts
from stream_server.access.pairing import ALPHABET, Pairing, PairingRefused, plain_code
from stream_server.access.principals import Kind, digest
from stream_server.access.rights import Right
from stream_server.access.shared_attempts import SharedAttempts
from stream_server.cameras import CameraRegistry
from stream_server.privacy.auditing import Auditor

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Any:
    return SimpleNamespace(now=NOON)


@pytest.fixture
async def pairing(database: Database, attempts: SharedAttempts, clock: Any) -> Pairing:
    cameras = CameraRegistry(database, auto_register=False)
    return Pairing(database, cameras, lifetime_s=600, attempts=attempts, now=lambda: clock.now)


async def test_a_code_is_short_plain_and_never_the_same(pairing: Pairing) -> None:
    codes = [(await pairing.issue("phone-1", "Phone")).code for _ in range(20)]
    assert len(set(codes)) == 20
    for code in codes:
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code)


async def test_a_code_pairs_one_device_that_streams_as_one_camera(
    pairing: Pairing, database: Database, auditor: Auditor
) -> None:
    issued = await pairing.issue("phone-1", "Phone of room 5")
    assert issued.expires_at == NOON + timedelta(minutes=10)
    device, token = await pairing.redeem(issued.code, "Pixel 6", "here", auditor)
    async with database.acquire() as connection:
        assert (await cameras.get(connection, "phone-1")).name == "Phone of room 5"
        principal = await pairing.find(connection, digest(token))
    assert principal is not None
    assert (principal.kind, principal.id, principal.camera_id) == (Kind.DEVICE, device.device_id, "phone-1")
    assert principal.rights == {Right.STREAM}
    assert principal.subjects == {("device", device.device_id)}
    with pytest.raises(PairingRefused):
        await pairing.redeem(issued.code, "Another", "here", auditor)


async def test_all_that_is_wrong_is_refused_in_the_same_words(pairing: Pairing, clock: Any, auditor: Auditor) -> None:
    used = (await pairing.issue("phone-1", "Phone")).code
    await pairing.redeem(used, "", "there", auditor)
    withdrawn = await pairing.issue("phone-1", "Phone")
    await pairing.withdraw(withdrawn.code_id, auditor)
    old = (await pairing.issue("phone-1", "Phone")).code
    clock.now += timedelta(minutes=10)
    said = set()
    for number, code in enumerate((used, withdrawn.code, old, "0000-0000", "", "too short", "ÄÖÜ-ÄÖÜÄ", "\0" * 8)):
        with pytest.raises(PairingRefused) as refused:
            await pairing.redeem(code, "", f"source-{number}", auditor)
        said.add((refused.value.code, refused.value.detail, refused.value.hint))
    assert len(said) == 1


async def test_guessing_is_stopped_before_the_database_is_asked(pairing: Pairing, auditor: Auditor) -> None:
    right = (await pairing.issue("phone-1", "Phone")).code
    for _ in range(10):
        with pytest.raises(PairingRefused):
            await pairing.redeem("0000-0000", "", "guesser", auditor)
    with pytest.raises(TooManyAttempts):
        await pairing.redeem(right, "", "guesser", auditor)
    await pairing.redeem(right, "", "somebody else", auditor)


async def test_codes_are_guessed_no_oftener_at_two_servers_than_at_one(
    pairing: Pairing, database: Database, attempts: SharedAttempts, clock: Any, auditor: Auditor
) -> None:
    cameras = CameraRegistry(database, auto_register=False)
    other = Pairing(database, cameras, lifetime_s=600, attempts=attempts, now=lambda: clock.now)
    right = (await pairing.issue("phone-1", "Phone")).code
    for number in range(10):
        with pytest.raises(PairingRefused):
            await (pairing if number % 2 else other).redeem("0000-0000", "", "guesser", auditor)
    for server in (pairing, other):
        with pytest.raises(TooManyAttempts):
            await server.redeem(right, "", "guesser", auditor)
    await other.redeem(right, "", "somebody else", auditor)


async def test_an_attempt_that_failed_for_want_of_the_database_is_no_guess(
    pairing: Pairing, monkeypatch: pytest.MonkeyPatch, auditor: Auditor
) -> None:
    right = (await pairing.issue("phone-1", "Phone")).code

    async def away(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(devices, "redeem_code", away)
        for _ in range(15):
            with pytest.raises(StorageUnavailable):
                await pairing.redeem(right, "", "here", auditor)
    await pairing.redeem(right, "", "here", auditor)


async def test_a_camera_is_added_only_where_that_is_wanted(pairing: Pairing, database: Database) -> None:
    with pytest.raises(NotFound) as refused:
        await pairing.issue("nowhere", "Phone", create_camera=False)
    assert refused.value.code == "unknown_camera"
    with pytest.raises(RequestError) as invalid:
        await pairing.issue("No Id", "Phone")
    assert invalid.value.code == "camera_id_invalid"
    async with database.acquire() as connection:
        await cameras.add(connection, "door", "Front door")
        await pairing.issue("door", "Phone", create_camera=False)
        await pairing.issue("door", "Phone")
        assert (await cameras.get(connection, "door")).name == "Front door"


async def test_a_code_is_withdrawn_once_and_what_was_used_is_not(pairing: Pairing, auditor: Auditor) -> None:
    first, second = await pairing.issue("phone-1", "Phone"), await pairing.issue("phone-1", "Phone")
    await pairing.withdraw(first.code_id, auditor)
    await pairing.redeem(second.code, "", "here", auditor)
    for code_id in (first.code_id, second.code_id):
        with pytest.raises(NotFound) as refused:
            await pairing.withdraw(code_id, auditor)
        assert refused.value.code == "pairing_not_found"


@pytest.mark.parametrize("typed", ["7KQ2-M9XD", "7kq2m9xd", " 7KQ2 M9XD\n", "7-K-Q-2-M-9-X-D"])
def test_a_code_may_be_typed_as_people_do(typed: str) -> None:
    assert plain_code(typed) == "7KQ2M9XD"


def test_what_is_easily_misread_is_put_right() -> None:
    assert plain_code("OIL0-1111") == "01101111"
    assert len(ALPHABET) == 32
    assert not set("ILOU") & set(ALPHABET)


@pytest.mark.parametrize("typed", ["", "7KQ2M9X", "7KQ2M9XDD", "7KQ2-M9XU", "7KQ2-M9X!", "\uff17KQ2M9XD"])
def test_what_can_be_no_code_is_none(typed: str) -> None:
    assert plain_code(typed) is None
