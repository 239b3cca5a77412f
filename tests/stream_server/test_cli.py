import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from recognition.errors import InternalError, RequestError, UnavailableError
from stream_server import cli
from stream_server.cli import COMMANDS, rollcall
from stream_server.client import ServerClient, ServerSaidNo
from stream_server.commands.command import EXIT_FAILED, EXIT_UNAVAILABLE


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from any .env and data folder
    monkeypatch.setenv("ROLLCALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ROLLCALL_AUTH__TOKEN", "open-sesame-1234")
    monkeypatch.setenv("DATABASE_URL", "")


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """Run the entry point in this process; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["rollcall", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code
    return 0


def failing(error: BaseException) -> click.Command:
    @click.command()
    def fails() -> None:
        raise error

    return fails


def all_commands(command: click.Command, *way: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [way]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            deeper = command.get_command(context, name)
            assert deeper is not None
            found += all_commands(deeper, *way, name)
    return found


def command_at(way: tuple[str, ...]) -> click.Command:
    command: click.Command = rollcall
    for name in way:
        assert isinstance(command, click.Group)
        deeper = command.get_command(click.Context(command), name)
        assert deeper is not None
        command = deeper
    return command


@pytest.fixture(autouse=True)
def _help_as_if_first_asked_for() -> Iterator[None]:
    """A command remembers how help was spelled where it was first called, which may have been without its group."""
    commands = [command_at(way) for way in all_commands(rollcall)]
    for command in commands:
        command._help_option = None
    yield
    for command in commands:
        command._help_option = None


@pytest.mark.parametrize("way", all_commands(rollcall), ids=" ".join)
def test_every_command_says_what_it_does(way: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        result = CliRunner().invoke(rollcall, [*way, option])
        assert result.exit_code == 0, result.output
        assert result.output.startswith("Usage: ")
        described = result.output.split("\n\n")[1].strip()
        assert described
        assert not described.startswith("Options:")


@pytest.mark.parametrize("way", all_commands(rollcall), ids=" ".join)
def test_every_option_says_what_it_does(way: tuple[str, ...]) -> None:
    for parameter in command_at(way).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_overview_lists_every_command() -> None:
    output = CliRunner().invoke(rollcall, ["--help"]).output
    assert [line.split()[0] for line in output.partition("Commands:\n")[2].splitlines() if line[2:3].strip()] == list(
        COMMANDS
    )


def test_the_version_is_the_installed_one() -> None:
    assert version("rollcall") in CliRunner().invoke(rollcall, ["--version"]).output


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("serve", "--nonsense"), ("serve", "--port", "70000"), ("watch",)]
)
def test_wrong_use_is_exit_code_2_with_the_usage(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: " in captured.err
    assert "Traceback" not in captured.err


def test_without_a_command_the_help_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch) == 2
    captured = capsys.readouterr()
    assert "Commands:" in captured.out + captured.err


@pytest.mark.parametrize("kind", [RequestError, UnavailableError, InternalError])
def test_an_error_of_ours_is_one_line_and_what_to_do(
    kind: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("the pictures are gone", hint="put them back")
    monkeypatch.setattr(rollcall, "get_command", lambda *_: failing(error))
    assert run_main(monkeypatch, "serve") == (EXIT_UNAVAILABLE if kind is UnavailableError else EXIT_FAILED)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["rollcall: the pictures are gone", "  put them back"]


def test_an_error_without_a_hint_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rollcall, "get_command", lambda *_: failing(RequestError("no")))
    assert run_main(monkeypatch, "serve") == EXIT_FAILED
    assert capsys.readouterr().err == "rollcall: no\n"


def test_ctrl_c_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(rollcall, "get_command", lambda *_: failing(KeyboardInterrupt()))
    assert run_main(monkeypatch, "serve") == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_defect_of_ours_shows_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollcall, "get_command", lambda *_: failing(ZeroDivisionError("somewhere")))
    with pytest.raises(ZeroDivisionError):
        run_main(monkeypatch, "serve")


def test_a_command_that_ends_with_a_code_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.pass_context
    def leaves(context: click.Context) -> None:
        context.exit(7)

    monkeypatch.setattr(rollcall, "get_command", lambda *_: leaves)
    assert run_main(monkeypatch, "serve") == 7


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve",),
        ("demo",),
        ("watch", "video.mp4"),
        ("people", "list"),
        ("people", "add", "Ada"),
        ("models", "list"),
        ("db", "status"),
    ],
    ids=" ".join,
)
def test_a_bad_setting_is_named_by_every_command(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLCALL_HTTP__PORT", "eighty")
    assert run_main(monkeypatch, *arguments) == EXIT_FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "ROLLCALL_HTTP__PORT" in captured.err
    assert len(captured.err.splitlines()) == 2


@pytest.fixture
def taken_port() -> Any:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def _logging_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_server.telemetry.logs.configure_logging", lambda level, format_: None)


@pytest.mark.usefixtures("_logging_untouched")
def test_a_port_that_is_taken_is_said_before_anything_is_started(
    taken_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ROLLCALL_AUTH__TOKEN")
    assert run_main(monkeypatch, "serve", "--port", str(taken_port)) == EXIT_UNAVAILABLE
    error = capsys.readouterr().err
    assert f"port {taken_port}" in error
    assert not Path("data").exists()
    assert "--port" in error


@pytest.mark.usefixtures("_logging_untouched")
@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "x" * 70, ""])
def test_an_address_that_is_not_ours_is_said(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "serve", "--port", "0", "--host", host or "::zz") == EXIT_UNAVAILABLE
    error = capsys.readouterr().err
    assert "cannot listen on" in error
    assert "--host" in error
    assert "--port" not in error


@pytest.mark.usefixtures("_logging_untouched")
@pytest.mark.parametrize("variable", ["ROLLCALL_HTTP__PAGES_DIR", "ROLLCALL_PULL__REPLAY_DIR"])
def test_what_was_set_wrongly_is_another_exit_code_than_what_is_away(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "nowhere")
    assert run_main(monkeypatch, "serve", "--port", "0") == EXIT_FAILED
    assert variable in capsys.readouterr().err


@pytest.mark.usefixtures("_logging_untouched")
def test_a_data_folder_that_cannot_be_used_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file")
    monkeypatch.delenv("ROLLCALL_AUTH__TOKEN")
    assert run_main(monkeypatch, "serve", "--port", "0") == EXIT_UNAVAILABLE
    assert "ROLLCALL_DATA_DIR" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    assert run_main(monkeypatch, "people", "list", "--server", address) == EXIT_UNAVAILABLE
    first, second = capsys.readouterr().err.splitlines()
    assert address in first
    assert "rollcall serve" in second


def test_a_server_address_that_is_none_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for address in ("localhost:8000", "ftp://127.0.0.1", "http://", "http://[", "http://127.0.0.1:99999", ""):
        assert run_main(monkeypatch, "people", "list", "--server", address) == EXIT_FAILED, address
        (_, hint) = capsys.readouterr().err.splitlines()
        assert hint == "  an address is like http://127.0.0.1:8000"


def test_people_without_consent_are_not_enrolled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ada.jpg").write_bytes(b"picture")
    assert run_main(monkeypatch, "people", "add", "Ada", "ada.jpg") == 2
    assert "--consent" in capsys.readouterr().err


def test_a_photograph_that_is_refused_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good.jpg", "bad.jpg"):
        (tmp_path / name).write_bytes(name.encode())

    async def add_person(self: ServerClient, name: str, *, consent: bool) -> str:
        return "7"

    async def enrol(self: ServerClient, person_id: str, photo: bytes) -> None:
        if photo == b"bad.jpg":
            raise ServerSaidNo("no face was found", hint="more light", code="no_face")

    monkeypatch.setattr(ServerClient, "add_person", add_person)
    monkeypatch.setattr(ServerClient, "enrol", enrol)
    arguments = ("people", "add", "Ada", "good.jpg", "bad.jpg", "--consent")
    assert run_main(monkeypatch, *arguments) == 1
    captured = capsys.readouterr()
    assert "bad.jpg: no face was found (more light)" in captured.err
    assert "1 enrolled" in captured.out
    assert run_main(monkeypatch, *arguments, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["id"], document["templates"]) == ("7", 1)
    assert document["refused"][0]["code"] == "no_face"


def test_demo_takes_people_and_video_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "demo", "--people", str(tmp_path)) == 2
    assert "--video" in capsys.readouterr().err


def test_the_openapi_description_is_one_json_document(tmp_path: Path) -> None:
    printed = CliRunner().invoke(rollcall, ["openapi"])
    assert json.loads(printed.output)["info"]["title"] == "Rollcall"
    written = CliRunner().invoke(rollcall, ["openapi", "--output", "api.json"])
    assert written.output == ""
    assert (tmp_path / "api.json").read_text() == printed.output


def test_light_commands_load_nothing_heavy() -> None:
    heavy = ("cv2", "onnxruntime", "onnx", "av", "asyncpg", "sqlalchemy", "alembic", "fastapi", "aiortc")
    script = (
        "import sys; from click.testing import CliRunner; from stream_server.cli import rollcall; "
        "CliRunner().invoke(rollcall, ['--version']); CliRunner().invoke(rollcall, ['people', '--help']); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_server_loads_nothing_that_only_other_commands_need() -> None:
    unneeded = ("aiortc", "av", "onnx", "sqlalchemy", "alembic", "rich", "httpx", "PIL", "matplotlib")
    script = f"import sys, stream_server.app; print([name for name in {unneeded} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
