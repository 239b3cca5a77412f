import asyncio
import base64
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from storage import migrate, people, sealing, templates
from storage.database import HEAD_REVISION, Connection, Database, Record, open_connection
from storage.errors import StorageUnavailable
from stream_server.commands import db as commands
from stream_server.commands.db import db
from stream_server.people.credentials import load_keys
from stream_server.privacy.secrets import SecretBox
from tests.postgres import open_folder, run_async


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A data folder and an environment in which nothing else is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with open_folder() as folder:
        monkeypatch.setenv("ROLLCALL_DATA_DIR", str(folder / "data"))
        yield folder / "data"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(db, list(arguments), catch_exceptions=False)


def test_upgrade_and_status_work_on_the_embedded_database(data_dir: Path) -> None:
    before = run("status", "--json")
    assert before.exit_code == 1
    assert json.loads(before.stdout)["revision"] is None

    upgraded = run("upgrade", "--json")
    assert upgraded.exit_code == 0
    assert json.loads(upgraded.stdout) == {
        "ok": True,
        "embedded": True,
        "database": str(data_dir / "postgres"),
        "before": None,
        "after": HEAD_REVISION,
    }
    assert run("upgrade").stdout == f"The database is up to date ({HEAD_REVISION}).\n"
    status = run("status")
    assert (status.exit_code, status.stdout.count(HEAD_REVISION)) == (0, 1)
    assert not (data_dir / "postgres" / "data" / "postmaster.pid").exists()


def test_upgrade_works_on_the_configured_database(
    data_dir: Path, empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_dsn)
    assert run("upgrade").stdout.endswith(f"from nothing to {HEAD_REVISION}.\n")
    assert run_async(lambda: migrate.current(empty_database_dsn)) == HEAD_REVISION
    assert json.loads(run("status", "--json").stdout)["embedded"] is False
    assert not data_dir.exists()


