"""`rollcall gallery`: back up and restore the enrolled faces, and take over those of older installations."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

from recognition.errors import RequestError
from stream_server.commands.command import Group, json_option
from stream_server.commands.db import box_of_settings, database_of_settings
from stream_server.commands.output import replacing
from stream_server.settings import load_settings

if TYPE_CHECKING:
    from storage.database import Database

T = TypeVar("T")

FILE_MAX_BYTES = 64 * 2**20
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_passphrase = click.option(
    "--passphrase-file", required=True, type=_file, help="File that holds the passphrase; no command line shows it."
)


@click.group(cls=Group)
def gallery() -> None:
    """Back up and restore the enrolled faces, or import old ones."""


@gallery.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_passphrase
@json_option
def export(file: Path, passphrase_file: Path, as_json: bool) -> None:
    """Write people, consent and enrolled faces to an encrypted FILE. It is there whole or not at all."""
    from stream_server.people.gallery_backup import write_backup
    from stream_server.people.gallery_file import checked_passphrase
    from stream_server.privacy.auditing import command_auditor

    passphrase = checked_passphrase(passphrase_file.read_text())
    model, model_id = _model()

    async def work(database: "Database", output: BinaryIO) -> int:
        return await write_backup(
            output,
            passphrase,
            database,
            cipher=box_of_settings(),
            model=model,
            model_id=model_id,
            audit=command_auditor(),
        )

    with replacing(file) as output:
        count = _with_database(lambda database: work(database, output))
    document = {"file": str(file), "people": count, "model_id": model_id}
    click.echo(json.dumps(document) if as_json else f"{count} people were written to {file}")


@gallery.command("import")
@click.argument("file", type=_file)
@_passphrase
@json_option
def import_backup(file: Path, passphrase_file: Path, as_json: bool) -> None:
    """Add what is missing from a backup. Nobody is changed; who took consent back or was erased stays so."""
    from stream_server.people.gallery_backup import read_backup, restore_backup
    from stream_server.people.gallery_file import checked_passphrase
    from stream_server.privacy.auditing import command_auditor

    passphrase = checked_passphrase(passphrase_file.read_text())
    _, model_id = _model()
    with file.open("rb") as content:
        everybody = read_backup(content, passphrase, model_id=model_id)
    report = _with_database(
        lambda database: restore_backup(
            database, everybody, cipher=box_of_settings(), model_id=model_id, audit=command_auditor()
        )
    )
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        for refused in report.refused:
            click.echo(f"{refused['name']} ({refused['id']}): {refused['reason']}", err=True)
        counted = ", ".join(f"{count} {outcome}" for outcome, count in report.counts.items())
        click.echo(f"{report.templates} faces were added; people: {counted}")
    if report.refused:
        sys.exit(1)


@gallery.command("import-encodings")
@click.argument("file", type=_file)
@click.option("--names", type=_file, help="For an npy array: a text file with one name a line, in order.")
@click.option("--consent", is_flag=True, help="All of them have agreed; who is not there yet is added.")
@click.option("--dry-run", is_flag=True, help="Say what would become of each row, and store nothing.")
@json_option
def import_encodings(file: Path, names: Path | None, consent: bool, dry_run: bool, as_json: bool) -> None:
    """Import encodings of a `face_recognition` installation: JSON, CSV or npy, never pickle."""
    from recognition.old_encodings import read_encodings
    from stream_server.people.encodings_import import import_encodings as import_rows
    from stream_server.privacy.auditing import command_auditor

    if file.stat().st_size > FILE_MAX_BYTES:
        raise RequestError(f"{file} is larger than {FILE_MAX_BYTES // 2**20} MB", hint="split it")
    listed = None if names is None else names.read_text("utf-8-sig").splitlines()
    encodings = read_encodings(file.read_bytes(), listed)
    _, model_id = _model()
    results = _with_database(
        lambda database: import_rows(
            database,
            encodings,
            cipher=box_of_settings(),
            model_id=model_id,
            add_with_consent=consent,
            dry_run=dry_run,
            at=datetime.now(UTC),
            audit=command_auditor(),
        )
    )
    counts = Counter(result.outcome.value for result in results)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "counts": counts, "rows": [asdict(result) for result in results]}))
    else:
        for result in results:
            if result.reason:
                click.echo(f"row {result.row} ({result.name}): {result.reason}", err=True)
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        click.echo(f"{'dry run: ' if dry_run else ''}{counted}")
    if counts["refused"]:
        sys.exit(1)


def _model() -> tuple[str, str]:
    """Name and digest of the face network that the settings choose."""
    from stream_server.models import chosen_embedder

    return chosen_embedder(load_settings())


def _with_database(work: Callable[["Database"], Awaitable[T]]) -> T:
    """The result of work on the configured database; the embedded one runs meanwhile, beside a server or without."""
    from storage.database import Database

    async def connected(dsn: str) -> T:
        database = await Database.connect(dsn)
        try:
            return await work(database)
        finally:
            await database.close()

    with database_of_settings() as (dsn, _):
        return asyncio.run(connected(dsn))
