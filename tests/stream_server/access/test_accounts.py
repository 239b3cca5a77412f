from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from storage import users
from storage.database import Database
from storage.errors import Conflict
from storage.users import Role
from stream_server.access.accounts import Accounts, PasswordWrong, SignInRefused, plain_login
from stream_server.access.attempts import TooManyAttempts
from stream_server.access.passwords import Passwords, PasswordsBusy, PasswordTooWeak
from stream_server.access.principals import Kind, digest
from stream_server.access.rights import Right
from stream_server.access.shared_attempts import SharedAttempts
from stream_server.privacy.auditing import Auditor
from stream_server.settings import AuthSettings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
GOOD = "correct horse battery"
SETTINGS = AuthSettings(session_idle_s=3600, session_max_s=86_400)


@pytest.fixture
def clock() -> Any:
    return SimpleNamespace(now=NOON)


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords = Passwords(memory_kib=8192, passes=1, length_min=10)
    yield passwords
    passwords.close()


@pytest.fixture
def accounts(database: Database, attempts: SharedAttempts, passwords: Passwords, clock: Any) -> Accounts:
    return Accounts(database, passwords, SETTINGS, attempts=attempts, now=lambda: clock.now)


async def add(
    accounts: Accounts, auditor: Auditor, login: str = "ada", role: Role = Role.VIEWER, **more: Any
) -> users.User:
    return await accounts.add(login, "Ada", GOOD, role=role, by="owner-token", audit=auditor, **more)


async def test_the_first_owner_is_made_once_and_signed_in(
    accounts: Accounts, database: Database, auditor: Auditor
) -> None:
    assert await accounts.needs_set_up()
    signed_in = await accounts.set_up("Ada@School.example", "Ada", GOOD, auditor)
    assert not await accounts.needs_set_up()
    assert signed_in.session.user.login == "ada@school.example"
    async with database.acquire() as connection:
        principal = await accounts.find(connection, digest(signed_in.token))
    assert principal is not None
    assert principal.is_owner
    with pytest.raises(Conflict) as refused:
        await accounts.set_up("bob", "Bob", GOOD, auditor)
    assert refused.value.code == "setup_done"


async def test_a_weak_password_makes_nobody(accounts: Accounts, auditor: Auditor) -> None:
    with pytest.raises(PasswordTooWeak):
        await accounts.set_up("ada", "Ada", "password123", auditor)
    assert await accounts.needs_set_up()


async def test_who_signs_in_is_known_by_the_session_with_role_and_groups(
    accounts: Accounts, database: Database, auditor: Auditor
) -> None:
    group = uuid4()
    user = await add(accounts, auditor, role=Role.TEACHER, groups=(group,))
    signed_in = await accounts.sign_in(" ADA ", GOOD, "here", auditor)
    assert signed_in.session.expires_at == NOON + timedelta(days=1)
    async with database.acquire() as connection:
        principal = await accounts.find(connection, digest(signed_in.token))
    assert principal is not None
    assert (principal.kind, principal.user_id, principal.groups) == (Kind.USER, user.user_id, (group,))
    assert Right.SESSION in principal.rights
    assert principal.expires_at == signed_in.session.expires_at
    assert principal.subjects == {("user", user.user_id), ("session", signed_in.session.session_id)}


async def test_only_a_teacher_has_groups(accounts: Accounts, database: Database, auditor: Auditor) -> None:
    await add(accounts, auditor, role=Role.ADMIN, groups=(uuid4(),))
    token = (await accounts.sign_in("ada", GOOD, "here", auditor)).token
    async with database.acquire() as connection:
        principal = await accounts.find(connection, digest(token))
    assert principal is not None
    assert principal.groups is None


async def test_an_unknown_login_a_wrong_password_and_a_removed_user_are_refused_alike_after_the_same_work(
    accounts: Accounts, passwords: Passwords, database: Database, monkeypatch: pytest.MonkeyPatch, auditor: Auditor
) -> None:
    await add(accounts, auditor)
    gone = await add(accounts, auditor, "gone")
    async with database.acquire() as connection:
        await users.remove(connection, gone.user_id, NOON)
    checked: list[bool] = []
    matches = passwords.matches

    async def watched(kept: str | None, password: str) -> bool:
        checked.append(kept is not None)
        return await matches(kept, password)

    monkeypatch.setattr(passwords, "matches", watched)
    said = set()
    for login, password in (
        ("ada", GOOD + "!"),
        ("nobody", GOOD),
        ("gone", GOOD),
        ("a'; DROP TABLE users", GOOD),
        ("a\0", GOOD),
    ):
        with pytest.raises(SignInRefused) as refused:
            await accounts.sign_in(login, password, "here", auditor)
        said.add((refused.value.code, refused.value.detail, refused.value.hint))
    assert len(said) == 1
    assert checked == [True, False, False, False, False]


