import re
from pathlib import Path

from storage.database import Connection
from storage.event_types import EVENT_TYPES
from storage.outbox import CHANNEL
from stream_server.commands.db import db

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "database.md"


async def test_every_table_and_column_is_described_and_nothing_else(connection: Connection) -> None:
    described: dict[str, list[str]] = {}
    for section in re.split(r"^### ", PAGE.read_text(), flags=re.M)[1:]:
        columns_of_section = section.split("\n| Event |")[0].split("\n## ")[0]
        described[section.split("\n")[0]] = re.findall(r"^\| `(\w+)` \|", columns_of_section, flags=re.M)
    rows = await connection.fetch(
        """
        SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS columns
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        GROUP BY table_name
        """
    )
    stored = {row["table_name"]: row["columns"] for row in rows}
    assert described == stored


def test_every_event_channel_and_command_is_described() -> None:
    text = PAGE.read_text()
    for word in (*EVENT_TYPES, CHANNEL, *(f"rollcall db {name}" for name in db.commands)):
        assert f"`{word}`" in text
