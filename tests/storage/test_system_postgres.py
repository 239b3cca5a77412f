"""Debian's PostgreSQL over TCP with a password: the way a managed database is reached."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from recognition.types import Sighting
from storage import attendance, migrate, outbox, people
from storage.database import HEAD_REVISION, Database, open_connection
from storage.errors import StorageUnavailable
from tests.postgres import open_folder

PASSWORD = secrets.token_urlsafe(12) + "/:@?%"
ESCAPED = PASSWORD.replace("%", "%25").replace("/", "%2F").replace(":", "%3A").replace("@", "%40").replace("?", "%3F")


def _as_postgres() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no user postgres, and PostgreSQL does not run as root")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@pytest.fixture(scope="module")
def system_server() -> Iterator[str]:
    """The address of Debian's server, with user `rollcall` and an empty database `school`."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("Debian's package postgresql is not installed")
    folder_of = programs[-1].parent
    user = _as_postgres()
    with open_folder() as root:
        if user:
            shutil.chown(root, user["user"], user["group"])  # type: ignore[arg-type]
        password_file = root / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        data = root / "data"
        init = [str(folder_of / "initdb"), "-D", str(data), "-U", "rollcall", "-A", "scram-sha-256", "-E", "UTF8"]
        subprocess.run(
            [*init, "--pwfile", str(password_file)],
            check=True,
            capture_output=True,
            cwd="/",
            **user,  # type: ignore[call-overload]
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [str(folder_of / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **user,  # type: ignore[call-overload]
        )
        try:
            while "ready" not in (_pid_file(data)):
                assert server.poll() is None, "Debian's PostgreSQL ended at once"
                time.sleep(0.05)
            yield f"postgresql://rollcall:{ESCAPED}@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(30)


def _pid_file(data: Path) -> str:
    try:
        return (data / "postmaster.pid").read_text()
    except FileNotFoundError:
        return ""


@pytest.fixture
async def school_dsn(system_server: str) -> str:
    connection = await open_connection(system_server)
    await connection.execute("DROP DATABASE IF EXISTS school WITH (FORCE)")
    await connection.execute("CREATE DATABASE school")
    await connection.close()
    return system_server.removesuffix("postgres") + "school"


async def test_migrations_and_sightings_work_on_an_older_server_over_tcp(
    school_dsn: str, make_sighting: Callable[..., Sighting]
) -> None:
    assert await migrate.upgrade(school_dsn) == migrate.Migrated(None, HEAD_REVISION)
    assert (await migrate.downgrade(school_dsn)).after is None
    await migrate.upgrade(school_dsn.replace("postgresql://", "postgresql+asyncpg://"))
    database = await Database.connect(school_dsn)
    heard: list[int] = []
    async with outbox.listen(school_dsn, heard.append) as listener, database.acquire() as connection:
        sighting = make_sighting((await _granted(connection)).person_id)
        first = await attendance.record_sighting(connection, sighting, ZoneInfo("Europe/Berlin"))
        again = await attendance.record_sighting(connection, sighting, ZoneInfo("Europe/Berlin"))
        await listener.check()
        while first.event_id not in heard:
            await listener.check()
        assert (first.first, again.outcome) == (True, attendance.Outcome.DUPLICATE)
        assert await outbox.latest_id(connection) == first.event_id
    await database.close()


async def _granted(connection: object) -> people.Person:
    from datetime import UTC, datetime

    at = datetime(2026, 3, 2, tzinfo=UTC)
    return await people.create(connection, name="Ada", at=at, consent=people.Consent.GRANTED)  # type: ignore[arg-type]


async def test_a_wrong_password_is_told_without_repeating_it(school_dsn: str) -> None:
    wrong = school_dsn.replace(ESCAPED, "wr0ng-w0rd")
    with pytest.raises(StorageUnavailable) as refused:
        await Database.connect(wrong)
    assert "refused the login" in refused.value.detail
    assert "password" in refused.value.hint
    assert "wr0ng-w0rd" not in f"{refused.value}{refused.value.__cause__}"


async def test_a_server_without_room_for_a_connection_is_an_outage(school_dsn: str) -> None:
    admin = await open_connection(school_dsn)
    await admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest' CONNECTION LIMIT 0")
    try:
        with pytest.raises(StorageUnavailable) as full:
            await Database.connect(school_dsn.replace(f"rollcall:{ESCAPED}", "guest:guest"))
        assert "no connection left" in full.value.detail
    finally:
        await admin.execute("DROP ROLE guest")
        await admin.close()
