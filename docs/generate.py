"""Writes the parts of the reference that come from the code: `make docs`. A test fails when they differ.

Whole files: docs/openapi.json, docs/messages.schema.json, docs/reference/settings.md, docs/reference/commands.md. In
docs/reference/websocket.md the text between `<!-- NAME -->` and `<!-- /NAME -->` is the table of the message NAME, and
in docs/reference/reports.md that between `<!-- columns -->` and `<!-- /columns -->` lists the columns.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_settings import BaseSettings

from storage.reports import COLUMNS
from stream_server.cli import rollcall
from stream_server.commands.openapi import describe
from stream_server.messages import wire as messages
from stream_server.settings import Settings

DOCS = Path(__file__).resolve().parent
MESSAGES = (
    "Hello",
    "Welcome",
    "Pace",
    "Faces",
    "Face",
    "PersonRef",
    "AttendanceNotice",
    "ErrorNotice",
    "Event",
    "GapNotice",
    "StatusNotice",
)


def pages() -> dict[Path, str]:
    """Every generated file with what it should hold."""
    websocket = DOCS / "reference" / "websocket.md"
    reports = DOCS / "reference" / "reports.md"
    return {
        DOCS / "openapi.json": describe(),
        DOCS / "messages.schema.json": messages_schema(),
        DOCS / "reference" / "settings.md": settings_page(),
        DOCS / "reference" / "commands.md": commands_page(),
        websocket: with_tables(websocket.read_text()),
        reports: with_columns(reports.read_text()),
    }


def with_columns(text: str) -> str:
    """The text with the columns of every layout of the report."""
    lines = []
    for layout, columns in COLUMNS.items():
        lines += [f"`layout={layout}`:", "", "| Column | What it holds |", "|---|---|"]
        lines += [f"| `{column.name}` | {column.meaning} |" for column in columns]
        lines.append("")
    before, begin, rest = text.partition("<!-- columns -->\n")
    _, end, after = rest.partition("<!-- /columns -->")
    return before + begin + "\n".join(lines) + end + after


def messages_schema() -> str:
    """docs/messages.schema.json: the shapes of the WebSocket messages as JSON Schema, for programs."""
    # What the server sends has every member; what it reads may leave out those with a default.
    read = {"Hello"}
    shapes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (getattr(messages, name), "validation" if name in read else "serialization") for name in MESSAGES
    ]
    _, schema = models_json_schema(shapes, title="Messages of the sockets of Rollcall")
    for shape in schema["$defs"].values():
        shape.pop("additionalProperties", None)  # readers ignore members that they do not know
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def settings_page() -> str:
    """docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable; a file `.env` in the working directory is read too, and the",
        "environment wins. A value that cannot be used stops the command with the name of the variable.",
        "",
        "| Variable | Default | What it does |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {default} | {text} |" for name, default, text in _settings(Settings, "ROLLCALL_")]
    return "\n".join(lines) + "\n"


def _settings(group: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, BaseSettings):
            yield from _settings(kind, f"{prefix}{name.upper()}__")
            continue
        alias = field.validation_alias
        variable = str(alias.choices[0]) if isinstance(alias, AliasChoices) else prefix + name.upper()
        default = field.default
        shown = "not set" if default is None or isinstance(default, SecretStr) else f"`{_plain(default)}`"
        yield variable, shown, (field.description or "").replace("|", "\\|")


def _plain(value: Any) -> str:
    return json.dumps(list(value)) if isinstance(value, tuple) else str(value)


def commands_page() -> str:
    """docs/reference/commands.md."""
    lines = [
        "# Commands",
        "",
        "`.venv/bin/rollcall` after any `make` target. Progress and errors go to standard error.",
        "",
    ]
    for path, command in _commands(rollcall, ("rollcall",)):
        # click keeps the option that it made for the first context: a test's, perhaps, with other names.
        command._help_option = None
        context = click.Context(
            command,
            info_name=" ".join(path),
            terminal_width=100,
            max_content_width=100,
            help_option_names=rollcall.context_settings["help_option_names"],
        )
        lines += [f"## {' '.join(path)}", "", "```text", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


def with_tables(text: str) -> str:
    """The text with every message table replaced."""
    for name in MESSAGES:
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, name=name: found.group(1) + message_table(getattr(messages, name)) + found.group(2),
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise SystemExit(f"docs/reference/websocket.md must have the markers of {name} once, not {count} times")
    return text


def message_table(message: type[BaseModel]) -> str:
    """The members of a message as a Markdown table."""
    schema = message.model_json_schema()
    required = set(schema.get("required", ()))
    lines = ["| Member | Type | What it says |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        text = field.get("description", "").replace("|", "\\|")
        if name not in required and "const" not in field:
            text = f"{text} Default: `{json.dumps(field.get('default'))}`.".strip()
        lines.append(f"| `{name}` | {_type(field)} | {text} |")
    return "\n".join(lines) + "\n"


def _type(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "$ref" in field:
        return field["$ref"].rsplit("/", 1)[1]
    if field.get("type") == "array":
        if "prefixItems" in field:
            return f"array of {len(field['prefixItems'])} {_type(field['prefixItems'][0])}s"
        return f"array of {_type(field['items'])}"
    return str(field.get("format") or field.get("type", "any"))


def main() -> None:
    """Write all of it."""
    for path, content in pages().items():
        path.write_text(content)


if __name__ == "__main__":
    main()
