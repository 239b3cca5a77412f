import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from recognition.errors import RequestError
from storage import outbox, user_sessions, users
from storage.database import Connection, Database
from storage.errors import Conflict, NotFound
from storage.users import Role, User

NOON = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


async def add(connection: Connection, login: str, role: Role = Role.VIEWER, **more: Any) -> User:
    values: dict[str, Any] = {"name": login.title(), "password_hash": "$argon2id$x", "created_by": "owner-token"}
    return await users.add(connection, login=login, role=role, now=NOON, **(values | more))


async def changes(connection: Connection) -> list[tuple[str, str]]:
    events = await outbox.read_after(connection, 0)
    return [(event.payload["kind"], event.payload["id"]) for event in events if event.type == "access.changed"]


async def test_a_user_is_found_by_login_and_listed_by_name(connection: Connection) -> None:
    ada = await add(connection, "zada", name="Ada")
    bob = await add(connection, "bob")
    assert await users.find_by_login(connection, "zada") == ada
    assert await users.find_by_login(connection, "nobody") is None
    assert (await users.list_users(connection)).items == (ada, bob)
    assert (await users.list_users(connection, login="bob")).items == (bob,)
    assert (await users.list_users(connection, login="nobody")).items == ()
    first = await users.list_users(connection, limit=1)
    assert (await users.list_users(connection, limit=1, cursor=first.next_cursor)).items == (bob,)
    assert ada.password_hash == "$argon2id$x"
    assert "argon2" not in repr(ada)


async def test_a_login_is_taken_once_and_free_again_when_its_user_is_removed(connection: Connection) -> None:
    ada = await add(connection, "ada")
    with pytest.raises(Conflict) as refused:
        await add(connection, "ada")
    assert refused.value.code == "login_taken"
    await users.remove(connection, ada.user_id, NOON)
    assert (await add(connection, "ada")).user_id != ada.user_id


@pytest.mark.parametrize("login", ["", "Ada", "ada lovelace", "-ada", "ädä", "a" * 101, "ada\n", "a\0"])
async def test_what_can_be_no_login_is_refused(connection: Connection, login: str) -> None:
    with pytest.raises(RequestError) as refused:
        await add(connection, login)
    assert refused.value.code == "login_invalid"


async def test_there_is_a_first_owner_once_however_many_try_at_the_same_time(database: Database) -> None:
    async def try_it(number: int) -> str:
        async with database.acquire() as connection:
            try:
                await add(connection, f"owner-{number}", Role.OWNER, first_owner=True)
            except Conflict as refused:
                return refused.code
            return "made"

    outcomes = await asyncio.gather(*(try_it(number) for number in range(4)))
    assert sorted(outcomes) == ["made", "setup_done", "setup_done", "setup_done"]
    async with database.acquire() as connection:
        assert await users.has_owner(connection)


async def test_the_last_owner_can_be_neither_removed_nor_made_less_even_by_two_at_once(database: Database) -> None:
    async with database.acquire() as connection:
        one = await add(connection, "one", Role.OWNER)
        two = await add(connection, "two", Role.OWNER)

    async def demote(user: User) -> str:
        async with database.acquire() as connection:
            try:
                await users.update(connection, user.user_id, role=Role.ADMIN)
            except Conflict as refused:
                return refused.code
            return "done"

    assert sorted(await asyncio.gather(demote(one), demote(two))) == ["done", "last_owner"]
    async with database.acquire() as connection:
        (last,) = [user for user in (await users.list_users(connection)).items if user.role is Role.OWNER]
        with pytest.raises(Conflict):
            await users.remove(connection, last.user_id, NOON)
        await users.update(connection, last.user_id, name="Still owner", role=Role.OWNER)


async def test_other_rights_are_an_event_and_another_name_is_not(connection: Connection) -> None:
    ada = await add(connection, "ada", Role.TEACHER)
    group = uuid4()
    assert (await users.update(connection, ada.user_id, name="Ada L.")).name == "Ada L."
    assert await changes(connection) == []
    assert (await users.update(connection, ada.user_id, groups=[group, group])).groups == (group,)
    assert (await users.update(connection, ada.user_id, role=Role.VIEWER)).groups == (group,)
    assert (await users.update(connection, ada.user_id, groups=())).groups == ()
    assert await changes(connection) == [("user", str(ada.user_id))] * 3


async def test_who_is_removed_leaves_a_name_and_no_access(connection: Connection) -> None:
    ada = await add(connection, "ada", groups=[uuid4()])
    assert await user_sessions.begin(
        connection,
        ada.user_id,
        password_hash="$argon2id$x",
        token_sha256=bytes(32),
        now=NOON,
        expires_at=NOON.replace(year=2027),
    )
    await users.remove(connection, ada.user_id, NOON)
    row = await connection.fetchrow("SELECT name, password_hash FROM users WHERE id = $1", ada.user_id)
    assert row is not None
    assert tuple(row) == ("Ada", None)
    for table in ("user_sessions", "user_groups"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await changes(connection) == [("user", str(ada.user_id))]
    with pytest.raises(NotFound) as refused:
        await users.get(connection, ada.user_id)
    assert refused.value.code == "user_not_found"
    for unknown in (ada.user_id, UUID(int=7)):
        with pytest.raises(NotFound):
            await users.remove(connection, unknown, NOON)
        with pytest.raises(NotFound):
            await users.set_password(connection, unknown, "x")


async def test_a_new_password_ends_all_sessions_and_a_new_hash_of_the_same_does_not(connection: Connection) -> None:
    ada = await add(connection, "ada")
    later = NOON.replace(year=2027)
    assert await user_sessions.begin(
        connection,
        ada.user_id,
        password_hash="$argon2id$x",
        token_sha256=bytes(32),
        now=NOON,
        expires_at=later,
    )
    assert await users.replace_password(connection, ada, "stronger", ends_sessions=False)
    assert not await users.replace_password(connection, ada, "late", ends_sessions=False)
    assert await connection.fetchval("SELECT count(*) FROM user_sessions") == 1
    await users.set_password(connection, ada.user_id, "new")
    assert await connection.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert (await users.get(connection, ada.user_id)).password_hash == "new"
    assert await changes(connection) == [("user", str(ada.user_id))]
