"""`rollcall openapi`: the description of the REST API."""

import json
import tempfile
from pathlib import Path

import click

from stream_server.commands.command import Command


@click.command(cls=Command)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; default: standard output.",
)
def openapi(output: Path | None) -> None:
    """Print the OpenAPI description as JSON."""
    text = describe()
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)


def describe() -> str:
    """The OpenAPI document, as it is kept in docs/openapi.json."""
    from stream_server.app import create_app
    from stream_server.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder))
        app = create_app(settings)
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
