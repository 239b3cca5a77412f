import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from stream_server.telemetry.log_context import about
from stream_server.telemetry.logs import configure_logging


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, access, errors = (logging.getLogger(name) for name in (None, "uvicorn.access", "uvicorn.error"))
    handlers, level = root.handlers[:], root.level
    levels = access.level, errors.level
    filters = errors.filters[:]
    yield
    root.handlers[:], errors.filters[:] = handlers, filters
    root.setLevel(level)
    access.setLevel(levels[0])
    errors.setLevel(levels[1])


def test_a_line_has_time_level_part_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    logging.getLogger("rollcall.test").info("hello %s", "Ada")
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    date, _, level, name, *words = line.split()
    assert (len(date), level, name, words) == (10, "INFO", "rollcall.test:", ["hello", "Ada"])


@pytest.mark.parametrize(("level", "lines"), [("DEBUG", 3), ("INFO", 2), ("ERROR", 1)])
def test_what_is_below_the_level_is_not_logged(level: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level)
    log = logging.getLogger("rollcall.test")
    log.debug("a")
    log.info("b")
    log.error("c")
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_who_asked_for_which_path_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG")
    logging.getLogger("uvicorn.access").info('"GET /api/v1/people/1 HTTP/1.1" 200')
    assert capsys.readouterr().err == ""


def test_a_start_that_fails_is_not_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    log = logging.getLogger("uvicorn.error")
    log.error("Traceback (most recent call last):\n  ...")
    log.error("Application startup failed. Exiting.")
    assert [line.split(": ", 1)[1] for line in capsys.readouterr().err.splitlines()] == [
        "Application startup failed. Exiting."
    ]


def test_what_goes_over_sockets_is_never_logged() -> None:
    script = (
        "import logging; from stream_server.telemetry.logs import configure_logging; configure_logging('DEBUG');"
        "logging.getLogger('uvicorn.error').debug('BINARY ff d8'); logging.getLogger('rollcall').debug('ours')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "ours" in done.stderr
    assert "ff d8" not in done.stderr


def test_what_the_tunnels_sdk_says_to_its_servers_is_never_logged() -> None:
    script = (
        "import logging; from stream_server.telemetry.logs import configure_logging; configure_logging('DEBUG');"
        "logging.getLogger('ngrok.session').info('auth 2token'); logging.getLogger('ngrok').warning('ours')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "ours" in done.stderr
    assert "2token" not in done.stderr


def test_a_line_of_json_has_time_level_part_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", format_="json")
    logging.getLogger("rollcall.test").warning("hello %s\nand more", "Åsa")
    (text,) = capsys.readouterr().err.splitlines()
    line = json.loads(text)
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "warning", "logger": "rollcall.test", "message": "hello Åsa\nand more"}


def test_a_line_of_json_names_the_request_and_the_camera_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", format_="json")
    with about(request_id="r-7"), about(camera_id="door"):
        logging.getLogger("rollcall.test").info("seen")
    logging.getLogger("rollcall.test").info("over")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["request_id"], first["camera"]) == ("r-7", "door")
    assert "request_id" not in second
    assert "camera" not in second


def test_a_failure_is_one_line_of_json_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", format_="json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("rollcall.test").exception("it failed")
    (text,) = capsys.readouterr().err.splitlines()
    assert "ValueError: broken" in json.loads(text)["error"]
