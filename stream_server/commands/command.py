"""What all commands have in common: how they say that something went wrong, and the option for scripts."""

import json
import sys
from typing import NoReturn

import click

from recognition.errors import RequestError, RollcallError, UnavailableError

EXIT_FAILED = 1
EXIT_UNAVAILABLE = 3

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


class Command(click.Command):
    """A command whose errors are two lines on standard error, and with `--json` a document on standard output as well.

    The exit code is 3 when something needed is away and 1 for everything else of ours; click's 2 is for wrong usage.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            what = f"{error.strerror or type(error).__name__}: {error.filename or 'a file'}"
            return self._tell(ctx, RequestError(what, hint="check its rights and the disk", code="file_unusable"))
        except RollcallError as error:
            return self._tell(ctx, error)

    def _tell(self, ctx: click.Context, error: RollcallError) -> NoReturn:
        if ctx.params.get("as_json"):
            told = {"code": error.code, "detail": error.detail, "hint": error.hint}
            click.echo(json.dumps({"ok": False, "error": told}))
        say_error(error)
        sys.exit(exit_code_of(error))


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def say_error(error: RollcallError) -> None:
    """An error for people, on standard error."""
    click.echo(f"rollcall: {error.detail}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def exit_code_of(error: RollcallError) -> int:
    """The exit code that says what kind of error it is."""
    return EXIT_UNAVAILABLE if isinstance(error, UnavailableError) else EXIT_FAILED