@pytest.mark.parametrize("command", ["upgrade", "status"])
def test_a_database_that_is_away_is_told_on_standard_error_with_exit_code_3(
    data_dir: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://rollcall:s3cr3t@127.0.0.1:1/school")
    away = run(command)
    assert (away.exit_code, away.stdout) == (3, "")
    assert away.stderr.startswith("rollcall: PostgreSQL at 127.0.0.1:1/school cannot be reached")
    assert "check that PostgreSQL runs" in away.stderr
    assert "s3cr3t" not in away.output

    as_json = run(command, "--json")
    assert as_json.exit_code == 3
    assert json.loads(as_json.stdout)["error"]["code"] == "storage_unavailable"


def test_upgrade_waits_for_a_database_that_is_away(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    async def upgrade(dsn: str) -> migrate.Migrated:
        tries.append(dsn)
        if len(tries) < 3:
            raise StorageUnavailable("it sleeps", hint="wait")
        return migrate.Migrated(before=None, after=HEAD_REVISION)

    monkeypatch.setattr(migrate, "upgrade", upgrade)
    monkeypatch.setattr(commands, "TRY_EVERY_S", 0.01)
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:b@127.0.0.1/none")
    waited = run("upgrade", "--wait", "20")
    assert waited.exit_code == 0
    assert waited.stderr.count("it sleeps; trying again") == 2
    tries.clear()
    impatient = run("upgrade")
    assert (impatient.exit_code, len(tries)) == (3, 1)


async def _store(dsn: str, cipher: SecretBox) -> None:
    database = await Database.connect(dsn)
    async with database.acquire() as connection:
        ada = await people.create(connection, name="Ada", at=datetime.now(UTC), consent=people.Consent.GRANTED)
        await _add(connection, ada, cipher)
    await database.close()


async def _add(connection: Connection, person: people.Person, cipher: SecretBox) -> None:
    await templates.add(
        connection,
        cipher=cipher,
        person_id=person.person_id,
        model_id="model-a",
        embedding=np.ones(128, np.float32),
        quality=0.5,
        source="photograph",
    )


def test_a_key_in_the_file_is_replaced_and_the_old_one_deleted_when_nothing_needs_it(
    data_dir: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    monkeypatch.setattr(commands, "SETTLE_S", 1.0)
    box = SecretBox.from_settings(None, data_dir)
    run_async(lambda: _store(database_dsn, box))
    before = box.keys.current

    done = run("rotate-key", "--new", "--forget-old", "--json")

    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"ok": True, "sealed": 2, "left": 0, "unreadable": 0, "keys_forgotten": 1}
    assert f"Servers on other machines need {data_dir / 'secret-key'}" in done.stderr
    assert "what running servers have just sealed under an old key" in done.stderr
    assert box.keys.current != before
    assert len((data_dir / "secret-key").read_text().split()) == 1
    assert run("rotate-key").stdout == "0 were sealed under the key in use.\n"
    entries = run_async(lambda: _ask(database_dsn, "SELECT details ->> 'step' AS step FROM audit_log ORDER BY at"))
    assert [entry["step"] for entry in entries] == ["new key", "old keys deleted", "sealed"]
    actions = run_async(lambda: _ask(database_dsn, "SELECT DISTINCT action, actor FROM audit_log"))
    assert [tuple(row) for row in actions] == [("key.rotated", "command")]


async def _ask(dsn: str, query: str) -> list[Record]:
    connection = await open_connection(dsn)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


def test_an_old_key_stays_while_a_transaction_from_before_may_still_store_under_it(
    data_dir: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    monkeypatch.setattr(commands, "SETTLE_S", 0.0)
    monkeypatch.setattr(commands, "EARLIER_WAIT_S", 0.2)
    box = SecretBox(SecretBox.from_settings(None, data_dir).keys.all()[0])  # a server that has sealed already

    async def rotate_beside_an_enrolment() -> Result:
        database = await Database.connect(database_dsn)
        async with database.acquire() as connection, connection.transaction():
            await connection.execute("SELECT 1")  # nothing is written yet
            done = await asyncio.to_thread(run, "rotate-key", "--new", "--forget-old")
            ada = await people.create(connection, name="Ada", at=datetime.now(UTC), consent=people.Consent.GRANTED)
            await _add(connection, ada, box)
        await database.close()
        return done

    done = run_async(rotate_beside_an_enrolment)
    assert done.exit_code == 1
    assert "1 transactions from before are still open" in done.stdout
    assert "Waiting for 1 transactions" in done.stderr
    assert len((data_dir / "secret-key").read_text().split()) == 2

    monkeypatch.setattr(commands, "SETTLE_S", 15.0)
    os.utime(data_dir / "secret-key", (time.time() - 16, time.time() - 16))
    again = run("rotate-key", "--forget-old", "--json")
    assert "Waiting" not in again.stderr
    assert json.loads(again.stdout) == {"ok": True, "sealed": 1, "left": 0, "unreadable": 0, "keys_forgotten": 1}


def test_rows_that_somebody_holds_are_not_told_as_lost(
    data_dir: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    run_async(lambda: _store(database_dsn, SecretBox.from_settings(None, data_dir)))

    async def rotate_beside_a_change() -> Result:
        connection = await open_connection(database_dsn)
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM templates FOR UPDATE")
            done = await asyncio.to_thread(run, "rotate-key", "--new", "--forget-old")
        await connection.close()
        return done

    done = run_async(rotate_beside_a_change)
    assert done.exit_code == 1
    assert "1 are not yet: somebody else was changing them" in done.stdout
    assert "not known" not in done.stdout
    assert len((data_dir / "secret-key").read_text().split()) == 2


def test_two_rotations_at_once_are_refused(data_dir: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    keys = SecretBox.from_settings(None, data_dir).keys.all()

    async def rotate_beside_another() -> Result:
        database = await Database.connect(database_dsn)
        async with sealing.alone(database):
            done = await asyncio.to_thread(run, "rotate-key", "--new", "--json")
        await database.close()
        return done

    done = run_async(rotate_beside_another)
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (1, "rotation_under_way")
    assert SecretBox.from_settings(None, data_dir).keys.all() == keys


def _credential_keys(dsn: str, box: SecretBox) -> tuple[bytes, ...]:
    async def work() -> tuple[bytes, ...]:
        database = await Database.connect(dsn)
        keys = await load_keys(database, box)
        await database.close()
        return keys

    return run_async(work)


def test_pins_from_before_their_key_was_kept_outlast_a_rotation_before_the_first_start(
    data_dir: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    monkeypatch.setattr(commands, "SETTLE_S", 0.0)
    made_with = SecretBox.from_settings(None, data_dir).subkeys("credentials")[0]
    assert run("rotate-key", "--new", "--forget-old").exit_code == 0
    assert _credential_keys(database_dsn, SecretBox.from_settings(None, data_dir)) == (made_with,)


def test_an_upgrade_keeps_the_key_of_pins_where_it_can_and_works_where_it_cannot(
    data_dir: Path, empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_dsn)
    assert run("upgrade").exit_code == 0
    assert run_async(lambda: _ask(empty_database_dsn, "SELECT id FROM credential_keys")) == []
    box = SecretBox.from_settings(None, data_dir)
    made_with = box.subkeys("credentials")[0]
    assert run("upgrade").exit_code == 0
    box.keys.add_new()
    assert _credential_keys(empty_database_dsn, box) == (made_with,)


def test_keys_of_the_environment_are_rotated_and_a_missing_one_is_told(
    data_dir: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    run_async(lambda: _store(database_dsn, SecretBox(b"\x01" * 32)))
    monkeypatch.setenv("ROLLCALL_SECRETS__KEY", new)

    lost = run("rotate-key", "--json")
    assert (lost.exit_code, json.loads(lost.stdout)["left"]) == (1, 1)

    monkeypatch.setenv("ROLLCALL_SECRETS__OLD_KEYS", json.dumps([old]))
    refused = run("rotate-key", "--new", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (1, "keys_are_set")
    assert json.loads(run("rotate-key", "--json").stdout) == {
        "ok": True,
        "sealed": 1,
        "left": 0,
        "unreadable": 0,
        "keys_forgotten": 0,
    }
    monkeypatch.delenv("ROLLCALL_SECRETS__OLD_KEYS")
    assert json.loads(run("rotate-key", "--json").stdout)["left"] == 0
    assert not (data_dir / "secret-key").exists()


def test_without_a_key_nothing_is_rotated_and_none_is_made(
    data_dir: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_dsn)
    refused = run("rotate-key", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (3, "secret_key_unusable")
    assert not data_dir.exists()