async def test_guessing_from_one_address_is_stopped_before_anything_is_hashed(
    accounts: Accounts, passwords: Passwords, monkeypatch: pytest.MonkeyPatch, auditor: Auditor
) -> None:
    await add(accounts, auditor)
    for number in range(10):
        with pytest.raises(SignInRefused):
            await accounts.sign_in(f"user-{number}", GOOD, "guesser", auditor)
    monkeypatch.setattr(passwords, "matches", None)
    with pytest.raises(TooManyAttempts) as refused:
        await accounts.sign_in("ada", GOOD, "guesser", auditor)
    assert 0 < refused.value.retry_after_s <= 300


async def test_who_guesses_at_one_server_after_another_gets_no_more_attempts(
    accounts: Accounts, database: Database, attempts: SharedAttempts, passwords: Passwords, clock: Any, auditor: Auditor
) -> None:
    other = Accounts(database, passwords, SETTINGS, attempts=attempts, now=lambda: clock.now)
    await add(accounts, auditor)
    for number in range(10):
        with pytest.raises(SignInRefused):
            await (accounts if number % 2 else other).sign_in("ada", "wrong", "guesser", auditor)
    for server in (accounts, other):
        with pytest.raises(TooManyAttempts) as refused:
            await server.sign_in("ada", GOOD, "guesser", auditor)
        assert 0 < refused.value.retry_after_s <= 300
        await server.sign_in("ada", GOOD, "school", auditor)


async def test_guessing_one_account_from_many_addresses_is_stopped_too(accounts: Accounts, auditor: Auditor) -> None:
    await add(accounts, auditor)
    for number in range(30):
        with pytest.raises(SignInRefused):
            await accounts.sign_in("ada", "wrong", f"address-{number}", auditor)
    with pytest.raises(TooManyAttempts):
        await accounts.sign_in("Ada", GOOD, "another", auditor)
    with pytest.raises(SignInRefused):
        await accounts.sign_in("bob", GOOD, "another", auditor)


async def test_who_is_refused_for_the_accounts_sake_keeps_the_attempts_of_the_address(
    accounts: Accounts, auditor: Auditor
) -> None:
    for number in range(30):
        with pytest.raises(SignInRefused):
            await accounts.sign_in("ada", "wrong", f"address-{number}", auditor)
    for _ in range(20):
        with pytest.raises(TooManyAttempts):
            await accounts.sign_in("ada", GOOD, "school", auditor)
    await add(accounts, auditor, "bob")
    await accounts.sign_in("bob", GOOD, "school", auditor)


async def test_what_fails_because_the_server_is_busy_is_no_guess(
    accounts: Accounts, passwords: Passwords, monkeypatch: pytest.MonkeyPatch, auditor: Auditor
) -> None:
    async def busy(kept: str | None, password: str) -> bool:
        raise PasswordsBusy("busy")

    await add(accounts, auditor)
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "matches", busy)
        for _ in range(15):
            with pytest.raises(PasswordsBusy):
                await accounts.sign_in("ada", GOOD, "here", auditor)
    await accounts.sign_in("ada", GOOD, "here", auditor)


@pytest.mark.parametrize("outdated", [False, True])
@pytest.mark.parametrize("removed", [False, True])
async def test_a_password_that_is_changed_while_the_old_one_is_checked_stays_changed(
    accounts: Accounts,
    passwords: Passwords,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    outdated: bool,
    removed: bool,
    auditor: Auditor,
) -> None:
    user = await add(accounts, auditor)
    new_hash = await passwords.hash("another good one")
    matches = passwords.matches

    async def changed_meanwhile(kept: str | None, password: str) -> bool:
        fits = await matches(kept, password)
        async with database.acquire() as connection:
            if removed:
                await users.remove(connection, user.user_id, NOON)
            else:
                await users.set_password(connection, user.user_id, new_hash)
        return fits

    with monkeypatch.context() as patch:
        patch.setattr(passwords, "matches", changed_meanwhile)
        patch.setattr(passwords, "is_outdated", lambda kept: outdated)
        with pytest.raises(SignInRefused):
            await accounts.sign_in("ada", GOOD, "here", auditor)
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM user_sessions") == 0
    if not removed:
        await accounts.sign_in("ada", "another good one", "here", auditor)


