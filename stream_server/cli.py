"""`rollcall …`: the command line. A command is imported when it is called, so that each costs only its own modules."""

import importlib
import sys

import click

from recognition.errors import RequestError, RollcallError
from stream_server.commands.command import exit_code_of, print_error, say_error

COMMANDS = {
    "serve": ("stream_server.commands.serve", "serve"),
    "demo": ("stream_server.commands.demo", "demo"),
    "watch": ("stream_server.commands.watch", "watch"),
    "recognise": ("stream_server.commands.recognise", "recognise"),
    "evaluate": ("stream_server.commands.evaluate", "evaluate"),
    "people": ("stream_server.commands.people", "people"),
    "roster": ("stream_server.commands.roster", "roster"),
    "timetable": ("stream_server.commands.timetable", "timetable"),
    "rooms": ("stream_server.commands.rooms", "rooms"),
    "lessons": ("stream_server.commands.lessons", "lessons"),
    "consent-texts": ("stream_server.commands.consent_texts", "consent_texts"),
    "unknown-faces": ("stream_server.commands.unknown_faces", "unknown_faces"),
    "audit": ("stream_server.commands.audit", "audit"),
    "cameras": ("stream_server.commands.cameras", "cameras"),
    "gallery": ("stream_server.commands.gallery", "gallery"),
    "report": ("stream_server.commands.report", "report"),
    "webhooks": ("stream_server.commands.webhooks", "webhooks"),
    "devices": ("stream_server.commands.devices", "devices"),
    "users": ("stream_server.commands.users", "users"),
    "tokens": ("stream_server.commands.tokens", "tokens"),
    "models": ("stream_server.commands.models", "models"),
    "db": ("stream_server.commands.db", "db"),
    "openapi": ("stream_server.commands.openapi", "openapi"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rollcall")
def rollcall() -> None:
    """Rollcall: cameras in, a live and stored attendance list out."""


def main() -> None:
    """Entry point: an error of ours is one line that says what to do, not a traceback."""
    try:
        code = rollcall(standalone_mode=False)
        if isinstance(code, int):  # what a command gave to `Context.exit`
            sys.exit(code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        if "--json" in sys.argv[1:]:
            print_error(RequestError(error.format_message(), hint="`--help` shows the usage", code="wrong_usage"))
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except RollcallError as error:
        say_error(error)
        sys.exit(exit_code_of(error))
