"""`rollcall db`: bring the tables up to date and say how they are."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from stream_server.commands.command import Group, json_option

EXIT_OUTDATED = 1


@click.group(cls=Group)
def db() -> None:
    """Bring the database up to date, or say how it is."""


@db.command()
@json_option
def upgrade(as_json: bool) -> None:
    """Apply the migrations that are missing. Safe to run at any time, and from several places at once."""
    from storage import migrate

    with database_of_settings() as (dsn, facts):
        migrated = asyncio.run(migrate.upgrade(dsn))
    document = {"ok": True, **facts, "before": migrated.before, "after": migrated.after}
    if migrated.before == migrated.after:
        _tell(document, as_json, f"The database is up to date ({migrated.after}).")
    else:
        _tell(document, as_json, f"Migrated {_at(facts)} from {migrated.before or 'nothing'} to {migrated.after}.")


@db.command()
@json_option
def status(as_json: bool) -> None:
    """Say which migration the database is at; exit code 1 when it is not the one that is needed."""
    from storage import migrate
    from storage.database import HEAD_REVISION

    with database_of_settings() as (dsn, facts):
        revision = asyncio.run(migrate.current(dsn))
    up_to_date = revision == HEAD_REVISION
    document = {"ok": up_to_date, **facts, "revision": revision, "needed": HEAD_REVISION}
    text = f"{_at(facts).capitalize()} is at {revision or 'no migration'}"
    _tell(document, as_json, text + ("." if up_to_date else f"; needed is {HEAD_REVISION}: run `rollcall db upgrade`."))
    if not up_to_date:
        sys.exit(EXIT_OUTDATED)


@contextmanager
def database_of_settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of the configured database, and what to tell of it; the embedded one runs meanwhile."""
    from storage.database import describe
    from stream_server.settings import load_settings

    settings = load_settings()
    if settings.database_url is not None:
        dsn = settings.database_url.get_secret_value()
        yield dsn, {"embedded": False, "database": describe(dsn)}
        return
    from storage.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(settings.data_dir / "postgres")
    dsn = server.start()
    try:
        yield dsn, {"embedded": True, "database": str(server.folder)}
    finally:
        server.stop()


def _at(facts: dict[str, Any]) -> str:
    return f"the {'embedded ' if facts['embedded'] else ''}database at {facts['database']}"


def _tell(document: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(document, indent=2) if as_json else text)