async def test_who_changes_a_password_that_somebody_else_has_just_set_is_told_that_it_is_wrong(
    accounts: Accounts, passwords: Passwords, database: Database, monkeypatch: pytest.MonkeyPatch, auditor: Auditor
) -> None:
    user = await add(accounts, auditor)
    begun = await accounts.sign_in("ada", GOOD, "here", auditor)
    set_by_admin = await passwords.hash("set by an admin")
    hash_new = accounts.hash_new

    async def changed_meanwhile(user: users.User, password: str) -> str:
        async with database.acquire() as connection:
            await users.set_password(connection, user.user_id, set_by_admin)
        return await hash_new(user, password)

    async with database.acquire() as connection:
        principal = await accounts.find(connection, digest(begun.token))
    assert principal is not None
    monkeypatch.setattr(accounts, "hash_new", changed_meanwhile)
    with pytest.raises(PasswordWrong):
        await accounts.change_password(principal, GOOD, "another good one", auditor)
    async with database.acquire() as connection:
        assert (await users.get(connection, user.user_id)).password_hash == set_by_admin


async def test_who_knows_the_password_is_not_counted_against(accounts: Accounts, auditor: Auditor) -> None:
    await add(accounts, auditor)
    for number in range(40):
        await accounts.sign_in("ada", GOOD, f"address-{number}", auditor)


async def test_every_session_has_a_new_secret(accounts: Accounts, auditor: Auditor) -> None:
    await add(accounts, auditor)
    tokens = {(await accounts.sign_in("ada", GOOD, "here", auditor)).token for _ in range(5)}
    assert len(tokens) == 5
    assert all(token.startswith("rcs_") and len(token) >= 47 for token in tokens)


async def test_a_hash_of_older_settings_is_made_anew_at_the_next_sign_in(
    accounts: Accounts, database: Database, attempts: SharedAttempts, clock: Any, auditor: Auditor
) -> None:
    user = await add(accounts, auditor)
    stronger = Passwords(memory_kib=16_384, passes=1, length_min=10)
    later = Accounts(database, stronger, SETTINGS, attempts=attempts, now=lambda: clock.now)
    kept = await accounts.sign_in("ada", GOOD, "here", auditor)
    await later.sign_in("ada", GOOD, "here", auditor)
    stronger.close()
    async with database.acquire() as connection:
        now = await users.get(connection, user.user_id)
        assert await accounts.find(connection, digest(kept.token)) is not None
    assert now.password_hash is not None
    assert "m=16384" in now.password_hash


async def test_a_changed_password_ends_all_sessions_but_the_new_one(
    accounts: Accounts, database: Database, auditor: Auditor
) -> None:
    await add(accounts, auditor)
    first, second = [await accounts.sign_in("ada", GOOD, "here", auditor) for _ in range(2)]
    async with database.acquire() as connection:
        principal = await accounts.find(connection, digest(first.token))
    assert principal is not None
    with pytest.raises(PasswordWrong):
        await accounts.change_password(principal, "wrong", "another good one", auditor)
    with pytest.raises(PasswordTooWeak):
        await accounts.change_password(principal, GOOD, "short", auditor)
    third = await accounts.change_password(principal, GOOD, "another good one", auditor)
    async with database.acquire() as connection:
        known = [await accounts.find(connection, digest(s.token)) is not None for s in (first, second, third)]
    assert known == [False, False, True]
    await accounts.sign_in("ada", "another good one", "here", auditor)


async def test_a_session_ends_by_signing_out_and_by_doing_nothing(
    accounts: Accounts, database: Database, clock: Any, auditor: Auditor
) -> None:
    await add(accounts, auditor)
    out, idle = [await accounts.sign_in("ada", GOOD, "here", auditor) for _ in range(2)]
    await accounts.sign_out(out.session.session_id, auditor)
    async with database.acquire() as connection:
        assert await accounts.find(connection, digest(out.token)) is None
        clock.now += timedelta(minutes=59)
        assert await accounts.find(connection, digest(idle.token)) is not None
        clock.now += timedelta(minutes=60)
        assert await accounts.find(connection, digest(idle.token)) is None


def test_a_login_is_small_letters() -> None:
    assert plain_login("  Ada@School.Example ") == "ada@school.example"
