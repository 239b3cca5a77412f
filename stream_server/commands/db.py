"""`rollcall db`: bring the tables up to date and say how they are."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from storage.errors import StorageUnavailable
from stream_server.commands.command import Group, json_option

if TYPE_CHECKING:
    from storage.database import Database
    from storage.migrate import Migrated
    from stream_server.privacy.secrets import SecretBox

EXIT_OUTDATED = 1
TRY_EVERY_S = 2.0
# A server may have sealed something just before the new key was there, and wait for a connection to store it: that long
# at most, with the default times.
SETTLE_S = 15.0
EARLIER_WAIT_S = 120.0


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
        asyncio.run(_keep_credential_keys(dsn))
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
    ROLLCALL_SECRETS__OLD_KEYS. Exit code 1: something is not under the key in use, or an old key could not be deleted
    yet.
    """
    box = box_of_settings(make=False)
    rotation = _Rotation(box, make_new=make_new, forget_old=forget_old)
    with database_of_settings() as (dsn, facts):
        if make_new and box.keys.path is not None and not facts["embedded"]:
            _say(
                f"Servers on other machines need {box.keys.path} with the new key at once: until they have it they "
                "cannot open what is sealed from now on, and go on sealing under the old key. Keep that one until all "
                "have the file, and run this again then."
            )
        asyncio.run(_rotate(dsn, rotation))
    held = rotation.left - rotation.unreadable
    asked_in_vain = forget_old and not rotation.forgot
    document = {
        "ok": rotation.left == 0 and not asked_in_vain,
        "sealed": rotation.sealed,
        "left": rotation.left,
        "unreadable": rotation.unreadable,
        "keys_forgotten": rotation.keys_forgotten,
    }
    text = f"{rotation.sealed} were sealed under the key in use"
    if rotation.unreadable:
        text += f"; {rotation.unreadable} are not: their key is not known, so bring it back as an old key"
        text += " and run this again"
    if held:
        text += f"; {held} are not yet: somebody else was changing them, so run this again"
    if rotation.still_open:
        text += (
            f"; old keys are kept, for {rotation.still_open} transactions from before are still open: run this again"
        )
    _tell(
        document,
        as_json,
        f"{text}." + (f" {rotation.keys_forgotten} old keys were deleted." if rotation.keys_forgotten else ""),
    )
    if not document["ok"]:
        sys.exit(EXIT_OUTDATED)


@dataclass(slots=True)
class _Rotation:
    """What is to be done with the keys, and what came of it."""

    box: "SecretBox"
    make_new: bool
    forget_old: bool
    sealed: int = 0
    left: int = 0
    unreadable: int = 0
    still_open: int = 0
    keys_forgotten: int = 0
    forgot: bool = False


async def _rotate(dsn: str, rotation: _Rotation) -> None:
    from storage.database import Database
    from storage.sealing import alone, earlier_transactions_ended
    from stream_server.people.credentials import load_keys
    from stream_server.privacy.auditing import Action, command_auditor

    database = await Database.connect(dsn)
    box, audit = rotation.box, command_auditor()
    try:
        async with alone(database):
            # Before there is another key: PINs and codes may be under a key that is still only made of this one.
            await load_keys(database, box)
            if rotation.make_new:
                async with database.acquire() as connection, connection.transaction():
                    await audit.changed(connection, Action.KEY_ROTATED, step="new key")
                    box.keys.add_new()
            await _reseal(database, rotation)
            if rotation.forget_old and rotation.left == 0:
                if box.keys.path is not None and len(box.keys.all()) > 1:
                    await _settled(box)
                    rotation.still_open = await earlier_transactions_ended(
                        database,
                        EARLIER_WAIT_S,
                        lambda count: _say(f"Waiting for {count} transactions that may hold what is under an old key."),
                    )
                    await _reseal(database, rotation)
                if rotation.left == 0 and rotation.still_open == 0:
                    async with database.acquire() as connection, connection.transaction():
                        await audit.changed(connection, Action.KEY_ROTATED, step="old keys deleted")
                        rotation.keys_forgotten = box.keys.forget_old()
                    rotation.forgot = True
            if rotation.sealed:
                async with database.acquire() as connection:
                    await audit.changed(connection, Action.KEY_ROTATED, step="sealed", count=rotation.sealed)
    finally:
        await database.close()


async def _settled(box: "SecretBox") -> None:
    left_s = SETTLE_S - box.keys.written_s_ago(time.time())
    if left_s > 0:
        _say(f"Waiting {left_s:.0f} s for what running servers have just sealed under an old key.")
        await asyncio.sleep(left_s)


async def _reseal(database: "Database", rotation: _Rotation) -> None:
    from storage.sealing import reseal_all

    with click.progressbar(length=0, label="Sealing", file=sys.stderr) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done)

        rotated = await reseal_all(database, rotation.box, on_progress)
    rotation.sealed += rotated.sealed
    rotation.left, rotation.unreadable = rotated.left, rotated.unreadable


async def _keep_credential_keys(dsn: str) -> None:
    """Store the key of PINs and codes, if this machine has the one that it is made of."""
    from storage.database import Database
    from stream_server.people.credentials import load_keys
    from stream_server.privacy.keys import SecretKeyUnusable

    try:
        box = box_of_settings(make=False)
    except SecretKeyUnusable:
        return  # the server makes it, or has it
    database = await Database.connect(dsn)
    try:
        await load_keys(database, box)
    finally:
        await database.close()


def box_of_settings(*, make: bool | None = None) -> "SecretBox":
    """The keys of the settings. `make` says whether a key that is not there may be made; by default only for the
    embedded database, which has no server elsewhere whose key it would have to be. Raises SecretKeyUnusable.
    """
    from stream_server.privacy.keys import KeyRing
    from stream_server.privacy.secrets import SecretBox
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


def _say(text: str) -> None:
    click.echo(text, err=True)


def _tell(document: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(document, indent=2) if as_json else text)
