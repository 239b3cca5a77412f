import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import argon2
import pytest

from stream_server.access.passwords import LENGTH_MAX, WAITING_MAX, Passwords, PasswordsBusy, PasswordTooWeak
from stream_server.settings import AuthSettings

GOOD = "correct horse battery"


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(memory_kib=8192, passes=1, length_min=10)
    yield passwords
    passwords.close()


async def test_a_password_fits_its_own_hash_and_no_other(passwords: Passwords) -> None:
    kept = await passwords.hash(GOOD)
    assert await passwords.matches(kept, GOOD)
    assert not await passwords.matches(kept, GOOD + " ")
    assert not await passwords.matches(kept, "")
    assert kept != await passwords.hash(GOOD)
    assert GOOD not in kept


async def test_the_hash_is_argon2id_with_at_least_what_owasp_recommends() -> None:
    settings = AuthSettings()
    passwords = Passwords(memory_kib=settings.password_memory_kib, passes=settings.password_passes, length_min=10)
    kept = argon2.extract_parameters(await passwords.hash(GOOD))
    passwords.close()
    assert kept.type is argon2.Type.ID
    assert (kept.memory_cost, kept.time_cost, kept.parallelism) == (19 * 1024, 2, 1)


async def test_nobodys_password_is_hashed_all_the_same(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await passwords.hash(GOOD)
    verified: list[str] = []
    verify = argon2.PasswordHasher.verify

    def watched(self: Any, hashed: str, password: str) -> Any:
        verified.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    assert not await passwords.matches(None, GOOD)
    assert not await passwords.matches(None, "nobody has this password")
    assert await passwords.matches(kept, GOOD)
    assert len(verified) == 3
    assert argon2.extract_parameters(verified[0]) == argon2.extract_parameters(kept)


async def test_a_damaged_hash_fits_nothing(passwords: Passwords) -> None:
    for damaged in ("x", "$argon2id$v=19$m=8192,t=1,p=1$$", "$2b$12$abc"):
        assert not await passwords.matches(damaged, GOOD)


async def test_the_same_password_from_another_keyboard_fits(passwords: Passwords) -> None:
    assert await passwords.matches(await passwords.hash("Ångström Straße 9"), "A\u030angstro\u0308m Straße 9")


async def test_hashes_of_other_settings_are_outdated(passwords: Passwords) -> None:
    kept = await passwords.hash(GOOD)
    assert not passwords.is_outdated(kept)
    stronger = Passwords(memory_kib=16_384, passes=1, length_min=10)
    assert stronger.is_outdated(kept)
    assert await stronger.matches(kept, GOOD)
    stronger.close()


async def test_one_is_hashed_at_a_time_and_few_may_wait(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, at_once, most = threading.Event(), 0, 0

    def slow(self: Any, password: str) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        gate.wait(10)
        at_once -= 1
        return "hash"

    monkeypatch.setattr(argon2.PasswordHasher, "hash", slow)
    waiting = [asyncio.create_task(passwords.hash(GOOD)) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    waiting[3].cancel()  # a client that went away
    with pytest.raises(PasswordsBusy):
        await passwords.hash(GOOD)
    gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results.count("hash") == WAITING_MAX - 1
    assert most == 1
    assert await passwords.hash(GOOD) == "hash"


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "ninechars",
        "1234567890",
        "Password123",
        "aaaaaaaaaaaaaaaa",
        "ababababababab",
        "lovelacelovelace",
        "lovelace1",
        "LOVELACE2026",
    ],
)
def test_a_password_that_would_be_guessed_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(PasswordTooWeak) as refused:
        passwords.check_strength(password, "lovelace")
    assert not password or password not in refused.value.detail + refused.value.hint


@pytest.mark.parametrize(
    "password", [GOOD, "x7$kQ!mw2z", "пароль из слов", "lovelace and her engine", "q" * 60 + "wert"]
)
def test_a_long_one_of_any_letters_will_do(passwords: Passwords, password: str) -> None:
    passwords.check_strength(password, "lovelace")
    assert len(password) <= LENGTH_MAX
