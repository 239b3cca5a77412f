"""What all commands have in common: how they say that something went wrong, and the option for scripts."""

import json
import re
import sys
from typing import NoReturn

import click

from recognition.errors import RequestError, RollcallError, UnavailableError

EXIT_FAILED = 1
EXIT_UNAVAILABLE = 3

server_option = click.option(
    "--server",
    help="Address of the server. Default: that of the running server of this data folder (its file `address`), "
    "or http://127.0.0.1:8000 (ROLLCALL_HTTP__PORT).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


class Command(click.Command):
    """A command whose errors are two lines on standard error, and with `--json` a document on standard output as well.

    The exit code is 3 when something needed is away and 1 for everything else of ours; click's 2 is for wrong usage.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # whoever read has seen enough, such as `head`: click then ends without a word
        except OSError as error:
            what = f"{error.strerror or type(error).__name__}: {error.filename or 'a file'}"
            return self._tell(ctx, RequestError(what, hint="check its rights and the disk", code="file_unusable"))
        except UnicodeEncodeError as error:
            if "surrogates" not in error.reason:
                raise
            # What was typed in another encoding; Python keeps such bytes as halves of characters.
            return self._tell(ctx, _not_utf8("what was typed"))
        except RollcallError as error:
            return self._tell(ctx, error)

    def _tell(self, ctx: click.Context, error: RollcallError) -> NoReturn:
        if ctx.params.get("as_json"):
            print_error(error)
        say_error(error)
        sys.exit(exit_code_of(error))


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def print_error(error: RollcallError) -> None:
    """An error for programs: one JSON document on standard output."""
    told = {"code": error.code, "detail": error.detail, "hint": error.hint}
    click.echo(json.dumps({"ok": False, "error": told}))


def say_error(error: RollcallError) -> None:
    """An error for people, on standard error."""
    click.echo(f"rollcall: {error.detail}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def exit_code_of(error: RollcallError) -> int:
    """The exit code that says what kind of error it is."""
    return EXIT_UNAVAILABLE if isinstance(error, UnavailableError) else EXIT_FAILED


def typed_password(prompt: str, *, confirm: bool = False) -> str:
    """The password that somebody types, or the first line of standard input.

    Raises RequestError `password_missing` when that is empty, and `not_utf8`.
    """
    try:
        if sys.stdin.isatty():
            typed = str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
        else:
            typed = sys.stdin.readline().rstrip("\r\n")
        typed.encode()
    except UnicodeError:
        raise _not_utf8("the password") from None
    if not typed:
        raise RequestError(
            "no password was given",
            hint="type it when asked, or give it as the first line of standard input",
            code="password_missing",
        )
    return typed


def check_camera_id(camera_id: str) -> str:
    """The id as it is; RequestError `camera_id_invalid` when it can be none."""
    from stream_server.messages.wire import CAMERA_ID  # where it is needed: the models of all messages come with it

    if re.fullmatch(CAMERA_ID, camera_id):
        return camera_id
    near = re.sub(r"[^a-z0-9_-]+", "-", camera_id.lower()).strip("-_")[:64]
    raise RequestError(
        "that is no camera id",
        hint=f"use small letters, digits, - and _, at most 64, such as {near or 'room-12'}",
        code="camera_id_invalid",
    )


def _not_utf8(what: str) -> RequestError:
    return RequestError(
        f"{what} is not UTF-8",
        hint="set the terminal, or the file that it comes from, to UTF-8 (such as LC_ALL=C.UTF-8)",
        code="not_utf8",
    )
