"""What all commands have in common, through the entry point as people call it."""

import io
import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import pytest

from recognition.errors import RequestError
from stream_server import cli
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.commands.command import check_camera_id, typed_password


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a server would have been asked; the commands run away from any `.env` and data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROLLCALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", "open-sesame-open-sesame")
    asked: list[str] = []

    async def call(self: ServerClient, method: str, path: str, *, body: object = None, **_: object) -> Any:
        json.dumps(body, ensure_ascii=False).encode()  # as it goes on the wire
        asked.append(f"{method} {path}")
        raise ServerSaidNo("there is no such person", code="person_not_found")

    monkeypatch.setattr(ServerClient, "call", call)
    return asked


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: bytes = b"") -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["rollcall", *arguments])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8"))
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code
    return 0


WITH_PASSWORD = [
    ("users", "add", "ada"),
    ("cameras", "add", "room-12", "rtsp://10.0.0.7/s", "--ask-password"),
    ("cameras", "discover", "--ask-password"),
]


@pytest.mark.parametrize("arguments", WITH_PASSWORD, ids=" ".join)
@pytest.mark.parametrize(
    ("typed", "code"), [(b"caf\xe9 caf\xe9 1\n", "not_utf8"), (b"", "password_missing"), (b"\n", "password_missing")]
)
def test_a_password_that_cannot_be_one_is_said_and_not_sent(
    arguments: tuple[str, ...],
    typed: bytes,
    code: str,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments, "--json", typed=typed) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == code
    assert len(captured.err.splitlines()) == 2
    assert asked == []


def test_a_password_keeps_its_blanks_and_loses_its_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" pass word \r\nmore\n"))
    assert typed_password("Password") == " pass word "


def test_bytes_of_another_encoding_that_python_has_kept_are_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("caf\udce9\n"))
    with pytest.raises(RequestError) as refused:
        typed_password("Password")
    assert refused.value.code == "not_utf8"


def test_an_argument_of_another_encoding_is_said(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "tokens", "add", "caf\udce9", "--scope", "read") == 1
    assert "not UTF-8" in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("cameras", "add", "R12"), "such as r12"),
        (("cameras", "test", "a/../b"), "such as a-b"),
        (("cameras", "remove", "?"), "such as room-12"),
        (("devices", "pair", "Bad Id"), "such as bad-id"),
    ],
)
def test_an_id_that_can_be_none_is_told_with_one_that_can(
    arguments: tuple[str, ...],
    says: str,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == 1
    assert says in capsys.readouterr().err
    assert asked == []


def test_an_id_that_is_one_stays_as_it_is() -> None:
    for camera_id in ("r", "room-12", "0_1", "a" * 64):
        assert check_camera_id(camera_id) == camera_id
    with pytest.raises(RequestError):
        check_camera_id("room-12\n")


@pytest.mark.parametrize(
    "arguments",
    [("nonsense", "--json"), ("people", "enrol", "no-uuid", "--json"), ("cameras", "list", "--json", "--no")],
)
def test_wrong_usage_is_a_document_for_programs(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["ok"], told["error"]["code"]) == (False, "wrong_usage")
    assert told["error"]["detail"]
    assert "Usage: " in captured.err


def test_enrolling_somebody_unknown_says_where_the_ids_are_and_tries_once(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"picture")
    assert run(monkeypatch, "people", "enrol", str(UUID(int=7)), "a.jpg", "b.jpg") == 1
    error = capsys.readouterr().err
    assert "rollcall people list" in error
    assert "()" not in error
    assert "try again" not in error
    assert len(asked) == 1


def test_a_reason_without_a_hint_has_no_empty_brackets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def enrol(*_: object) -> None:
        raise ServerSaidNo("no face was found", code="no_face")

    monkeypatch.setattr(ServerClient, "enrol", enrol)
    (tmp_path / "a.jpg").write_bytes(b"picture")
    assert run(monkeypatch, "people", "enrol", str(UUID(int=7)), "a.jpg") == 1
    assert "a.jpg: no face was found\n" in capsys.readouterr().err


def commands_of(group: click.Command) -> list[click.Command]:
    if not isinstance(group, click.Group):
        return [group]
    context = click.Context(group)
    found: list[click.Command] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += commands_of(command)
    return found


def test_every_command_that_talks_to_a_server_finds_it_in_the_same_way() -> None:
    options = [
        parameter
        for command in commands_of(cli.rollcall)
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name == "server"
    ]
    assert len(options) > 15
    assert {option.help for option in options} == {options[0].help}
    assert all(option.required is False and not isinstance(option.default, str) for option in options)


def test_whoever_reads_no_further_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def call(*_: object, **__: object) -> Any:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(ServerClient, "call", call)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert run(monkeypatch, "unknown-faces", "list", "--json") == 1
    assert capfd.readouterr() == ("", "")
