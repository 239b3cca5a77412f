import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote
from uuid import UUID

import asyncpg
import pytest

from recognition.types import Sighting
from storage import attendance, migrate, people, sessions
from storage.database import Database, open_connection
from storage.embedded import EmbeddedPostgres
from storage.errors import StorageUnavailable
from storage.postmaster import is_server, read_pid_file
from tests.postgres import answers, open_folder, run_async


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a server of its own; whatever still runs there at the end is stopped."""
    with open_folder() as root:
        folder = root / "a folder with 'quotes', blanks and ünïcode"
        yield folder
        found = read_pid_file(folder / "data")
        if found is not None and is_server(found[0], folder / "data"):
            os.kill(found[0], signal.SIGQUIT)
            while is_server(found[0], folder / "data"):
                time.sleep(0.01)


def ask(dsn: str, query: str) -> object:
    async def work() -> object:
        connection = await open_connection(dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return run_async(work)


def test_data_survives_a_stop_and_a_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    dsn = server.start()
    assert server.start() == dsn
    ask(dsn, "CREATE TABLE t AS SELECT 7 AS n")
    server.stop()
    server.stop()
    assert server.pid is None
    with pytest.raises(StorageUnavailable):
        _ = server.dsn
    assert ask(server.start(), "SELECT n FROM t") == 7
    server.stop()


def test_commits_are_durable_and_memory_is_small_by_default(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    dsn = server.start()
    for name, value in (
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("shared_buffers", "16MB"),
        ("max_connections", "40"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
    ):
        assert ask(dsn, f"SHOW {name}") == value
    server.stop()


def test_a_path_too_long_for_a_socket_works(folder: Path) -> None:
    long = folder / ("x" * 100) / ("y" * 100)
    server = EmbeddedPostgres(long)
    dsn = server.start()
    assert str(long) not in dsn
    assert ask(dsn, "SELECT 1") == 1
    server.stop()


def test_a_server_that_died_is_revived_at_the_same_address_but_not_after_a_stop(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    assert not server.revive()
    dsn = server.start()
    assert not server.revive()
    died = server.pid
    assert died is not None
    os.kill(died, signal.SIGKILL)
    while is_server(died, server.data_dir):
        time.sleep(0.01)
    assert server.revive()
    assert server.pid != died
    assert (server.dsn, ask(dsn, "SELECT 1")) == (dsn, 1)
    server.stop()
    assert not server.revive()
    assert server.pid is None


def test_two_users_of_one_folder_share_the_server_and_the_last_stops_it(folder: Path) -> None:
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    first.start()
    second.start()
    assert first.pid == second.pid
    first.stop()
    assert ask(second.dsn, "SELECT 1") == 1
    second.stop()
    assert second.pid is None


def test_two_that_start_at_once_get_one_server(folder: Path) -> None:
    servers = [EmbeddedPostgres(folder) for _ in range(2)]

    async def start() -> list[str]:
        return await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))

    first, second = run_async(start)
    assert first == second
    assert ask(first, "SELECT 1") == 1
    for server in servers:
        server.stop()


def test_the_server_of_a_killed_process_is_taken_over_and_stopped_by_the_next(folder: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from storage.embedded import EmbeddedPostgres
EmbeddedPostgres(Path({str(folder)!r})).start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    orphan = read_pid_file(folder / "data")
    assert orphan is not None

    server = EmbeddedPostgres(folder)
    assert ask(server.start(), "SELECT 1") == 1
    assert server.pid == orphan[0]
    server.stop()
    assert server.pid is None


def test_a_recorded_process_number_that_is_somebody_elses_now_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    pid_file = folder / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    # As after a restart of the container: the file is left over, and its number belongs to a stranger.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        os.chown(pid_file, (folder / "data").stat().st_uid, (folder / "data").stat().st_gid)
        assert ask(server.start(), "SELECT 1") == 1
        server.stop()
        assert stranger.poll() is None


def test_a_half_made_cluster_is_made_anew(folder: Path) -> None:
    half = folder / "data.new" / "base"
    half.mkdir(parents=True)
    server = EmbeddedPostgres(folder)
    assert ask(server.start(), "SELECT 1") == 1
    server.stop()
    assert not half.exists()


def test_a_server_that_does_not_come_up_is_told_in_its_own_words(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    with pytest.raises(StorageUnavailable) as failed:
        EmbeddedPostgres(folder, settings={"shared_buffers": "much"}).start()
    assert "shared_buffers" in failed.value.detail
    assert "DATABASE_URL" in failed.value.hint


def test_without_the_package_it_is_told_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StorageUnavailable) as missing:
        EmbeddedPostgres(folder).start()
    assert "DATABASE_URL" in missing.value.hint
    assert "`embedded`" in missing.value.hint


def test_data_of_a_version_that_is_not_installed_is_refused(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StorageUnavailable) as refused:
        EmbeddedPostgres(folder).start()
    assert "PostgreSQL 9" in refused.value.detail


async def test_a_killed_server_loses_nothing_that_was_committed(
    folder: Path, make_sighting: Callable[..., Sighting]
) -> None:
    """PostgreSQL is killed in the middle of writing; every call that returned must be found afterwards."""
    server = EmbeddedPostgres(folder)
    dsn = await asyncio.to_thread(server.start)
    await migrate.upgrade(dsn)
    database = await Database.connect(dsn)
    noon = make_sighting(UUID(int=0)).captured_at
    stored: dict[UUID, UUID] = {}
    enough = asyncio.Event()

    async def write() -> None:
        while True:
            async with database.acquire() as connection:
                person = await people.create(connection, name="P", at=noon, consent=people.Consent.GRANTED)
                sighting = make_sighting(person.person_id)
                await attendance.record_sighting(connection, sighting, sessions.ZoneInfo("UTC"))
            stored[sighting.sighting_id] = person.person_id
            if len(stored) == 60:
                enough.set()

    writers = [asyncio.ensure_future(write()) for _ in range(4)]
    await enough.wait()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    ends = await asyncio.gather(*writers, return_exceptions=True)
    assert [type(end) for end in ends] == [StorageUnavailable] * 4
    assert not await answers(database)
    await asyncio.to_thread(server.stop)

    again = await open_connection(await asyncio.to_thread(server.start))
    found = {row["id"]: row["person_id"] for row in await again.fetch("SELECT id, person_id FROM sightings")}
    assert stored.items() <= found.items()
    marked = await again.fetchval("SELECT count(*) FROM outbox WHERE type = 'attendance.marked'")
    assert marked == await again.fetchval("SELECT count(*) FROM attendance") == len(found)
    await again.close()
    assert await answers(database)  # the pool comes back by itself
    await database.close()
    await asyncio.to_thread(server.stop)


@pytest.mark.parametrize("depth", [0, 200])
def test_nobody_but_the_owner_can_reach_the_socket(folder: Path, depth: int) -> None:
    server = EmbeddedPostgres(folder / ("x" * depth))
    host = Path(unquote(server.start().partition("host=")[2].partition("&")[0]))
    assert (host / ".s.PGSQL.5432").is_socket()
    assert stat.S_IMODE(host.stat().st_mode) == 0o700
    assert host.stat().st_uid == server.data_dir.stat().st_uid
    server.stop()


def test_a_foreign_folder_in_the_way_of_the_socket_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    server = EmbeddedPostgres(folder / ("x" * 200))
    host = Path(unquote(server.start().partition("host=")[2].partition("&")[0]))
    server.stop()
    assert not host.exists()
    host.mkdir()
    host.chmod(0o777)
    try:
        with pytest.raises(StorageUnavailable) as refused:
            server.start()
    finally:
        host.rmdir()
    assert "not a private folder" in refused.value.detail


def test_a_server_that_hangs_is_stopped_all_the_same_and_recovers(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    server.stop(timeout_s=0.3)
    assert server.pid is None or not Path(f"/proc/{pid}").exists()
    server.start()
    server.stop()


def test_nobody_else_reads_the_log_and_it_says_nothing_of_rows(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "server.log").write_text("of an older version")
    (folder / "server.log").chmod(0o644)
    server = EmbeddedPostgres(folder)
    dsn = server.start()
    try:
        ask(dsn, "CREATE TABLE t (name text UNIQUE)")
        ask(dsn, "INSERT INTO t VALUES ('Ada Lovelace')")
        with pytest.raises(asyncpg.UniqueViolationError):
            ask(dsn, "INSERT INTO t VALUES ('Ada Lovelace')")
    finally:
        server.stop()
    log = server.log_path.read_text()
    assert "duplicate key value" in log
    assert "Lovelace" not in log
    assert stat.S_IMODE(server.log_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
