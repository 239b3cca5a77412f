"""`rollcall db`: bring the tables up to date and say how they are."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from recognition.errors import RollcallError, UnavailableError

EXIT_OUTDATED = 1
EXIT_UNAVAILABLE = 3

_as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output and nothing else."
)


@click.group()
def db() -> None:
    """Bring the database up to date, or say how it is."""


def _reporting_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Errors of ours become two lines on standard error, or the `error` of the JSON document.

    The exit code is 3 when the database is away, 1 for everything else.
    """

    @wraps(command)
    def wrapped(*, as_json: bool) -> None:
        try:
            command(as_json=as_json)
        except RollcallError as error:
            if as_json:
                told = {"code": error.code, "detail": error.detail, "hint": error.hint}
                click.echo(json.dumps({"ok": False, "error": told}, indent=2))
            else:
                click.echo(f"Error: {error.detail}", err=True)
                if error.hint:
                    click.echo(error.hint, err=True)
            sys.exit(EXIT_UNAVAILABLE if isinstance(error, UnavailableError) else 1)

    return wrapped


@db.command()
@_as_json
@_reporting_errors
def upgrade(as_json: bool) -> None:
    """Apply the migrations that are missing. Safe to run at any time, and from several places at once."""
    from storage import migrate

    with _database() as (dsn, facts):
        migrated = asyncio.run(migrate.upgrade(dsn))
    document = {"ok": True, **facts, "before": migrated.before, "after": migrated.after}
    if migrated.before == migrated.after:
        _tell(document, as_json, f"The database is up to date ({migrated.after}).")
    else:
        _tell(document, as_json, f"Migrated {_at(facts)} from {migrated.before or 'nothing'} to {migrated.after}.")


@db.command()
@_as_json
@_reporting_errors
def status(as_json: bool) -> None:
    """Say which migration the database is at; exit code 1 when it is not the one that is needed."""
    from storage import migrate
    from storage.database import HEAD_REVISION

    with _database() as (dsn, facts):
        revision = asyncio.run(migrate.current(dsn))
    up_to_date = revision == HEAD_REVISION
    document = {"ok": up_to_date, **facts, "revision": revision, "needed": HEAD_REVISION}
    text = f"{_at(facts).capitalize()} is at {revision or 'no migration'}"
    _tell(document, as_json, text + ("." if up_to_date else f"; needed is {HEAD_REVISION}: run `rollcall db upgrade`."))
    if not up_to_date:
        sys.exit(EXIT_OUTDATED)


@contextmanager
def _database() -> Iterator[tuple[str, dict[str, Any]]]:
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
