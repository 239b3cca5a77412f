"""`rollcall db`: bring the tables up to date and say how they are."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from storage.errors import StorageUnavailable
from stream_server.commands.command import Group, json_option

if TYPE_CHECKING:
    from storage.migrate import Migrated
    from storage.sealing import Rotated
    from stream_server.secrets import SecretBox

EXIT_OUTDATED = 1
TRY_EVERY_S = 2.0


@click.group(cls=Group)
def db() -> None:
    """Bring the database up to date, or say how it is."""


@db.command()
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=0.0,
    help="Go on trying for so many seconds while the database is away, as one that sleeps when nobody uses it.",
)
@json_option
def upgrade(wait_s: float, as_json: bool) -> None:
    """Apply the migrations that are missing. Safe to run at any time, and from several places at once."""
    with database_of_settings() as (dsn, facts):
        migrated = asyncio.run(_upgrade(dsn, wait_s))
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


async def _upgrade(dsn: str, wait_s: float) -> "Migrated":
    from storage import migrate

    ends = time.monotonic() + wait_s
    while True:
        try:
            return await migrate.upgrade(dsn)
        except StorageUnavailable as error:
            if time.monotonic() + TRY_EVERY_S > ends:
                raise
            click.echo(f"rollcall: {error.detail}; trying again", err=True)
            await asyncio.sleep(TRY_EVERY_S)


@db.command("rotate-key")
@click.option("--new", "make_new", is_flag=True, help="Make a new key first, in the file `secret-key`.")
@click.option("--forget-old", is_flag=True, help="Delete old keys from the file once nothing needs them.")
@json_option
def rotate_key(make_new: bool, forget_old: bool, as_json: bool) -> None:
    """Seal what is kept encrypted (templates, passwords of cameras) under the key in use.

    Safe beside running servers and to be interrupted: what is done stays done, and the rest is done by the next run.
    Keys of the environment are changed there first: the new one as ROLLCALL_SECRETS__KEY, the one before among
    ROLLCALL_SECRETS__OLD_KEYS. Exit code 1: something is sealed under no known key.
    """
    box = box_of_settings(make=False)
    with database_of_settings() as (dsn, _):
        if make_new:
            box.keys.add_new()
        rotated = asyncio.run(_rotate(dsn, box))
    forgotten = box.keys.forget_old() if forget_old and rotated.left == 0 else 0
    document = {"ok": rotated.left == 0, "sealed": rotated.sealed, "left": rotated.left, "keys_forgotten": forgotten}
    text = f"{rotated.sealed} were sealed under the key in use"
    if rotated.left:
        text += f"; {rotated.left} are not: their key is not known, so bring it back as an old key and run this again"
    _tell(document, as_json, f"{text}." + (f" {forgotten} old keys were deleted." if forgotten else ""))
    if rotated.left:
        sys.exit(EXIT_OUTDATED)


async def _rotate(dsn: str, box: "SecretBox") -> "Rotated":
    from storage.database import Database
    from storage.sealing import reseal_all

    database = await Database.connect(dsn)
    try:
        with click.progressbar(length=0, label="Sealing", file=sys.stderr) as bar:

            def on_progress(done: int, total: int) -> None:
                bar.length = total
                bar.update(done)

            return await reseal_all(database, box, on_progress)
    finally:
        await database.close()


def box_of_settings(*, make: bool | None = None) -> "SecretBox":
    """The keys of the settings. `make` says whether a key that is not there may be made; by default only for the
    embedded database, which has no server elsewhere whose key it would have to be. Raises SecretKeyUnusable.
    """
    from stream_server.keys import KeyRing
    from stream_server.secrets import SecretBox
    from stream_server.settings import load_settings

    settings = load_settings()
    key = settings.secrets.key.get_secret_value() if settings.secrets.key else None
    old_keys = [old.get_secret_value() for old in settings.secrets.old_keys]
    make = settings.database_url is None if make is None else make
    return SecretBox(KeyRing.from_settings(key, old_keys, settings.data_dir, make=make))


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
