"""docs/privacy.md says what is kept, where and how long; here it is held to the tables, the settings and the code."""

import re
from operator import attrgetter
from pathlib import Path

from storage.database import Connection, Database
from stream_server.privacy import retention
from stream_server.privacy.auditing import Action
from stream_server.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "privacy.md"


def section(title: str) -> str:
    return PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of the table of a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    assert len(lines) > 5
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


async def tables(connection: Connection) -> set[str]:
    found = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in found} - {"alembic_version"}


async def test_every_table_is_a_kind_of_data_that_is_named(database: Database) -> None:
    named = {name for row in rows("What is kept") for name in re.findall(r"`(\w+)`", row[1])}
    async with database.acquire() as connection:
        assert named == await tables(connection)


def test_how_long_it_is_kept_is_what_the_settings_say() -> None:
    settings = Settings(_env_file=None)
    set_by_site = [(kind.keep, kind.unit) for kind in retention.KINDS if isinstance(kind.keep, str)]
    units = {f"ROLLCALL_{keep.upper().replace('.', '__')}": unit for keep, unit in set_by_site}
    named = {}
    for row in rows("What is kept"):
        kept_for, setting = row[4], row[5]
        if setting == "-":
            assert not re.search(r"\d", kept_for)
            continue
        variable = setting.strip("`")
        count = attrgetter(variable.removeprefix("ROLLCALL_").lower().replace("__", "."))(settings)
        unit = units[variable]
        assert re.search(rf"\b{count} {unit}", kept_for) or (count == 0 and kept_for.startswith("for ever")), row
        named[variable] = row
    assert set(named) == set(units) - {"ROLLCALL_UNKNOWN_FACES__CROPS_KEEP_DAYS"}


def test_what_is_said_to_be_encrypted_is_what_is_sealed() -> None:
    from storage.sealing import SEALED

    said = {name for row in rows("What is kept") if row[3] != "no" for name in re.findall(r"`(\w+)`", row[1])}
    assert said - {"unknown_faces"} == {column.table for column in SEALED}


def test_every_action_of_the_audit_log_is_explained() -> None:
    assert [row[0].strip("`") for row in rows("The audit log")] == [action.value for action in Action]
