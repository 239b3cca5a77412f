"""`rollcall models`: build, list and verify the model files."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from recognition.errors import ModelError
from recognition.models.store import FileState, ModelFile, ModelStore
from stream_server.commands.command import Group, json_option
from stream_server.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.group(cls=Group)
def models() -> None:
    """Fetch, convert and check the networks that find and recognise faces."""


@models.command()
@json_option
def build(as_json: bool) -> None:
    """Fetch, convert and verify whatever is missing or damaged; does nothing when all is there."""
    from recognition.models.build import build as build_files

    settings = load_settings()
    store = ModelStore(settings.models_dir)
    with _Bar() as bar:
        outcomes = build_files(store, mirror=settings.models.mirror, progress=bar.show)
    warnings = [outcome.warning for outcome in outcomes if outcome.warning]
    if as_json:
        files = [{"name": outcome.name, "action": outcome.action} for outcome in outcomes]
        document = {"ok": True, "folder": str(store.folder), "files": files, "warnings": warnings}
        click.echo(json.dumps(document, indent=2))
        return
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)
    built = sum(outcome.action == "built" for outcome in outcomes)
    click.echo(f"Models in {store.folder}: {built} built, {len(outcomes) - built - _unavailable(outcomes)} kept.")


@models.command()
@click.option("--all", "every", is_flag=True, help="Every file, not only the two that the settings ask for.")
@json_option
def fetch(every: bool, as_json: bool) -> None:
    """Fetch missing files from ROLLCALL_MODELS__SOURCE, and check them.

    `serve` does it by itself when a file is missing.
    """
    from stream_server import model_source

    settings = load_settings()
    store = ModelStore(settings.models_dir)
    names = list(store.pack.files) if every else list(model_source.wanted_files(settings))
    fetched = model_source.fetch(store, settings.models, names)
    if as_json:
        files = [{"name": name, "action": "fetched" if name in fetched else "kept"} for name in names]
        click.echo(json.dumps({"ok": True, "folder": str(store.folder), "files": files}, indent=2))
        return
    click.echo(f"Models in {store.folder}: {len(fetched)} fetched, {len(names) - len(fetched)} kept.")


@models.command("list")
@json_option
def list_files(as_json: bool) -> None:
    """Show each file's role, source, licence, size, digest and state."""
    store = ModelStore(load_settings().models_dir)
    states = {name: store.state(name) for name in store.pack.files}
    if as_json:
        files = [_described(store, file, states[file.name]) for file in store.pack.files.values()]
        document = {"folder": str(store.folder), "detector": store.best_detector(), "files": files}
        click.echo(json.dumps(document, indent=2))
        return
    for file in store.pack.files.values():
        click.echo(f"{file.name}  {click.style(states[file.name].value, bold=True)}")
        click.echo(f"  {file.title} ({file.role})")
        click.echo(f"  source   {file.source}")
        click.echo(f"  licence  {file.licence}")
        click.echo(f"  size     {file.size_bytes:,} bytes")
        click.echo(f"  sha256   {_digest(store, file, states[file.name])}")


@models.command()
@json_option
def verify(as_json: bool) -> None:
    """Check every file's digest and run the networks on the sample photographs."""
    store = ModelStore(load_settings().models_dir)
    with _Bar() as bar:
        results = list(_verified(store, bar))
    failed = [name for name, _, problem in results if problem]
    if as_json:
        files = [{"name": name, "state": state, "problem": problem} for name, state, problem in results]
        click.echo(json.dumps({"ok": not failed, "folder": str(store.folder), "files": files}, indent=2))
    else:
        for name, state, problem in results:
            click.echo(f"{name}: {problem or state.value}")
        if failed:
            click.echo("Error: not every model file can be used.", err=True)
            click.echo("Run `rollcall models build`; it replaces what is missing or damaged.", err=True)
        elif any(state is not FileState.OK for _, state, _ in results):
            click.echo(f"YuNet is not there; {store.best_detector()} stands in.", err=True)
    if failed:
        sys.exit(1)


def _verified(store: ModelStore, bar: "_Bar") -> "Iterator[tuple[str, FileState, str | None]]":
    from recognition.models import selftest

    for done, file in enumerate(store.pack.files.values()):
        bar.show(file.name, done, len(store.pack.files))
        state = store.state(file.name)
        problem = None
        try:
            path = store.path(file.name)
            if test := selftest.test_of(file.name):
                problem = test(store.folder, path.read_bytes())
        except ModelError as error:
            if not (file.optional and state is FileState.MISSING):
                problem = error.detail
        yield file.name, state, problem


def _unavailable(outcomes: list[Any]) -> int:
    return sum(outcome.action == "unavailable" for outcome in outcomes)


def _digest(store: ModelStore, file: ModelFile, state: FileState) -> str:
    """The digest of the file that is there, which may be its own; else the one it should have."""
    return store.digest(file.name) if state is FileState.OK else file.sha256


def _described(store: ModelStore, file: ModelFile, state: FileState) -> dict[str, Any]:
    return {
        "name": file.name,
        "title": file.title,
        "role": file.role,
        "source": file.source,
        "licence": file.licence,
        "size_bytes": file.size_bytes,
        "sha256": _digest(store, file, state),
        "state": state,
        "optional": file.optional,
        "input": file.input,
        "output": file.output,
        "metric": file.metric,
        "landmarks": file.landmarks,
        "thresholds": dict(file.thresholds),
    }


class _Bar:
    """A progress bar on standard error, drawn from the first step on: with nothing to do there is none."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """Say what is being done now, after `done` of `total` steps."""
        if self._progress is None:
            # rich takes a tenth of a second to import, which a build with nothing to do need not pay.
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(what, total=total)
            self._progress.start()
        self._progress.update(self._task, description=what, completed=done, total=total)
