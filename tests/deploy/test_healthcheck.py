"""The container's health check, against real sockets."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy import healthcheck


class Answers(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROLLCALL_DATA_DIR", str(tmp_path))
    return tmp_path / "address"


def test_a_server_that_answers_200_is_healthy(server: HTTPServer, address: Path) -> None:
    address.write_text(f"http://127.0.0.1:{server.server_port}\nhttps://elsewhere:1\n")
    assert healthcheck.main() == 0


def test_any_other_answer_is_not(
    server: HTTPServer, address: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Answers, "status", 503)
    address.write_text(f"http://127.0.0.1:{server.server_port}\n")
    assert healthcheck.main() == 1
    assert "503" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "", "http://127.0.0.1:1\n", "nonsense"])
def test_no_server_is_not(address: Path, text: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        address.write_text(text)
    assert healthcheck.main() == 1
    assert "does not answer yet" in capsys.readouterr().err
