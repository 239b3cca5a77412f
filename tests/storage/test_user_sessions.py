import asyncio
import hashlib
from datetime import datetime, timedelta

import pytest

from storage import outbox, user_sessions, users
from storage.database import Connection, Database
from storage.users import Role, User

IDLE = timedelta(hours=1)
DAY = timedelta(days=1)


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.fixture
async def ada_user(connection: Connection, noon: datetime) -> User:
    return await users.add(
        connection, login="ada", name="Ada", role=Role.TEACHER, password_hash="x", created_by="test", now=noon
    )


async def try_begin(
    connection: Connection, user: User, token: str, now: datetime, password_hash: str = "x"
) -> user_sessions.Session | None:
    return await user_sessions.begin(
        connection,
        user.user_id,
        password_hash=password_hash,
        token_sha256=sha256(token),
        now=now,
        expires_at=now + DAY,
    )


async def begin(connection: Connection, user: User, token: str, now: datetime) -> user_sessions.Session:
    session = await try_begin(connection, user, token, now)
    assert session is not None
    return session


async def test_a_session_is_found_by_its_token_until_it_is_ended(
    connection: Connection, ada_user: User, noon: datetime
) -> None:
    session = await begin(connection, ada_user, "one", noon)
    assert session.user.last_login_at == noon
    assert await user_sessions.find(connection, sha256("one"), noon, IDLE) == session
    assert await user_sessions.find(connection, sha256("two"), noon, IDLE) is None
    await user_sessions.end(connection, session.session_id)
    assert await user_sessions.find(connection, sha256("one"), noon, IDLE) is None
    (event,) = await outbox.read_after(connection, 0)
    assert event.payload == {"kind": "session", "id": str(session.session_id)}


async def test_it_ends_when_nobody_uses_it_and_in_any_case_after_its_time(
    connection: Connection, ada_user: User, noon: datetime
) -> None:
    await begin(connection, ada_user, "idle", noon)
    await begin(connection, ada_user, "busy", noon)
    assert await user_sessions.find(connection, sha256("idle"), noon + IDLE, IDLE) is None
    for minutes in range(0, 24 * 60, 30):
        assert await user_sessions.find(connection, sha256("busy"), noon + timedelta(minutes=minutes), IDLE)
    assert await user_sessions.find(connection, sha256("busy"), noon + DAY, IDLE) is None
    assert await user_sessions.prune(connection, noon) == 0
    assert await user_sessions.prune(connection, noon + IDLE, 1) == 1
    assert await user_sessions.prune(connection, noon + DAY + IDLE) == 1
    assert await connection.fetchval("SELECT count(*) FROM user_sessions") == 0


async def test_sessions_of_one_user_are_bounded_and_the_one_idle_longest_goes_with_an_event(
    connection: Connection, ada_user: User, noon: datetime
) -> None:
    made = []
    for number in range(user_sessions.SESSIONS_MAX + 2):
        made.append(await begin(connection, ada_user, f"{number}", noon + timedelta(seconds=number)))
    now = noon + timedelta(minutes=1)
    alive = [await user_sessions.find(connection, sha256(f"{n}"), now, IDLE) is not None for n in range(len(made))]
    assert alive == [False, False] + [True] * user_sessions.SESSIONS_MAX
    ended = [event.payload["id"] for event in await outbox.read_after(connection, 0)]
    assert ended == [str(made[0].session_id), str(made[1].session_id)]


async def test_nobody_who_was_removed_begins_a_session(connection: Connection, ada_user: User, noon: datetime) -> None:
    await users.remove(connection, ada_user.user_id, noon)
    assert await try_begin(connection, ada_user, "late", noon) is None
    assert await connection.fetchval("SELECT count(*) FROM user_sessions") == 0


async def test_no_session_begins_with_a_password_that_was_changed_since_it_was_checked(
    connection: Connection, ada_user: User, noon: datetime
) -> None:
    await users.set_password(connection, ada_user.user_id, "new")
    assert await try_begin(connection, ada_user, "late", noon) is None
    assert await try_begin(connection, ada_user, "later", noon, "new") is not None


async def test_a_session_that_begins_while_the_password_is_changed_does_not_outlive_the_change(
    database: Database, noon: datetime
) -> None:
    async with database.acquire() as one, database.acquire() as other:
        ada = await users.add(
            one, login="ada", name="Ada", role=Role.TEACHER, password_hash="x", created_by="test", now=noon
        )
        async with one.transaction():
            await users.set_password(one, ada.user_id, "new")
            beginning = asyncio.create_task(try_begin(other, ada, "old password", noon))
            await asyncio.wait([beginning], timeout=0.2)  # whether it waits or is too early, it must not win
        assert await beginning is None
        async with other.transaction():
            assert await try_begin(other, ada, "again", noon, "new") is not None
            changing = asyncio.create_task(users.set_password(one, ada.user_id, "newer"))
            await asyncio.wait([changing], timeout=0.2)
        await changing
        assert await one.fetchval("SELECT count(*) FROM user_sessions") == 0
