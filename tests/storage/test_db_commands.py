import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from storage import migrate
from storage.database import HEAD_REVISION
from storage.errors import StorageUnavailable
from stream_server.commands import db as db_module
from stream_server.commands.db import db
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
    monkeypatch.setattr(db_module, "TRY_EVERY_S", 0.01)
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:b@127.0.0.1/none")
    waited = run("upgrade", "--wait", "20")
    assert waited.exit_code == 0
    assert waited.stderr.count("it sleeps; trying again") == 2
    tries.clear()
    impatient = run("upgrade")
    assert (impatient.exit_code, len(tries)) == (3, 1)
